/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/xdp/addresses.h"

#define MANY 5000

static struct mac
host(unsigned i)
{
	return (struct mac){{2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};
}

static void
test_comes_with_the_first_goes_with_the_last(void **state)
{
	struct addresses set = {0};
	struct mac mac = host(1), other = host(2);

	(void)state;
	assert_true(addresses_change(&set, &mac, true));
	assert_false(addresses_change(&set, &mac, true));
	assert_true(addresses_has(&set, &mac));
	assert_false(addresses_has(&set, &other));
	assert_false(addresses_change(&set, &mac, false));
	assert_true(addresses_has(&set, &mac));
	assert_true(addresses_change(&set, &mac, false));
	assert_false(addresses_has(&set, &mac));
	assert_false(addresses_change(&set, &mac, false));
	assert_int_equal(set.count, 0);
}

static void
mark(const struct mac *mac, void *arg)
{
	unsigned char *seen = arg;

	seen[mac->b[4] << 8 | mac->b[5]]++;
}

static void
test_many(void **state)
{
	static unsigned char seen[1 << 16];
	struct addresses set = {0};

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		struct mac mac = host(i * 7 % MANY);

		assert_true(addresses_change(&set, &mac, true));
	}
	for (unsigned i = 0; i < MANY; i += 2) {
		struct mac mac = host(i);

		assert_true(addresses_change(&set, &mac, false));
	}
	assert_int_equal(set.count, MANY / 2);
	addresses_walk(&set, mark, seen);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(seen[i], i % 2);
	addresses_clear(&set);
	assert_int_equal(set.count, 0);
	addresses_walk(&set, mark, seen);
	assert_int_equal(seen[1], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_with_the_first_goes_with_the_last),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
