/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/sequence.h"

static struct sequence s;

static void
arrive(const uint64_t *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		sequence_arrived(&s, numbers[i]);
}

#define ARRIVE(...)                             \
	arrive((const uint64_t[]){__VA_ARGS__}, \
		sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void
check(uint64_t end, uint64_t lost, uint64_t duplicates, uint64_t reordered)
{
	assert_int_equal(sequence_end(&s, end), lost);
	assert_int_equal(s.duplicates, duplicates);
	assert_int_equal(s.reordered, reordered);
}

static void
test_in_order(void **state)
{
	sequence_start(&s, 7, 1);
	ARRIVE(7, 8, 9, 10);
	check(11, 0, 0, 0);
}

static void
test_losses(void **state)
{
	sequence_start(&s, 0, 1);
	ARRIVE(0, 1, 3, 4, 9);
	check(12, 1 + 4 + 2, 0, 0);
	sequence_start(&s, 0, 1);
	check(5, 5, 0, 0);
}

static void
test_duplicates(void **state)
{
	sequence_start(&s, 0, 1);
	ARRIVE(0, 0, 1, 2, 1, 5, 5, 2);
	check(6, 2, 4, 0);
}

static void
test_reordered_within_a_flow(void **state)
{
	sequence_start(&s, 0, 1);
	ARRIVE(1, 0, 2, 5, 4, 3, 6);
	check(7, 0, 0, 3);
}

/* Flows of three take turns: 0 3 6 9, 1 4 7, 2 5 8. */
static void
test_order_counts_within_flows_only(void **state)
{
	sequence_start(&s, 0, 3);
	ARRIVE(2, 1, 0, 5, 3, 4);
	check(6, 0, 0, 0);
	sequence_start(&s, 0, 3);
	ARRIVE(0, 1, 2, 4, 5, 6, 7, 3);
	check(8, 0, 0, 1);
	/* The later one of its flow is missing too: nobody overtook. */
	sequence_start(&s, 0, 3);
	ARRIVE(0, 1, 2, 4, 5, 7, 3, 6);
	check(8, 0, 0, 0);
}

static void
test_late_one_is_not_lost_and_not_twice(void **state)
{
	sequence_start(&s, 0, 1);
	ARRIVE(0, 3, 1);
	assert_int_equal(s.missing, 1);
	ARRIVE(1);
	check(4, 1, 1, 1);
}

static void
test_more_gaps_than_are_kept(void **state)
{
	sequence_start(&s, 0, 1);
	for (uint64_t i = 0; i < 4 * SEQUENCE_GAPS; i++)
		sequence_arrived(&s, 2 * i + 1);
	assert_int_equal(s.gap_count, SEQUENCE_GAPS);
	check(8 * SEQUENCE_GAPS, 4 * SEQUENCE_GAPS, 0, 0);
}

/* Any permutation with losses and repetitions: what is counted adds up. */
static void
test_sums(void **state)
{
	enum { COUNT = 2000 };
	static uint64_t numbers[COUNT];
	unsigned dropped, seen;

	srandom(1);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < COUNT; i++)
			numbers[i] = i;
		for (unsigned i = 0; i + 8 < COUNT; i++) {
			unsigned k = i + (unsigned)random() % 8;
			uint64_t other = numbers[k];

			numbers[k] = numbers[i];
			numbers[i] = other;
		}
		sequence_start(&s, 0, 1 + (unsigned)random() % 4);
		dropped = seen = 0;
		for (unsigned i = 0; i < COUNT; i++) {
			if (random() % 50 == 0) {
				dropped++;
				continue;
			}
			sequence_arrived(&s, numbers[i]);
			if (random() % 50 == 0 && ++seen)
				sequence_arrived(&s, numbers[i]);
		}
		assert_int_equal(sequence_end(&s, COUNT), dropped);
		assert_int_equal(s.duplicates, seen);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_reordered_within_a_flow),
		cmocka_unit_test(test_order_counts_within_flows_only),
		cmocka_unit_test(test_late_one_is_not_lost_and_not_twice),
		cmocka_unit_test(test_more_gaps_than_are_kept),
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests_name("bench_sequence", tests, NULL, NULL);
}
