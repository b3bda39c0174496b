/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/mcast.h"

#define SECOND UINT64_C(1000000000)

static const struct mac host = {{2, 0, 0, 0, 0, 1}};
static struct mcast_message message;

static uint16_t
checksum(const uint8_t *p, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* An IGMP message in a frame; returns the frame's size. */
static size_t
igmp(uint8_t *frame, const char *body, size_t size)
{
	uint8_t *ip = frame + 14;

	mcast_query_write(false, &host, frame);
	memcpy(ip + 24, body, size);
	put16(ip + 2, (unsigned)(24 + size));
	memcpy(ip + 12, "\x0a\0\0\1", 4);
	put16(ip + 10, 0);
	put16(ip + 10, checksum(ip, 24, 0));
	put16(ip + 26, 0);
	put16(ip + 26, checksum(ip + 24, size, 0));
	return 14 + 24 + size;
}

static size_t
mld(uint8_t *frame, const char *body, size_t size)
{
	uint8_t *ip = frame + 14, pseudo[40] = {0};

	mcast_query_write(true, &host, frame);
	memcpy(ip + 48, body, size);
	put16(ip + 4, (unsigned)(8 + size));
	memcpy(pseudo, ip + 8, 32);
	put16(pseudo + 34, (unsigned)size);
	pseudo[39] = 58;
	put16(ip + 50, 0);
	put16(ip + 50, checksum(ip + 48, size, (uint16_t)~checksum(pseudo, 40, 0)));
	return 14 + 48 + size;
}

#define READ(make, body) mcast_message_read(frame, make(frame, body, sizeof(body) - 1), &message)

static const char report_v1[] = "\x12\0\0\0\xef\1\2\3";
static const char report_v2[] = "\x16\0\0\0\xef\1\2\3";
static const char leave_v2[] = "\x17\0\0\0\xef\1\2\3";
/* Join, leave, a source to add, a source to block. */
static const char report_v3[] = "\x22\0\0\0\0\0\0\4"
				"\4\0\0\0\xef\1\2\3"
				"\3\0\0\0\xef\1\2\4"
				"\5\0\0\1\xef\1\2\5\x0a\0\0\1"
				"\6\0\0\1\xef\1\2\6\x0a\0\0\1";
static const char report_mld1[] = "\x83\0\0\0\0\0\0\0\xff\5\0\0\0\0\0\0\0\0\0\0\0\1\2\3";
static const char done_mld1[] = "\x84\0\0\0\0\0\0\0\xff\5\0\0\0\0\0\0\0\0\0\0\0\1\2\3";
static const char report_mld2[] = "\x8f\0\0\0\0\0\0\1\4\0\0\0\xff\5\0\0\0\0\0\0\0\0\0\0\0\1\2\3";

static void
test_versions(void **state)
{
	uint8_t frame[256];

	(void)state;
	assert_int_equal(READ(igmp, report_v1), 0);
	assert_int_equal(message.count, 1);
	assert_int_equal(READ(igmp, report_v2), 0);
	assert_int_equal(message.kind, MCAST_REPORT);
	assert_true(mcast_is_v4(&message.records[0].group));
	assert_memory_equal(message.records[0].group.b + 12, "\xef\1\2\3", 4);
	assert_false(message.records[0].leaves);
	assert_int_equal(READ(igmp, leave_v2), 0);
	assert_true(message.records[0].leaves);
	assert_int_equal(READ(igmp, report_v3), 0);
	assert_int_equal(message.count, 3);
	assert_false(message.records[0].leaves);
	assert_true(message.records[1].leaves);
	assert_false(message.records[2].leaves);
	assert_int_equal(READ(igmp, "\x11\x64\0\0\0\0\0\0"), 0);
	assert_int_equal(message.kind, MCAST_QUERY);
	assert_false(message.from_nobody);

	assert_int_equal(READ(mld, report_mld1), 0);
	assert_memory_equal(mcast_mac(&message.records[0].group).b, "\x33\x33\0\1\2\3", 6);
	assert_int_equal(READ(mld, done_mld1), 0);
	assert_true(message.records[0].leaves);
	assert_int_equal(READ(mld, report_mld2), 0);
	assert_int_equal(message.count, 1);
	assert_false(message.records[0].leaves);
	assert_true(message.v6);
}

static void
test_queries(void **state)
{
	uint8_t frame[MCAST_QUERY_MAX];

	(void)state;
	assert_int_equal(
		mcast_message_read(frame, mcast_query_write(false, &host, frame), &message), 0);
	assert_int_equal(message.kind, MCAST_QUERY);
	assert_true(message.from_nobody);
	assert_int_equal(
		mcast_message_read(frame, mcast_query_write(true, &host, frame), &message), 0);
	assert_int_equal(message.kind, MCAST_QUERY);
	assert_true(message.v6);
}

/* Cut off anywhere, and with any one bit turned, a message is refused or harmless. */
static void
test_damage(void **state)
{
	static const struct {
		size_t (*make)(uint8_t *frame, const char *body, size_t size);
		const char *body;
		size_t size;
	} messages[] = {{igmp, report_v2, 8}, {igmp, report_v3, sizeof(report_v3) - 1},
		{mld, report_mld1, 24}, {mld, report_mld2, sizeof(report_mld2) - 1}};
	uint8_t frame[256];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		size_t size = messages[i].make(frame, messages[i].body, messages[i].size);

		for (size_t cut = 0; cut < size; cut++) {
			/* Exactly so much memory: a byte too far is seen by the sanitizers. */
			uint8_t *copy = malloc(cut + 1);

			memcpy(copy, frame, cut);
			assert_int_equal(mcast_message_read(copy, cut, &message), -EBADMSG);
			free(copy);
		}
		for (size_t bit = 26 * 8; bit < size * 8; bit++) {
			uint8_t *byte = &frame[bit / 8], mask = (uint8_t)(1u << bit % 8);

			/* What the alert of IPv6 says no checksum covers. */
			if (messages[i].make == mld && bit / 8 >= 54 && bit / 8 < 62)
				continue;
			*byte ^= mask;
			assert_int_equal(mcast_message_read(frame, size, &message), -EBADMSG);
			*byte ^= mask;
		}
		assert_int_equal(mcast_message_read(frame, size, &message), 0);
	}
}

static void
test_refusals(void **state)
{
	uint8_t frame[256];
	size_t size;

	(void)state;
	/* No group; a group of the link is passed over. */
	assert_int_equal(READ(igmp, "\x16\0\0\0\x0a\1\2\3"), -EBADMSG);
	assert_int_equal(READ(igmp, "\x16\0\0\0\xe0\0\0\x16"), 0);
	assert_int_equal(message.count, 0);
	assert_int_equal(READ(igmp, "\x16\0\0\0\xe0\0\0"), -EBADMSG);
	assert_int_equal(READ(igmp, "\x42\0\0\0\xef\1\2\3"), -EBADMSG);
	/* More records, or sources, than there are. */
	assert_int_equal(READ(igmp, "\x22\0\0\0\0\0\0\2\4\0\0\0\xef\1\2\3"), -EBADMSG);
	assert_int_equal(READ(igmp, "\x22\0\0\0\0\0\0\1\4\0\0\2\xef\1\2\3"), -EBADMSG);
	assert_int_equal(READ(igmp, "\x22\0\0\0\0\0\0\1\7\0\0\0\xef\1\2\3"), -EBADMSG);
	/* Came through a router. */
	size = igmp(frame, report_v2, 8);
	frame[14 + 8] = 2;
	put16(frame + 14 + 10, 0);
	put16(frame + 14 + 10, checksum(frame + 14, 24, 0));
	assert_int_equal(mcast_message_read(frame, size, &message), -EBADMSG);
}

static void
hear(struct mcast *m, const char *body, unsigned port, uint64_t now)
{
	uint8_t frame[256];

	assert_int_equal(mcast_message_read(frame, igmp(frame, body, 8), &message), 0);
	assert_true(mcast_hear(m, &message, port, 0, now));
}

/* Is the port in the table's entry for the group, or for routers? */
static bool
has(const struct mcast *m, const uint8_t *mac, unsigned port)
{
	struct mdb *mdb = mcast_table(m);
	const struct mdb_entry *e;
	bool found = false;

	assert_non_null(mdb);
	e = mdb_find(mdb, mac ? fdb_make_key(mac, 0) : mdb_router_key(0));
	for (unsigned i = 0; e && i < e->count; i++)
		found |= mdb->ports[e->first + i] == port;
	mdb_free(mdb);
	return found;
}

static void
test_members(void **state)
{
	static const uint8_t mac[] = {0x01, 0x00, 0x5e, 1, 2, 3};
	struct mcast *m = calloc(1, sizeof(*m));
	struct mcast_settings settings = {.snooping = true, .ageing_s = 300};
	uint64_t now = 1000 * SECOND;

	(void)state;
	mcast_set(m, &settings);
	hear(m, report_v2, 3, now);
	hear(m, report_v2, 3, now);
	hear(m, report_v2, 5, now);
	assert_int_equal(m->count, 2);
	assert_true(has(m, mac, 3));
	assert_true(has(m, mac, 5));
	assert_false(has(m, mac, 4));
	/* A router gets every group of its VLAN. */
	hear(m, "\x11\x64\0\0\0\0\0\0", 9, now);
	assert_true(has(m, mac, 9));
	assert_true(has(m, NULL, 9));
	/* Who leaves has two seconds to say otherwise. */
	hear(m, leave_v2, 3, now);
	mcast_age(m, now + SECOND);
	assert_true(has(m, mac, 3));
	mcast_age(m, now + 3 * SECOND);
	assert_false(has(m, mac, 3));
	assert_true(has(m, mac, 5));
	/* And silence ends it, too. */
	mcast_age(m, now + 299 * SECOND);
	assert_true(has(m, mac, 5));
	mcast_age(m, now + 300 * SECOND);
	assert_int_equal(m->count, 0);
	settings.fast_leave = true;
	mcast_set(m, &settings);
	hear(m, report_v2, 3, now);
	hear(m, leave_v2, 3, now);
	assert_int_equal(m->count, 0);
	hear(m, report_v2, 3, now);
	mcast_forget_port(m, 3);
	assert_int_equal(m->count, 0);
	mcast_clear(m);
	free(m);
}

/* One port takes its share and no more. */
static void
test_bounds(void **state)
{
	struct mcast *m = calloc(1, sizeof(*m));
	struct mcast_settings settings = {.snooping = true, .ageing_s = 300};
	unsigned taken = 0;

	(void)state;
	mcast_set(m, &settings);
	for (unsigned port = 0; port < 40; port++)
		for (unsigned g = 0; g < 2 * MCAST_PORT_MEMBERS_MAX; g++) {
			memset(&message, 0, sizeof(message));
			message.kind = MCAST_REPORT;
			message.count = 1;
			message.records[0].group.b[0] = 0xff;
			put16(message.records[0].group.b + 14, g);
			taken += mcast_hear(m, &message, port, 0, 1);
		}
	assert_int_equal(taken, MCAST_MEMBERS_MAX);
	mcast_clear(m);
	free(m);
}

static void
test_querier(void **state)
{
	struct mcast *m = calloc(1, sizeof(*m));
	struct mcast_settings settings = {.snooping = true, .querier = true};
	uint64_t now = 1000 * SECOND;
	unsigned sent = 0;

	(void)state;
	mcast_set(m, &settings);
	for (unsigned s = 0; s < 500; s++)
		sent += mcast_query_due(m, now + s * SECOND);
	/* Three at the start, then one every 125 s. */
	assert_int_equal(sent, 3 + (500 - 15 + 124) / 125);
	hear(m, "\x11\x64\0\0\0\0\0\0", 9, now + 500 * SECOND);
	for (unsigned s = 501; s < 750; s++)
		assert_false(mcast_query_due(m, now + s * SECOND));
	assert_true(mcast_query_due(m, now + 760 * SECOND));
	mcast_clear(m);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_querier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
