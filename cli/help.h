/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * help: the tables of api/ as text for a terminal.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "api/schema.h"

void help_overview(FILE *file);
void help_noun(const char *noun, FILE *file);
void help_verb(const struct verb *verb, FILE *file);

#endif
