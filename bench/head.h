/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * head: the first 64 or 80 bytes of a buffer with a frame in it, frame header included, held in
 * vector registers: a frame that was received is compared with it, one that is sent gets it.
 *
 * From one frame to the next the stamp changes (a number goes up, its complement down), and with more
 * than one flow addresses and tag.
 */
#ifndef BENCH_HEAD_H
#define BENCH_HEAD_H

#include <smmintrin.h>

#include "bench/frame.h"

#define HEAD_VECTORS 5

struct head {
	__m128i bytes[HEAD_VECTORS];
	__m128i step[2]; /* of the last two vectors */
	__m128i mask;    /* of the first vector: bits that count */
};

/* How many vectors it takes to reach the end of the first stamp. */
static inline unsigned
head_vectors(const struct frame_shape *shape)
{
	return shape->data + 10 <= 64 ? 4 : 5;
}

/* The head of the frame at the cursor. */
void head_init(struct head *head, const struct frame_shape *shape, const struct frame_path *path,
	const struct frame_cursor *cursor);

/* The same for another frame of the path. */
static inline void
head_step(struct head *head, unsigned vectors)
{
	head->bytes[3] = _mm_add_epi32(head->bytes[3], head->step[0]);
	if (vectors > 4)
		head->bytes[4] = _mm_add_epi32(head->bytes[4], head->step[1]);
}

/* Addresses and tag of the flow at the cursor. */
static inline void
head_flow(struct head *head, const struct frame_path *path, const struct frame_cursor *cursor,
	bool tagged)
{
	struct frame_macs macs = frame_macs(path, cursor->mac);

	head->bytes[0] = _mm_insert_epi32(head->bytes[0], (int)(uint32_t)macs.first, 3);
	head->bytes[1] = _mm_insert_epi64(
		head->bytes[1], (long long)(macs.first >> 32 | (uint64_t)macs.last << 32), 0);
	if (tagged)
		head->bytes[1] =
			_mm_insert_epi32(head->bytes[1], (int)frame_tag(cursor->vlan + 1), 2);
}

/* The stamp of any frame. */
static inline void
head_stamp(struct head *head, const struct frame_shape *shape, uint64_t sequence)
{
	uint64_t stamp = frame_stamp(sequence);

	memcpy((uint8_t *)head->bytes + shape->data + 2, &stamp, sizeof(stamp));
}

/* Any frame of the path, of the length that the head was made for. */
static inline void
head_set(struct head *head, const struct frame_shape *shape, const struct frame_path *path,
	const struct frame_cursor *cursor)
{
	head_flow(head, path, cursor, path->tagged);
	head_stamp(head, shape, cursor->sequence);
}

/* Is it the head of this buffer?  Buffers begin at cache lines. */
static inline bool
head_matches(const struct head *head, const uint8_t *buffer, unsigned vectors)
{
	const __m128i *at = (const __m128i *)(const void *)buffer;
	__m128i d = _mm_and_si128(_mm_xor_si128(head->bytes[0], _mm_load_si128(at)), head->mask);

	for (unsigned i = 1; i < vectors; i++)
		d = _mm_or_si128(d, _mm_xor_si128(head->bytes[i], _mm_load_si128(at + i)));
	return _mm_testz_si128(d, d);
}

static inline void
head_write(const struct head *head, uint8_t *buffer, unsigned vectors)
{
	__m128i *at = (__m128i *)(void *)buffer;

	for (unsigned i = 0; i < vectors; i++)
		_mm_store_si128(at + i, head->bytes[i]);
}

#endif
