/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ceiling: how many frames the traffic side moves when the switch costs nothing: the same steps on the
 * same CPU, against a loopback on another CPU.
 *
 * Rounds count in which each guest found a whole burst or nothing; the median is told, so that a
 * machine that is busy with other things does little harm.
 */
#ifndef BENCH_CEILING_H
#define BENCH_CEILING_H

#include "bench/crew.h"

struct ceiling_options {
	const struct endpoint *pair; /* two endpoints as they are against the switch */
	struct guest_options guest;
	bool two_way, any;
	uint16_t cpu, device_cpu;
	uint64_t tsc_hz;
	double seconds;
	const volatile sig_atomic_t *stopped;
};

/* *cycles of the traffic side per frame; 0 when no round was full. */
int ceiling_measure(const struct ceiling_options *options, double *cycles, struct err *err);

#endif
