/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * histogram: times in buckets whose width grows with the value (a high dynamic range histogram):
 * exact below 2 * HISTOGRAM_STEPS, from there on no bucket is wider than 1 / HISTOGRAM_STEPS of its
 * value.
 *
 * Threads: one at a time.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    7
#define HISTOGRAM_STEPS   (1u << HISTOGRAM_BITS) /* buckets per power of two */
#define HISTOGRAM_BUCKETS ((65 - HISTOGRAM_BITS) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count, max, min;
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned
histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < 2 * HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(value);
	return shift * HISTOGRAM_STEPS + (unsigned)(value >> shift);
}

static inline void
histogram_add(struct histogram *h, uint64_t value)
{
	h->buckets[histogram_bucket(value)]++;
	h->count++;
	h->sum += (double)value;
	if (value > h->max)
		h->max = value;
	if (value < h->min)
		h->min = value;
}

void histogram_clear(struct histogram *h);
void histogram_merge(struct histogram *h, const struct histogram *other);

/* The largest value that falls into a bucket. */
uint64_t histogram_bucket_end(unsigned bucket);

/*
 * The smallest value that `percent` of all values do not exceed, rounded up to its bucket's end and
 * never above the largest value.  0 without values.
 */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
