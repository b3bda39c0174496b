/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_check: what the files of traffic share: traffic.c (phases), traffic_fast.c (frames of one
 * length and one buffer), traffic_any.c (all others).
 *
 * The frame that is expected next is recognised by its first bytes and its second stamp; anything
 * else is judged byte by byte (traffic_judge).
 */
#ifndef BENCH_TRAFFIC_CHECK_H
#define BENCH_TRAFFIC_CHECK_H

#include "bench/head.h"
#include "bench/traffic.h"

#define SAMPLE_STEP 72 /* from sample to sample; no multiple of a cache line */

/*
 * Judges a frame that is not as expected, and takes it into account.  `bytes` is the length that the
 * switch reported, frame header included.  True when it counts as received: good, and not a second
 * time.
 */
bool traffic_judge(struct endpoint *e, const uint8_t *flat, uint32_t bytes);

/* ---- steps of a phase: each returns the frames it received or sent ---- */

struct traffic_steps {
	/* NULL: frames to be answered become credit. */
	unsigned (*give_back)(struct endpoint *e);
	unsigned (*receive)(struct endpoint *e, const struct phase *phase, struct traffic *t);
	/* At most `count` frames. */
	unsigned (*send)(struct endpoint *e, unsigned count);
	/* Takes back what the switch has sent: buffers are posted, those that are left over wait. */
	void (*reclaim)(struct endpoint *e, bool post);
};

extern const struct traffic_steps traffic_steps_fast, traffic_steps_any;

/* Records the latency of `count` frames that arrived together. */
void traffic_record(struct traffic *t, const struct endpoint *e, uint64_t first, unsigned count);

#endif
