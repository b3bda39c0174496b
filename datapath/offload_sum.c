/* SPDX-License-Identifier: BSD-3-Clause */
#include <emmintrin.h>

#include "datapath/offload_internal.h"

/* Two 64-bit lanes take up the 32-bit words of a vector; 65,553 bytes cannot overflow them. */
static inline __m128i
add_words(__m128i sum, __m128i words)
{
	const __m128i low = _mm_set1_epi64x(0xffffffff);

	sum = _mm_add_epi64(sum, _mm_and_si128(words, low));
	return _mm_add_epi64(sum, _mm_srli_epi64(words, 32));
}

uint32_t
offload_sum(const void *bytes, size_t len, uint32_t sum)
{
	const uint8_t *p = bytes;
	__m128i even = _mm_setzero_si128(), odd = even;
	uint64_t lanes[2], wide, tail = 0;

	for (; len >= 32; len -= 32, p += 32) {
		even = add_words(even, _mm_loadu_si128((const __m128i *)p));
		odd = add_words(odd, _mm_loadu_si128((const __m128i *)(p + 16)));
	}
	_mm_storeu_si128((__m128i *)lanes, _mm_add_epi64(even, odd));
	wide = lanes[0] + lanes[1] + sum;
	for (; len >= 4; len -= 4, p += 4) {
		uint32_t word;

		memcpy(&word, p, sizeof(word));
		wide += word;
	}
	memcpy(&tail, p, len);
	wide += tail;
	wide = (wide & 0xffffffff) + (wide >> 32);
	wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)wide;
}

uint16_t
offload_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t
offload_pseudo_sum(const uint8_t *data, const struct offload_headers *headers)
{
	const uint8_t protocol[2] = {0, headers->protocol};
	unsigned address = headers->version == 4 ? 4 : 16;
	unsigned source = headers->l3 + (headers->version == 4 ? 12 : 8);
	uint32_t sum = offload_sum(protocol, sizeof(protocol), 0);

	sum = offload_sum(data + source, address, sum);
	return offload_sum(data + headers->destination, address, sum);
}
