/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_plain: four plain descriptors at a time become entries.  For levels with AVX2.
 *
 * Both ring formats have descriptors of two 64-bit words, the address first, the length in the lower
 * half of the second.  What the upper half holds differs; the caller says what must be there.
 */
#ifndef VHOST_VRING_PLAIN_H
#define VHOST_VRING_PLAIN_H

#include "vhost/vring_impl.h"

#ifdef __AVX2__
#include <immintrin.h>

/* What stays the same for all descriptors of a ring that are read ahead at a time. */
struct plain {
	__m256i gpa, size, host; /* of the region that they are expected in */
	__m256i care, want;      /* bits of the second word, and their values */
};

HOT struct plain
plain_start(const struct vring *vr, uint64_t care, uint64_t want)
{
	return (struct plain){.gpa = _mm256_set1_epi64x((long long)vr->near.gpa),
		.size = _mm256_set1_epi64x((long long)vr->near.size),
		.host = _mm256_set1_epi64x((long long)(uintptr_t)vr->near.host),
		.care = _mm256_set1_epi64x((long long)care),
		.want = _mm256_set1_epi64x((long long)want)};
}

/*
 * The descriptors 0 and 1, and 2 and 3.  false: at least one is not plain or lies elsewhere.
 * `upper`: the bits of the second word that the entry gets beside the length: those under `keep`,
 * and `ids` (of 0, 2, 1 and 3).
 */
HOT bool
plain_four(const struct plain *plain, __m256i d01, __m256i d23, uint64_t keep, __m256i ids,
	struct entry *to, bool write)
{
	const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
	__m256i addr = _mm256_unpacklo_epi64(d01, d23), meta = _mm256_unpackhi_epi64(d01, d23);
	__m256i len = _mm256_and_si256(meta, _mm256_set1_epi64x(UINT32_MAX)), offset, end, bad;

	/*
	 * 0 <= offset, offset + len <= size, without overflow: sizes are below 2^62 (memory.c), so a
	 * sum that leaves the positive numbers shows it in its own sign.
	 */
	offset = _mm256_sub_epi64(addr, plain->gpa);
	end = _mm256_add_epi64(offset, len);
	bad = _mm256_or_si256(_mm256_or_si256(offset, end), _mm256_sub_epi64(plain->size, end));
	bad = _mm256_or_si256(_mm256_and_si256(bad, sign),
		_mm256_and_si256(_mm256_xor_si256(meta, plain->want), plain->care));
	if (UNLIKELY(!_mm256_testz_si256(bad, bad)))
		return false;
	addr = _mm256_add_epi64(offset, plain->host);
	meta = _mm256_or_si256(
		_mm256_and_si256(meta, _mm256_set1_epi64x((long long)(keep | UINT32_MAX))), ids);
	_mm256_storeu_si256((__m256i *)(void *)to, _mm256_unpacklo_epi64(addr, meta));
	_mm256_storeu_si256((__m256i *)(void *)(to + 2), _mm256_unpackhi_epi64(addr, meta));
	/* From memory: cheaper than to take them out of vectors. */
	for (unsigned i = 0; i < 4; i++)
		prefetch_buffer(*(uint8_t *const volatile *)&to[i].at, write);
	return true;
}

#endif
#endif
