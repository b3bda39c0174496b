/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What DHCP servers grant, read from their answers, whole and broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/dhcp.h"

#define V4_OPTIONS (14 + 20 + 8 + 240)
#define V6_OPTIONS (14 + 40 + 8 + 4)

static uint8_t frame[1600];
static unsigned frame_len;

static void
put(const void *bytes, unsigned len)
{
	memcpy(frame + frame_len, bytes, len);
	frame_len += len;
}

static void
put16_at(unsigned at, unsigned v)
{
	frame[at] = (uint8_t)(v >> 8);
	frame[at + 1] = (uint8_t)v;
}

/* An ACK of 10.1.2.3 for 52:54:00:00:00:01 with these options. */
static void
make_v4(const void *options, unsigned len)
{
	static const uint8_t head[] = "\xff\xff\xff\xff\xff\xff\x52\x54\0\0\0\x09\x08\0"
				      "\x45\0\0\0\0\0\0\0\x40\x11\0\0\x0a\1\2\1\xff\xff\xff\xff"
				      "\0\x43\0\x44\0\0\0\0\2\1\6";

	memset(frame, 0, sizeof(frame));
	frame_len = 0;
	put(head, sizeof(head) - 1);
	memcpy(frame + 42 + 16, "\x0a\1\2\3", 4);
	memcpy(frame + 42 + 28, "\x52\x54\0\0\0\1", 6);
	memcpy(frame + 42 + 236, "\x63\x82\x53\x63", 4);
	frame_len = V4_OPTIONS;
	put(options, len);
	put16_at(16, frame_len - 14);
	put16_at(38, frame_len - 34);
}

static void
make_v6(const void *options, unsigned len)
{
	static const uint8_t head[] =
		"\x52\x54\0\0\0\1\x52\x54\0\0\0\x09\x86\xdd\x60\0\0\0\0\0\x11";

	memset(frame, 0, sizeof(frame));
	frame_len = 0;
	put(head, sizeof(head) - 1);
	frame_len = 54;
	put("\x02\x23\x02\x22\0\0\0\0\7\1\2\3", 12);
	put(options, len);
	put16_at(18, frame_len - 54);
	put16_at(58, frame_len - 54);
}

#define V4(options) make_v4(options, sizeof(options) - 1)
#define V6(options) make_v6(options, sizeof(options) - 1)

static void
expect_grant(const struct dhcp_answer *a, unsigned i, const char *text, uint32_t lifetime)
{
	char buffer[IP_TEXT_SIZE];

	assert_true(i < a->count);
	assert_string_equal(ip_prefix_format(&a->grants[i].prefix, buffer), text);
	assert_int_equal(a->grants[i].lifetime_s, lifetime);
}

static void
test_v4(void **state)
{
	struct dhcp_answer a;

	(void)state;
	V4("\x35\1\5\x33\4\0\0\x0e\x10\xff");
	assert_true(dhcp_read(frame, frame_len, &a));
	assert_memory_equal(&a.client, "\x52\x54\0\0\0\1", 6);
	assert_int_equal(a.count, 1);
	expect_grant(&a, 0, "10.1.2.3", 3600);
	/* padding, unknown options, no lease time, no end */
	V4("\0\0\1\4\xff\xff\xff\0\x35\1\5");
	assert_true(dhcp_read(frame, frame_len, &a));
	expect_grant(&a, 0, "10.1.2.3", DHCP_FOR_EVER);
	/* offers, refusals, and what is behind the end */
	V4("\x35\1\2\xff");
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\x35\1\6\xff");
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\xff\x35\1\5");
	assert_false(dhcp_read(frame, frame_len, &a));
	/* an option that leads out of the message, an empty address, a request, another cookie */
	V4("\x35\1\5\x33\x40\0");
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\x35\1\5\xff");
	memset(frame + 42 + 16, 0, 4);
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\x35\1\5\xff");
	frame[42] = 1;
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\x35\1\5\xff");
	frame[42 + 237] = 0;
	assert_false(dhcp_read(frame, frame_len, &a));
	/* fragments, another port, a UDP length beyond the frame */
	V4("\x35\1\5\xff");
	frame[20] = 0x20;
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\x35\1\5\xff");
	frame[37] = 69;
	assert_false(dhcp_read(frame, frame_len, &a));
	V4("\x35\1\5\xff");
	put16_at(38, frame_len - 33);
	assert_false(dhcp_read(frame, frame_len, &a));
}

#define ADDRESS(last, valid) \
	"\0\5\0\x18\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" last "\0\0\0\x64" valid
#define NA(len, inside) "\0\3\0" len "\0\0\0\1\0\0\0\0\0\0\0\0" inside

static void
test_v6(void **state)
{
	struct dhcp_answer a;

	(void)state;
	V6("\0\1\0\2xx" NA("\x44", ADDRESS("\1", "\0\0\1\0") ADDRESS("\2", "\0\0\0\0")));
	assert_true(dhcp_read(frame, frame_len, &a));
	assert_memory_equal(&a.client, frame, 6);
	assert_int_equal(a.count, 2);
	expect_grant(&a, 0, "2001:db8::1", 256);
	expect_grant(&a, 1, "2001:db8::2", 0);
	/* a prefix whose bits behind its length are not clear */
	V6("\0\x19\0\x29\0\0\0\1\0\0\0\0\0\0\0\0\0\x1a\0\x19\0\0\0\x64\xff\xff\xff\xff\x34"
	   "\x20\x01\x0d\xb8\0\7\xff\xff\0\0\0\0\0\0\0\1");
	assert_true(dhcp_read(frame, frame_len, &a));
	expect_grant(&a, 0, "2001:db8:7:f000::/52", DHCP_FOR_EVER);
	/* a temporary address */
	V6("\0\4\0\x20\0\0\0\1" ADDRESS("\3", "\0\0\0\1"));
	assert_true(dhcp_read(frame, frame_len, &a));
	expect_grant(&a, 0, "2001:db8::3", 1);
	/* an address outside of an association grants nothing, and nothing is no answer */
	V6(ADDRESS("\1", "\0\0\1\0"));
	assert_false(dhcp_read(frame, frame_len, &a));
	/* lengths that lead out of what contains them */
	V6(NA("\x45", ADDRESS("\1", "\0\0\1\0")));
	assert_false(dhcp_read(frame, frame_len, &a));
	V6(NA("\x27", ADDRESS("\1", "\0\0\1\0")));
	assert_false(dhcp_read(frame, frame_len, &a));
	V6(NA("\x0b", ""));
	assert_false(dhcp_read(frame, frame_len, &a));
	V6("\0\4\0\3\0\0\0");
	assert_false(dhcp_read(frame, frame_len, &a));
	V6("\0\x19\0\x29\0\0\0\1\0\0\0\0\0\0\0\0\0\x1a\0\x19\0\0\0\x64\xff\xff\xff\xff\x81"
	   "\x20\x01\x0d\xb8\0\7\xff\xff\0\0\0\0\0\0\0\1");
	assert_false(dhcp_read(frame, frame_len, &a));
	/* not a reply; cut off behind the UDP header */
	V6(NA("\x28", ADDRESS("\1", "\0\0\1\0")));
	frame[62] = 2;
	assert_false(dhcp_read(frame, frame_len, &a));
	V6("");
	put16_at(58, 8);
	assert_false(dhcp_read(frame, 62, &a));
}

/* No frame makes it read outside; a sanitizer sees to that. */
static void
test_rubbish(void **state)
{
	struct dhcp_answer a;

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t *copy;
		unsigned len;

		if (round % 2)
			V4("\x35\1\5\x33\4\0\0\x0e\x10\1\4\xff\xff\xff\0\xff");
		else
			V6(NA("\x44", ADDRESS("\1", "\0\0\1\0") ADDRESS("\2", "\0\0\0\0")));
		for (unsigned n = (unsigned)rand() % 8; n; n--)
			frame[14 + (unsigned)rand() % (frame_len - 14)] = (uint8_t)rand();
		len = 14 + (unsigned)rand() % (frame_len - 13);
		copy = malloc(len);
		memcpy(copy, frame, len);
		if (dhcp_read(copy, len, &a))
			assert_in_range(a.count, 1, DHCP_GRANTS_MAX);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
