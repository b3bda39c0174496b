/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_case: what the files of run share: run.c (a case from begin to end), run_guests.c (connections),
 * run_measure.c (against the switch), run_drops.c (what the switch says it lost), run_alone.c (what can
 * be reached without it).
 */
#ifndef BENCH_RUN_CASE_H
#define BENCH_RUN_CASE_H

#include "bench/run.h"

/* One case while it runs. */
struct bench_case {
	struct bench_run *run;
	const struct bench_options *options;
	struct bench_result *result;
	struct traffic_mix mix;
	unsigned pairs;
	struct endpoint *endpoints; /* [2 * pairs] */
	uint8_t phases;             /* run so far: marks of frames */
	struct err *err;
};

/* All return 0 or a negative errno, and fill s->err. */

/* How a guest is to be; its socket is left out. */
void case_choose_guest(const struct bench_case *s, struct guest_options *guest);
/* Longest frame, without tag. */
uint32_t case_longest(const struct bench_case *s);
int case_open_guests(struct bench_case *s);
void case_close_guests(struct bench_case *s);

/* Every guest sends from each of its addresses until the switch knows them all. */
int case_make_known(struct bench_case *s);
/* What the options ask for. */
int case_measure(struct bench_case *s);
/* What the switch has dropped so far; nothing of a switch that can't be asked. */
int case_read_drops(const struct bench_case *s, struct bench_drops *drops);

/* The traffic side against a cable; memcpy between the guests' buffers. */
int case_measure_ceiling(struct bench_case *s);
int case_measure_roofline(struct bench_case *s);

#endif
