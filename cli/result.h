/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * result: what the daemon answered, as the verb's row says people want to see it.
 */
#ifndef CLI_RESULT_H
#define CLI_RESULT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "api/schema.h"

/* Does the verb's table have counters, so that watching it shows rates? */
bool result_has_rates(const struct verb *verb);

/*
 * Prints for people.  params are those of the request.  With an earlier result, counters are shown
 * per second.  -ENOMEM.
 */
int result_print(const struct verb *verb, const json_t *params, const json_t *result,
	const json_t *earlier, FILE *file);

/* Prints as JSON: on one line, indented for a terminal.  -ENOMEM. */
int result_print_json(const json_t *result, bool indented, FILE *file);

#endif
