/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_clock: times of records (time stamp counter) as times of day.
 *
 * The two are compared each time records are taken, so that an error of the counter's rate does not
 * add up, and a clock that is set is followed.
 */
#ifndef CLI_CAPTURE_CLOCK_H
#define CLI_CAPTURE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CAPTURE_CLOCK_STEP_NS UINT64_C(1000000000) /* so far back is a clock that was set */

struct capture_clock {
	uint64_t tsc_hz;
	uint64_t tsc, ns; /* the same moment */
	uint64_t last;    /* time that was told last */
};

/* Compares; returns the counter. */
static inline uint64_t
capture_clock_sync(struct capture_clock *clock)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	clock->tsc = __builtin_ia32_rdtsc();
	clock->ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
	return clock->tsc;
}

/* Nanoseconds since 1970, of one record after the other: time does not run backwards among them. */
static inline uint64_t
capture_clock_time(struct capture_clock *clock, uint64_t tsc)
{
	int64_t since = (int64_t)(tsc - clock->tsc);
	uint64_t ns = clock->ns +
		      (uint64_t)(int64_t)((__int128)since * 1000000000 / (int64_t)clock->tsc_hz);

	if (ns < clock->last && clock->last - ns < CAPTURE_CLOCK_STEP_NS)
		ns = clock->last;
	clock->last = ns;
	return ns;
}

#endif
