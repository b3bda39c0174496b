/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/histogram.h"

static struct histogram h;

static void
test_buckets_cover_every_value(void **state)
{
	unsigned last = 0;

	for (unsigned shift = 0; shift < 64; shift++)
		for (int d = -2; d <= 2; d++) {
			uint64_t value = (UINT64_C(1) << shift) + (uint64_t)(int64_t)d;
			unsigned bucket = histogram_bucket(value);

			assert_true(bucket < HISTOGRAM_BUCKETS);
			assert_true(histogram_bucket_end(bucket) >= value);
			assert_true(!bucket || histogram_bucket_end(bucket - 1) < value);
		}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	assert_true(histogram_bucket_end(HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
	for (uint64_t value = 0; value < 100000; value++) {
		unsigned bucket = histogram_bucket(value);

		assert_true(bucket == last || bucket == last + 1);
		last = bucket;
	}
}

static void
test_buckets_are_narrow(void **state)
{
	for (unsigned i = 2 * HISTOGRAM_STEPS; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t first = histogram_bucket_end(i - 1) + 1, end = histogram_bucket_end(i);

		assert_true((double)(end - first) / (double)first <= 1.0 / HISTOGRAM_STEPS);
	}
}

static void
test_small_values_are_exact(void **state)
{
	histogram_clear(&h);
	for (uint64_t v = 1; v <= 200; v++)
		histogram_add(&h, v);
	assert_int_equal(histogram_percentile(&h, 0), 1);
	assert_int_equal(histogram_percentile(&h, 0.5), 1);
	assert_int_equal(histogram_percentile(&h, 50), 100);
	assert_int_equal(histogram_percentile(&h, 99), 198);
	assert_int_equal(histogram_percentile(&h, 99.9), 200);
	assert_int_equal(histogram_percentile(&h, 100), 200);
	assert_int_equal(h.min, 1);
	assert_int_equal(h.max, 200);
	assert_true(h.sum == 200 * 201 / 2);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Against the sorted values themselves. */
static void
test_percentiles(void **state)
{
	static const double percents[] = {1, 10, 50, 90, 99, 99.9, 99.99, 100};
	enum { COUNT = 100000 };
	static uint64_t values[COUNT];
	uint64_t x = 88172645463325252u;

	histogram_clear(&h);
	for (unsigned i = 0; i < COUNT; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		values[i] = x >> (x % 60);
		histogram_add(&h, values[i]);
	}
	qsort(values, COUNT, sizeof(values[0]), compare);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		uint64_t rank = (uint64_t)(percents[i] / 100 * COUNT + 0.5);
		uint64_t exact = values[rank - 1], told = histogram_percentile(&h, percents[i]);

		assert_true(told >= exact);
		assert_true((double)(told - exact) <= (double)exact / HISTOGRAM_STEPS);
	}
	assert_true(histogram_percentile(&h, 100) == values[COUNT - 1]);
}

static void
test_empty_and_merged(void **state)
{
	static struct histogram other;

	histogram_clear(&h);
	histogram_clear(&other);
	assert_int_equal(histogram_percentile(&h, 99), 0);
	histogram_add(&other, 1000);
	histogram_add(&other, 3);
	histogram_merge(&h, &other);
	histogram_merge(&h, &other);
	assert_int_equal(h.count, 4);
	assert_int_equal(h.min, 3);
	assert_int_equal(h.max, 1000);
	assert_int_equal(histogram_percentile(&h, 50), 3);
	assert_int_equal(histogram_percentile(&h, 51), 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_cover_every_value),
		cmocka_unit_test(test_buckets_are_narrow),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_empty_and_merged),
	};

	return cmocka_run_group_tests_name("bench_histogram", tests, NULL, NULL);
}
