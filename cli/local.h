/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * local: verbs that the client does alone (VERB_LOCAL): one row each in local.c.
 */
#ifndef CLI_LOCAL_H
#define CLI_LOCAL_H

#include "cli/command.h"

/* Returns the exit code; fills err when that is not EXIT_OK. */
int local_run(const struct command *command, struct err *err);

#endif
