/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/bond.h"

static unsigned
count_of(const uint8_t *bucket, unsigned member)
{
	unsigned count = 0;

	for (unsigned b = 0; b < BOND_BUCKETS; b++)
		count += bucket[b] == member;
	return count;
}

static unsigned
differences(const uint8_t *a, const uint8_t *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < BOND_BUCKETS; i++)
		count += a[i] != b[i];
	return count;
}

static void
test_members_have_equal_shares(void **state)
{
	bool sends[BOND_MEMBERS_MAX] = {true, true, true, true, true, true, true, true};

	(void)state;
	for (unsigned n = 1; n <= BOND_MEMBERS_MAX; n++) {
		uint8_t bucket[BOND_BUCKETS];

		memset(bucket, 0xff, sizeof(bucket));
		bond_spread(bucket, sends, n);
		for (unsigned m = 0; m < n; m++)
			assert_in_range(
				count_of(bucket, m), BOND_BUCKETS / n, (BOND_BUCKETS + n - 1) / n);
	}
}

/* A member that goes gives its buckets to others, who keep theirs. */
static void
test_only_what_must_move_moves(void **state)
{
	bool sends[BOND_MEMBERS_MAX] = {true, true, true, true};
	uint8_t before[BOND_BUCKETS], bucket[BOND_BUCKETS];

	(void)state;
	memset(bucket, 0xff, sizeof(bucket));
	bond_spread(bucket, sends, 4);
	memcpy(before, bucket, sizeof(before));
	bond_spread(bucket, sends, 4);
	assert_int_equal(differences(before, bucket), 0);

	sends[2] = false;
	bond_spread(bucket, sends, 4);
	assert_int_equal(count_of(bucket, 2), 0);
	assert_int_equal(differences(before, bucket), count_of(before, 2));

	/* When it is back it gets its share again, and no bucket moves between others. */
	memcpy(before, bucket, sizeof(before));
	sends[2] = true;
	bond_spread(bucket, sends, 4);
	assert_in_range(count_of(bucket, 2), 40, 64);
	assert_int_equal(differences(before, bucket), count_of(bucket, 2));
}

static void
test_nobody_sends(void **state)
{
	bool sends[BOND_MEMBERS_MAX] = {false};
	uint8_t before[BOND_BUCKETS], bucket[BOND_BUCKETS];

	(void)state;
	memset(bucket, 1, sizeof(bucket));
	memcpy(before, bucket, sizeof(before));
	bond_spread(bucket, sends, 4);
	assert_memory_equal(before, bucket, sizeof(before));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_have_equal_shares),
		cmocka_unit_test(test_only_what_must_move_moves),
		cmocka_unit_test(test_nobody_sends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
