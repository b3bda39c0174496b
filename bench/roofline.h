/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * roofline: how fast the bytes of frames can be copied from one guest's buffers into the other's when
 * that is all that is done: what a switch that copies once cannot exceed on one CPU.
 */
#ifndef BENCH_ROOFLINE_H
#define BENCH_ROOFLINE_H

#include "bench/guest.h"

/*
 * Copies frames of `length` bytes, frame header included, by memcpy on a CPU: from the first guest's
 * frames that wait into the second one's receive buffers, and back with `two_way`.  Bits per second,
 * the median of short stretches.  Nothing may be on the way.  -ENOMEM, or what pthread_create(3)
 * says.
 */
int roofline_measure(struct guest *const guests[2], uint32_t length, bool two_way, uint16_t cpu,
	uint64_t tsc_hz, double seconds, double *bits, struct err *err);

#endif
