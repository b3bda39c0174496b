/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * search: the highest rate at which nothing is lost (RFC 2544, 26.1; RFC 1242, 3.17), by bisection.
 */
#ifndef BENCH_SEARCH_H
#define BENCH_SEARCH_H

#include <stdint.h>

#include "lib/err.h"

#define SEARCH_TRIALS_MAX 64

struct search_options {
	double maximum;    /* frames/s: the first rate tried; nothing above it is */
	double resolution; /* frames/s: the search ends when pass and failure are this near */
	unsigned trials;   /* at most; 0 = SEARCH_TRIALS_MAX */
};

/*
 * Sends at a rate for the time of a trial, and says how many frames did not arrive.  A negative
 * errno ends the search.
 */
typedef int (*search_trial)(void *arg, double rate, uint64_t *lost, struct err *err);

/*
 * *rate is the highest one that passed twice: when it was found, and again at the end.  0 when none
 * did.
 */
int search_run(const struct search_options *options, search_trial trial, void *arg, double *rate,
	struct err *err);

#endif
