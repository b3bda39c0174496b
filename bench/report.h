/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report: results as JSON, as a table, as comma-separated values.
 *
 * The JSON text is documented in docs/bench.md; the other forms are made from it.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include <jansson.h>

#include "bench/machine.h"
#include "bench/run.h"

#define REPORT_VERSION 1

/*
 * A report without results.  sw, a new reference that is taken over, describes the switch.  NULL when
 * memory is short.
 */
json_t *report_create(
	const struct machine *machine, const struct bench_options *options, json_t *sw);
/* -ENOMEM. */
int report_add(json_t *report, const struct bench_result *result);

/* For people; for spreadsheets: a line of titles, a line per result. */
void report_print_table(const json_t *report, FILE *file);
void report_print_csv(const json_t *report, FILE *file);

#endif
