/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * detail: everything about one object, one member per line.
 */
#ifndef CLI_DETAIL_H
#define CLI_DETAIL_H

#include <stdio.h>

#include <jansson.h>

/* Objects inside are indented below their name; lists of objects get a line for each.  -ENOMEM. */
int detail_print(const json_t *object, FILE *file);

#endif
