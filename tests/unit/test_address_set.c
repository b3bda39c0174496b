/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of addresses against a list that is searched from its beginning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/address_set.h"
#include "lib/ethernet.h"

#define ENTRIES 10000

static uint64_t seed = 88172645463325252;

static uint32_t
number(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

static void
clear_behind(struct ip_prefix *p)
{
	for (unsigned bit = p->len; bit < 128; bit++)
		p->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* Few different values, so that ranges touch, overlap and nearly hit. */
static struct ip_prefix
make(unsigned version)
{
	struct ip_prefix p = {.version = (uint8_t)version};
	unsigned size = version == 4 ? 4 : version == 6 ? 16 : MAC_LEN;

	for (unsigned i = 0; i < size; i++)
		p.bytes[i] = (uint8_t)(i + 2 < size ? 7 : number(256));
	p.len = (uint8_t)(version == 4 ? 20 + number(13) : version == 6 ? 112 + number(17) : 48);
	if (!number(50) && version)
		p.len = (uint8_t)number(3);
	clear_behind(&p);
	return p;
}

static bool
list_has(const struct ip_prefix *list, unsigned count, unsigned version, const uint8_t *address)
{
	for (unsigned i = 0; i < count; i++) {
		if (list[i].version != version)
			continue;
		if (version ? ip_prefix_covers(&list[i], version, address)
			    : memcmp(list[i].bytes, address, MAC_LEN) == 0)
			return true;
	}
	return false;
}

static void
sets_know_what_lists_know(void **state)
{
	static const unsigned versions[] = {ADDRESS_SET_MAC, 4, 6};

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		unsigned count = number(40), found = 0;
		struct ip_prefix list[40];
		struct address_set *set;

		for (unsigned i = 0; i < count; i++)
			list[i] = make(versions[number(3)]);
		assert_int_equal(address_set_create(&set, list, count), 0);
		for (unsigned i = 0; i < 300; i++) {
			unsigned version = versions[number(3)];
			struct ip_prefix wanted = make(version);
			bool expected = list_has(list, count, version, wanted.bytes);

			assert_int_equal(address_set_has(set, version, wanted.bytes), expected);
			found += expected;
		}
		address_set_destroy(set);
		(void)found;
	}
}

static void
ends_of_the_numbers_belong(void **state)
{
	static const uint8_t zero[16], ones[16] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
					       255, 255, 255, 255, 255, 255};
	struct ip_prefix list[4];
	struct address_set *set;

	(void)state;
	memset(list, 0, sizeof(list));
	list[0].version = 6;
	assert_int_equal(address_set_create(&set, list, 1), 0); /* ::/0 */
	assert_true(address_set_has(set, 6, zero));
	assert_true(address_set_has(set, 6, ones));
	assert_false(address_set_has(set, 4, zero));
	address_set_destroy(set);

	list[0] = (struct ip_prefix){.version = 4, .len = 32, .bytes = {255, 255, 255, 255}};
	assert_int_equal(address_set_create(&set, list, 1), 0);
	assert_true(address_set_has(set, 4, ones));
	assert_false(address_set_has(set, 4, zero));
	address_set_destroy(set);

	assert_int_equal(address_set_create(&set, list, 0), 0);
	assert_false(address_set_has(set, 4, ones));
	address_set_destroy(set);
}

static void
ten_thousand_addresses(void **state)
{
	struct ip_prefix *list = calloc(ENTRIES, sizeof(*list));
	struct address_set *set;

	(void)state;
	for (unsigned i = 0; i < ENTRIES; i++)
		list[i] = (struct ip_prefix){.version = 4,
			.len = 32,
			.bytes = {10, (uint8_t)(i >> 7), (uint8_t)(i << 1), 2}};
	assert_int_equal(address_set_create(&set, list, ENTRIES), 0);
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint8_t other[4] = {10, (uint8_t)(i >> 7), (uint8_t)(i << 1 | 1), 2};

		assert_true(address_set_has(set, 4, list[i].bytes));
		assert_false(address_set_has(set, 4, other));
	}
	address_set_destroy(set);
	free(list);
}

static void
frames_show_their_addresses(void **state)
{
	static const struct ip_prefix list[] = {
		{.version = 4, .len = 8, .bytes = {10}},
		{.version = 6, .len = 32, .bytes = {0x20, 0x01, 0x0d, 0xb8}},
		{.version = ADDRESS_SET_MAC, .len = 48, .bytes = {2, 0, 0, 0, 0, 9}},
	};
	static const uint8_t v4[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x81, 0, 0, 5, 0x08, 0,
		0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 10, 1, 2, 3};
	static const uint8_t arp[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 8, 0x08, 6, 0, 1, 8, 0, 6, 4,
		0, 1, 2, 0, 0, 0, 0, 8, 10, 1, 1, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
	uint8_t v6[54] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 8, 0x86, 0xdd, 0x60};
	struct address_set *set;

	(void)state;
	assert_int_equal(address_set_create(&set, list, 3), 0);
	assert_true(address_set_has_frame(set, v4, sizeof(v4), false)); /* its MAC address */
	assert_true(address_set_has_frame(set, v4, sizeof(v4), true));
	assert_false(address_set_has_frame(set, v4, sizeof(v4) - 1, true));
	assert_true(address_set_has_frame(set, arp, sizeof(arp), false));
	assert_false(address_set_has_frame(set, arp, sizeof(arp), true));
	memcpy(v6 + 38, list[1].bytes, 16);
	assert_false(address_set_has_frame(set, v6, sizeof(v6), false));
	assert_true(address_set_has_frame(set, v6, sizeof(v6), true));
	for (unsigned n = 0; n < sizeof(v6); n++)
		assert_false(address_set_has_frame(set, v6, n, true));
	address_set_destroy(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_know_what_lists_know),
		cmocka_unit_test(ends_of_the_numbers_belong),
		cmocka_unit_test(ten_thousand_addresses),
		cmocka_unit_test(frames_show_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
