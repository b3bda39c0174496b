/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * meter: a token bucket that several workers share (RFC 2697 with an excess burst of 0).
 *
 * The arithmetic is rte_meter's, done on a private copy of the bucket that is then put in place by a
 * compare-and-swap of its 16 bytes: nobody waits for anybody, and a port's rate is the same however
 * many workers its frames pass through.  Units are the caller's: bytes, or packets.
 */
#ifndef DATAPATH_METER_H
#define DATAPATH_METER_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_meter.h>

/* Times the swap is tried; each failure is the success of another worker. */
#define METER_TRIES 8

/* Tokens of a bucket that is full whatever its size: one that was not used yet. */
#define METER_FULL (UINT64_MAX / 2)

struct meter {
	union {
		struct {
			uint64_t time; /* TSC cycles up to which tokens were filled in */
			uint64_t tokens;
		};
		unsigned __int128 both;
	};
};

static inline bool
meter_swap(struct meter *m, const struct meter *old, uint64_t time, uint64_t tokens)
{
	struct meter new = {.time = time, .tokens = tokens};

	/* One instruction, cmpxchg16b; the __atomic form would call a library that may lock. */
	return __sync_bool_compare_and_swap(&m->both, old->both, new.both);
}

/* May be torn by a swap; the next swap then fails. */
static inline struct meter
meter_load(const struct meter *m)
{
	struct meter copy = {.time = __atomic_load_n(&m->time, __ATOMIC_RELAXED),
		.tokens = __atomic_load_n(&m->tokens, __ATOMIC_RELAXED)};

	return copy;
}

/* any worker: takes all the tokens, or none and returns false.  now: w->tsc. */
static inline bool
meter_take(struct meter *m, const struct rte_meter_srtcm_profile *profile, uint64_t now,
	uint32_t tokens)
{
	struct rte_meter_srtcm_profile p = *profile;

	for (unsigned i = 0; i < METER_TRIES; i++) {
		struct meter old = meter_load(m);
		struct rte_meter_srtcm copy = {.time = old.time, .tc = old.tokens};
		/* Another worker's turn may have begun later than this one's. */
		uint64_t time = (int64_t)(now - old.time) < 0 ? old.time : now;

		if (rte_meter_srtcm_color_blind_check(&copy, &p, time, tokens) != RTE_COLOR_GREEN)
			return false;
		if (__builtin_expect(meter_swap(m, &old, copy.time, copy.tc), 1))
			return true;
	}
	return false;
}

/* any worker: puts back what was taken a moment ago. */
static inline void
meter_return(struct meter *m, uint32_t tokens)
{
	for (unsigned i = 0; i < METER_TRIES; i++) {
		struct meter old = meter_load(m);

		if (meter_swap(m, &old, old.time, old.tokens + tokens))
			return;
	}
}

#endif
