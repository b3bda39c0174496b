/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_copy: copies of frames and ring entries, made for the lengths that occur, with the widest
 * vectors of the level that the including file is compiled for (vhost/vring_level.h).  No byte
 * beyond either end is touched.
 */
#ifndef VHOST_VRING_COPY_H
#define VHOST_VRING_COPY_H

#include <stdint.h>
#include <string.h>

#include "datapath/frame.h"

typedef uint8_t v16 __attribute__((vector_size(16), aligned(1), may_alias));
#if defined(__AVX2__)
typedef uint8_t vwide __attribute__((vector_size(32), aligned(1), may_alias));
#else
typedef v16 vwide;
#endif
#if defined(__AVX512F__)
typedef uint8_t vlong __attribute__((vector_size(64), aligned(1), may_alias));
#else
typedef vwide vlong;
#endif

#define COPY_ROUND    (4 * sizeof(vlong)) /* bytes of one round of copy_long() */
#define COPY_LONG_MAX 4096 /* above, the C library's way through large blocks is better */

/* `first` bytes from the start and `last` up to the end; they overlap where n is less than both. */
static inline __attribute__((always_inline)) void
copy_parts(uint8_t *to, const uint8_t *from, uint32_t n, unsigned first, unsigned last)
{
	for (unsigned i = 0; i < first; i += sizeof(vwide))
		*(vwide *)(to + i) = *(const vwide *)(from + i);
	to += n - last;
	from += n - last;
	for (unsigned i = 0; i < last; i += sizeof(vwide))
		*(vwide *)(to + i) = *(const vwide *)(from + i);
}

static inline __attribute__((always_inline)) void
copy_ends(uint8_t *to, const uint8_t *from, uint32_t n, unsigned half)
{
	copy_parts(to, from, n, half, half);
}

/* Up to 32 bytes. */
static inline void
copy_few(uint8_t *to, const uint8_t *from, uint32_t n)
{
	if (n >= 16) {
		v16 first = *(const v16 *)from, last = *(const v16 *)(from + n - 16);

		*(v16 *)to = first;
		*(v16 *)(to + n - 16) = last;
	} else if (n >= 8) {
		uint64_t first, last;

		memcpy(&first, from, 8);
		memcpy(&last, from + n - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + n - 8, &last, 8);
	} else {
		for (uint32_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

/* Any length, made for 0..FRAME_WHOLE and a tag. */
static inline __attribute__((always_inline)) void
copy_short(uint8_t *to, const uint8_t *from, uint32_t n)
{
	/* 32 to 64 first: most frames that are short are as short as can be, perhaps with a tag. */
	if (__builtin_expect(n - 32 <= 32, 1))
		copy_ends(to, from, n, 32);
	else if (__builtin_expect(n - 32 <= 64, 1))
		copy_parts(to, from, n, 64, 32);
	else if (n < 32)
		copy_few(to, from, n);
	else if (n <= 128)
		copy_ends(to, from, n, 64);
	else if (n <= 256)
		copy_ends(to, from, n, 128);
	else
		memcpy(to, from, n);
}

/* Any length, made for the rest of a frame behind its private bytes. */
static inline __attribute__((always_inline)) void
copy_long(uint8_t *to, const uint8_t *from, uint32_t n)
{
	const uint8_t *end = from + n - COPY_ROUND;

	if (__builtin_expect(n < COPY_ROUND, 0)) {
		copy_short(to, from, n);
		return;
	}
	if (__builtin_expect(n > COPY_LONG_MAX, 0)) {
		memcpy(to, from, n);
		return;
	}
	for (; from < end; from += COPY_ROUND, to += COPY_ROUND)
		for (unsigned i = 0; i < COPY_ROUND; i += sizeof(vlong))
			*(vlong *)(to + i) = *(const vlong *)(from + i);
	to += end - from;
	for (unsigned i = 0; i < COPY_ROUND; i += sizeof(vlong))
		*(vlong *)(to + i) = *(const vlong *)(end + i);
}

#endif
