/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "control/rtnl.h"

static void
test_addresses(void **state)
{
	struct rtnl_address list[RTNL_ADDRESSES_MAX];
	unsigned count = 99;
	struct err err;

	assert_int_equal(rtnl_addresses_parse("", list, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(
		rtnl_addresses_parse("192.0.2.1/24,2001:db8::1/64", list, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[0].family, AF_INET);
	assert_int_equal(list[0].length, 24);
	assert_memory_equal(list[0].bytes, "\xc0\x00\x02\x01", 4);
	assert_int_equal(list[1].family, AF_INET6);
	assert_int_equal(list[1].length, 64);
	assert_memory_equal(list[1].bytes, "\x20\x01\x0d\xb8", 4);
	assert_int_equal(list[1].bytes[15], 1);
}

static void
test_refusals(void **state)
{
	static const char *const bad[] = {"192.0.2.1", "192.0.2.1/", "192.0.2.1/0", "192.0.2.1/33",
		"192.0.2/24", "2001:db8::1/129", "2001:db8::1", "::1/64 ", " 192.0.2.1/24", ",",
		"192.0.2.1/24,,192.0.2.2/24", "192.0.2.1/24;192.0.2.2/24",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222/64"};
	struct rtnl_address list[RTNL_ADDRESSES_MAX];
	char many[RTNL_ADDRESSES_MAX * 12 + 24] = "";
	unsigned count = 99;
	struct err err;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rtnl_addresses_parse(bad[i], list, &count, &err), -EINVAL);
		assert_non_null(strstr(err.text, "192.0.2.1/24 or 2001:db8::1/64"));
	}
	for (unsigned i = 0; i <= RTNL_ADDRESSES_MAX; i++)
		strncat(many, "10.0.0.1/8,", sizeof(many) - strlen(many) - 1);
	assert_int_equal(rtnl_addresses_parse(many, list, &count, &err), -E2BIG);
	assert_int_equal(count, 99);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("rtnl", tests, NULL, NULL);
}
