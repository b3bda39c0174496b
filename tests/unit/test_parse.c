/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ip.h"
#include "lib/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNTOUCHED    UINT64_C(0xfeedbeef)

static void
test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int r;
		uint64_t value;
	} rows[] = {
		{"0", 0, 10, 0, 0}, {"10", 0, 10, 0, 10}, {"11", 0, 10, -ERANGE, 0},
		{"4", 5, 10, -ERANGE, 0}, {"5", 5, 10, 0, 5},
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0}, {"", 0, 10, -EINVAL, 0},
		{" 1", 0, 10, -EINVAL, 0}, {"1 ", 0, 10, -EINVAL, 0}, {"1\n", 0, 10, -EINVAL, 0},
		{"+1", 0, 10, -EINVAL, 0}, {"-1", 0, 10, -EINVAL, 0}, {"-0", 0, 10, -EINVAL, 0},
		{"0x1", 0, 10, -EINVAL, 0}, {"01", 0, 10, -EINVAL, 0}, {"00", 0, 10, -EINVAL, 0},
		{"1e1", 0, 10, -EINVAL, 0}, {"1.0", 0, 10, -EINVAL, 0},
		{"1,000", 0, 10000, -EINVAL, 0}, {"one", 0, 10, -EINVAL, 0},
		{"\xd9\xa1", 0, 10, -EINVAL, 0}, /* an Arabic digit */
	};

	/* A locale that groups digits changes nothing; it may be absent. */
	setlocale(LC_ALL, "de_DE.UTF-8");
	for (unsigned i = 0; i < COUNT(rows); i++) {
		uint64_t value = UNTOUCHED;
		int r = parse_u64(rows[i].text, rows[i].min, rows[i].max, &value);

		if (r != rows[i].r)
			fail_msg("\"%s\": %d, not %d", rows[i].text, r, rows[i].r);
		assert_int_equal(value, r ? UNTOUCHED : rows[i].value);
	}
}

static void
test_octal(void **state)
{
	uint64_t value = UNTOUCHED;

	assert_int_equal(parse_octal("0660", 1, 0777, &value), 0);
	assert_int_equal(value, 0660);
	assert_int_equal(parse_octal("777", 1, 0777, &value), 0);
	assert_int_equal(value, 0777);
	assert_int_equal(parse_octal("1000", 1, 0777, &value), -ERANGE);
	assert_int_equal(parse_octal("0", 1, 0777, &value), -ERANGE);
	assert_int_equal(parse_octal("0000", 0, 0777, &value), 0);
	assert_int_equal(value, 0);
	value = UNTOUCHED;
	assert_int_equal(parse_octal("8", 0, 0777, &value), -EINVAL);
	assert_int_equal(parse_octal("0o660", 0, 0777, &value), -EINVAL);
	assert_int_equal(parse_octal("", 0, 0777, &value), -EINVAL);
	assert_int_equal(parse_octal("2000000000000000000000", 0, UINT64_MAX, &value), -ERANGE);
	assert_int_equal(value, UNTOUCHED);
}

static void
test_size(void **state)
{
	uint64_t value = UNTOUCHED;

	assert_int_equal(parse_size("512M", 0, UINT64_MAX, &value), 0);
	assert_int_equal(value, UINT64_C(512) << 20);
	assert_int_equal(parse_size("7", 0, UINT64_MAX, &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(parse_size("1T", 0, UINT64_C(1) << 40, &value), 0);
	assert_int_equal(value, UINT64_C(1) << 40);
	value = UNTOUCHED;
	assert_int_equal(parse_size("1025G", 0, UINT64_C(1) << 40, &value), -ERANGE);
	assert_int_equal(parse_size("18014398509481985K", 0, UINT64_MAX, &value), -ERANGE);
	assert_int_equal(parse_size("1K", 2048, 4096, &value), -ERANGE);
	for (const char *const *text =
			(const char *const[]){"", "K", "1k", "1KB", "1 K", "01K", "-1K", NULL};
		*text; text++)
		assert_int_equal(parse_size(*text, 0, UINT64_MAX, &value), -EINVAL);
	assert_int_equal(value, UNTOUCHED);
}

static void
test_bool(void **state)
{
	static const char *const junk[] = {"", "Yes", "y", "1", "0", "true ", "TRUE", "yesno"};
	bool value = false;

	assert_int_equal(parse_bool("yes", &value), 0);
	assert_true(value);
	assert_int_equal(parse_bool("off", &value), 0);
	assert_false(value);
	assert_int_equal(parse_bool("true", &value), 0);
	assert_true(value);
	assert_int_equal(parse_bool("no", &value), 0);
	assert_false(value);
	for (unsigned i = 0; i < COUNT(junk); i++)
		assert_int_equal(parse_bool(junk[i], &value), -EINVAL);
}

static void
test_mac(void **state)
{
	static const char *const junk[] = {"", "52", "52:54:00:12:34",
		"52:54:00:12:34:", "52:54:00:12:34:5", "52:54:00:12:34:567",
		"52:54:00:12:34:56:", "52:54:00:12:34:56 ", " 52:54:00:12:34:56",
		"52-54-00-12-34-56", "525400123456", "5:54:00:12:34:56", "52:54:00:12:34:5g",
		"52::00:12:34:56", "+2:54:00:12:34:56", "0x:54:00:12:34:56",
		"52:54:00:12:34:56:78"};
	static const uint8_t bytes[] = {0x52, 0x54, 0x00, 0x12, 0xab, 0xff};
	char text[MAC_TEXT_SIZE];
	struct mac mac;

	assert_int_equal(parse_mac("52:54:00:12:AB:fF", &mac), 0);
	assert_memory_equal(mac.b, bytes, sizeof(bytes));
	assert_string_equal(mac_format(&mac, text), "52:54:00:12:ab:ff");
	for (unsigned i = 0; i < COUNT(junk); i++) {
		if (parse_mac(junk[i], &mac) != -EINVAL)
			fail_msg("\"%s\" was taken", junk[i]);
	}
	assert_memory_equal(mac.b, bytes, sizeof(bytes));
}

static void
check_vlans(const char *text, const char *canonical)
{
	char buffer[VLANS_TEXT_SIZE];
	struct vlan_set set;
	int r = parse_vlans(text, &set);

	if (r)
		fail_msg("\"%s\": %d", text, r);
	assert_int_equal(vlans_format(&set, buffer, sizeof(buffer)), 0);
	assert_string_equal(buffer, canonical);
}

static void
test_vlans(void **state)
{
	static const char *const junk[] = {"", ",", "1,", ",1", "1,,2", "1-", "-1", "5-1", "1-2-3",
		"1 ,2", "a", "0x1", "01", "1;2", "1-0"};
	struct vlan_set set, before;

	check_vlans("0", "0");
	check_vlans("4094", "4094");
	check_vlans("0-4094", "0-4094");
	check_vlans("7,5,6", "5-7");
	check_vlans("1,5,100-200", "1,5,100-200");
	check_vlans("63,64,65,127-129", "63-65,127-129");
	check_vlans("1-10,5-20,20", "1-20");
	memset(&before, 0x5a, sizeof(before));
	set = before;
	for (unsigned i = 0; i < COUNT(junk); i++) {
		if (parse_vlans(junk[i], &set) != -EINVAL)
			fail_msg("\"%s\" was taken", junk[i]);
	}
	assert_int_equal(parse_vlans("4095", &set), -ERANGE);
	assert_int_equal(parse_vlans("1,4000-5000", &set), -ERANGE);
	assert_int_equal(parse_vlans("1,99999999999999999999", &set), -ERANGE);
	assert_memory_equal(&set, &before, sizeof(set));
}

static void
test_vlans_text(void **state)
{
	struct vlan_set set = {0}, back;
	char text[VLANS_TEXT_SIZE];

	assert_int_equal(vlans_format(&set, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	/* The longest text there is. */
	for (unsigned v = 0; v < VLAN_COUNT - 1; v += 2)
		vlan_set_add(&set, v);
	assert_int_equal(vlans_format(&set, text, sizeof(text)), 0);
	assert_int_equal(parse_vlans(text, &back), 0);
	assert_memory_equal(&set, &back, sizeof(set));
	assert_int_equal(vlans_format(&set, text, strlen(text)), -ENOSPC);
	assert_int_equal(vlans_format(&set, text, 0), -ENOSPC);
}

static void
test_cpus(void **state)
{
	static const char *const junk[] = {"", ",", "0,", "1-", "3-2", "a", "0 1", "-1", "01"};
	uint16_t cpus[8] = {77, 77, 77, 77, 77, 77, 77, 77};
	unsigned count = 99;

	for (unsigned i = 0; i < COUNT(junk); i++) {
		if (parse_cpus(junk[i], cpus, 8, &count) != -EINVAL)
			fail_msg("\"%s\" was taken", junk[i]);
	}
	assert_int_equal(parse_cpus("0,2-3,2", cpus, 8, &count), -EEXIST);
	assert_int_equal(parse_cpus("0-8", cpus, 8, &count), -ENOSPC);
	assert_int_equal(parse_cpus("65536", cpus, 8, &count), -ERANGE);
	assert_int_equal(parse_cpus("0-99999999999", cpus, 8, &count), -ERANGE);
	assert_int_equal(count, 99);
	assert_int_equal(cpus[0], 77);
	assert_int_equal(parse_cpus("5,2-3", cpus, 8, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(cpus[0], 5);
	assert_int_equal(cpus[1], 2);
	assert_int_equal(cpus[2], 3);
	assert_int_equal(cpus[3], 77);
	assert_int_equal(parse_cpus("0-7", cpus, 8, &count), 0);
	assert_int_equal(count, 8);
}

static void
test_names(void **state)
{
	char name[33];

	assert_true(name_is_valid("a", 32));
	assert_true(name_is_valid("vm-1.eth_0", 32));
	assert_true(name_is_valid("0", 32));
	assert_false(name_is_valid("", 32));
	assert_false(name_is_valid("-a", 32));
	assert_false(name_is_valid(".a", 32));
	assert_false(name_is_valid("a b", 32));
	assert_false(name_is_valid("a/b", 32));
	assert_false(name_is_valid("a=b", 32));
	assert_false(name_is_valid("\xc3\xa4", 32));
	memset(name, 'a', sizeof(name));
	name[31] = '\0';
	assert_true(name_is_valid(name, 32));
	name[31] = 'a';
	name[32] = '\0';
	assert_false(name_is_valid(name, 32));

	assert_true(ifname_is_valid("eth0"));
	assert_true(ifname_is_valid("a23456789012345"));
	assert_false(ifname_is_valid("a234567890123456"));
	assert_false(ifname_is_valid(""));
	assert_false(ifname_is_valid("."));
	assert_false(ifname_is_valid(".."));
	assert_false(ifname_is_valid("a/b"));
	assert_false(ifname_is_valid("a:1"));
	assert_false(ifname_is_valid("a b"));
	assert_false(ifname_is_valid("a\n"));
}

static void
test_scaled(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint64_t value;
	} rows[] = {{"0", "0", 0}, {"1", "1", 1}, {"1000", "1k", 1000}, {"1001", "1001", 1001},
		{"64k", "64k", 64000}, {"2.5G", "2500M", 2500000000}, {"0.5k", "500", 500},
		{"1000000k", "1G", 1000000000}, {"1.000", "1", 1},
		{"18446744073709551615", "18446744073709551615", UINT64_MAX},
		{"18446744T", "18446744T", UINT64_C(18446744000000000000)}};
	static const char *const junk[] = {
		"", "k", "1K", "1kk", "1 k", "-1", "1.k", ".5k", "0.0005k", "1.5", "01k", "1e3"};
	char text[SCALED_TEXT_SIZE];
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse_scaled(rows[i].text, 0, UINT64_MAX, &value), 0);
		assert_int_equal(value, rows[i].value);
		assert_string_equal(scaled_format(value, text), rows[i].canonical);
	}
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		if (parse_scaled(junk[i], 0, UINT64_MAX, &value) != -EINVAL)
			fail_msg("\"%s\" is taken", junk[i]);
	assert_int_equal(parse_scaled("18446745T", 0, UINT64_MAX, &value), -ERANGE);
	assert_int_equal(parse_scaled("999", 1000, 2000, &value), -ERANGE);
	assert_int_equal(parse_scaled("2.001k", 1000, 2000, &value), -ERANGE);
}

static void
test_ip(void **state)
{
	static const struct {
		const char *text, *canonical;
	} rows[] = {{"10.0.0.1", "10.0.0.1"}, {"10.0.0.1/32", "10.0.0.1"},
		{"10.0.0.0/8", "10.0.0.0/8"}, {"0.0.0.0/0", "0.0.0.0/0"},
		{"2001:DB8:0::1", "2001:db8::1"}, {"::/0", "::/0"},
		{"2001:db8::/33", "2001:db8::/33"}};
	struct ip_prefix prefix, inside;
	char text[IP_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse_ip_prefix(rows[i].text, &prefix), 0);
		assert_string_equal(ip_prefix_format(&prefix, text), rows[i].canonical);
	}
	for (unsigned len = 0; len <= 32; len++) {
		snprintf(text, sizeof(text), "%s/%u", len ? "128.0.0.0" : "0.0.0.0", len);
		assert_int_equal(parse_ip_prefix(text, &prefix), 0);
		for (unsigned bit = 0; bit < 32; bit++) {
			inside = prefix;
			inside.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_equal(ip_prefix_covers(&prefix, 4, inside.bytes), bit >= len);
		}
		assert_false(ip_prefix_covers(&prefix, 6, prefix.bytes));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_octal),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_scaled),
		cmocka_unit_test(test_ip),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_vlans_text),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
