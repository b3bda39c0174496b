/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_check: the part of traffic that looks at every frame.
 *
 * The frame that is expected next is recognised by comparing words; anything else is judged byte by
 * byte (traffic_judge).
 */
#ifndef BENCH_TRAFFIC_CHECK_H
#define BENCH_TRAFFIC_CHECK_H

#include "bench/traffic.h"

#define SAMPLE_STEP 72 /* from sample to sample; no multiple of a cache line */

/* What differs from flow to flow. */
struct flow_words {
	struct frame_macs macs;
	uint32_t tag;
};

static inline struct flow_words
flow_words(const struct frame_path *path, const struct frame_cursor *cursor)
{
	return (struct flow_words){frame_macs(path, cursor->mac), frame_tag(cursor->vlan + 1)};
}

/* Bits that differ from what is expected in the headers, and in the first stamp. */
static inline uint64_t
head_difference(const uint8_t *buffer, const struct frame_shape *shape, bool tagged,
	const struct flow_words *words, uint64_t stamp)
{
	uint64_t d = (load64(buffer) & shape->header_mask) ^ shape->header;

	d |= load64(buffer + FRAME_AT) ^ words->macs.first;
	d |= load32(buffer + FRAME_AT + 8) ^ words->macs.last;
	if (tagged)
		d |= load32(buffer + FRAME_AT + 12) ^ words->tag;
	d |= load64(buffer + shape->l3 + 12) ^ shape->addresses;
	d |= load64(buffer + shape->data - 6) ^ shape->mark;
	d |= load64(buffer + shape->data + 2) ^ stamp;
	return d;
}

/* Makes a frame that came back from the switch, or from the peer, the next one to send. */
static inline void
head_write(uint8_t *buffer, const struct frame_shape *shape, bool tagged,
	const struct flow_words *words, uint64_t stamp)
{
	store64(buffer, shape->header);
	store32(buffer + 8, shape->header_rest);
	store64(buffer + FRAME_AT, words->macs.first);
	store32(buffer + FRAME_AT + 8, words->macs.last);
	if (tagged)
		store32(buffer + FRAME_AT + 12, words->tag);
	store64(buffer + shape->l3 + 12, shape->addresses);
	store64(buffer + shape->data + 2, stamp);
}

static inline uint32_t
sample_step(uint32_t sample, const struct frame_shape *shape)
{
	sample += SAMPLE_STEP;
	return sample + 8 > shape->payload_length ? sample % 8 : sample;
}

/*
 * Judges a frame that is not as expected, and takes it into account.  `bytes` is the length that the
 * switch reported, frame header included.  True when it counts as received: good, and not a second
 * time.
 */
bool traffic_judge(struct endpoint *e, const uint8_t *flat, uint32_t bytes);

/* ---- steps of a phase; each returns the frames it received or sent ---- */

/* Returns received frames in their buffers. */
unsigned traffic_return(struct endpoint *e);
/* Receives frames of one buffer. */
unsigned traffic_receive(struct endpoint *e, const struct phase *phase, struct traffic *t);
/* Receives any frames; those to be answered become credit. */
unsigned traffic_receive_any(struct endpoint *e, const struct phase *phase, struct traffic *t);
/* Sends up to `count` frames. */
unsigned traffic_send(struct endpoint *e, unsigned count);
/* Takes back what the switch has sent: buffers are posted, those that are left over wait. */
void traffic_reclaim(struct endpoint *e, bool post);

#endif
