/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plot: a report as a picture, drawn by gnuplot.
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <jansson.h>

#include "lib/err.h"

/* Is gnuplot installed?  -ENOENT with a text that says how to install it. */
int plot_check(struct err *err);

/* Draws the report into an SVG file, which is replaced. */
int plot_write(const json_t *report, const char *file, struct err *err);

#endif
