/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every VLAN mode with every kind of tag, towards every VLAN mode.  What is expected is written down
 * as IEEE 802.1Q-2022 (6.9, 8.6) and ovs-vswitchd.conf.db(5) (Port: vlan_mode, tag, trunks, cvlans,
 * other_config:priority-tags) have it: which VLAN a frame comes into, and how a port sends a VLAN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "tests/unit/memory_port.h"

#define WAIT_MS 5000
#define PAYLOAD 60
#define NATIVE  10 /* tag= of all modes that have one */
#define NONE    0xffff

enum { FROM, TO, WITNESS, PORTS };

static struct memory_port *ports[PORTS];
static unsigned bridge;

/* ---- what is sent ---- */

struct tag {
	uint16_t type, tci;
};

static const struct form {
	const char *name;
	struct tag tags[2]; /* type 0: there is none */
	bool cut;           /* the frame ends within the first */
} forms[] = {
	{"untagged", {{0}}, false},
	{"priority", {{0x8100, 0xa000}}, false},
	{"of the list", {{0x8100, 0x6000 | 20}}, false},
	{"of another VLAN", {{0x8100, 40}}, false},
	{"of the native VLAN", {{0x8100, NATIVE}}, false},
	{"two tags", {{0x8100, 20}, {0x8100, 30}}, false},
	{"service tag", {{0x88a8, 0x2000 | 20}, {0x8100, 50}}, false},
	{"VLAN 4095", {{0x8100, 4095}}, false},
	{"cut", {{0x8100, 0}}, true},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* ---- what ports are ---- */

#define DENIED    (-1) /* DROP_VLAN_DENIED */
#define MALFORMED (-2) /* DROP_VLAN_MALFORMED */

/* How a port sends a VLAN. */
enum sends { NO, UNTAGGED, TAGGED };

/* Which frames it sends, by the customer's tag behind that of the VLAN. */
enum inside { ANY, NO_INNER, LISTED };

/* The list of a port, if it has one, is 20 and 30. */
static const struct mode {
	const char *name;
	enum vlan_mode mode;
	bool list;
	int enters[FORMS];   /* the VLAN that each form comes into, or DENIED, MALFORMED */
	enum sends sends[4]; /* VLAN 0, 10, 20, 40 */
	enum inside inside;
} modes[] = {
	{"trunk", VLAN_TRUNK, false, {0, 0, 20, 40, NATIVE, 20, 20, MALFORMED, MALFORMED},
		{UNTAGGED, TAGGED, TAGGED, TAGGED}, ANY},
	{"trunk with a list", VLAN_TRUNK, true,
		{DENIED, DENIED, 20, DENIED, DENIED, 20, 20, MALFORMED, MALFORMED},
		{NO, NO, TAGGED, NO}, ANY},
	{"access", VLAN_ACCESS, false,
		{NATIVE, NATIVE, DENIED, DENIED, DENIED, DENIED, DENIED, MALFORMED, MALFORMED},
		{NO, UNTAGGED, NO, NO}, NO_INNER},
	{"native-tagged", VLAN_NATIVE_TAGGED, true,
		{NATIVE, NATIVE, 20, DENIED, NATIVE, 20, 20, MALFORMED, MALFORMED},
		{NO, TAGGED, TAGGED, NO}, ANY},
	{"native-untagged", VLAN_NATIVE_UNTAGGED, true,
		{NATIVE, NATIVE, 20, DENIED, NATIVE, 20, 20, MALFORMED, MALFORMED},
		{NO, UNTAGGED, TAGGED, NO}, ANY},
	{"dot1q-tunnel", VLAN_DOT1Q_TUNNEL, false,
		{NATIVE, NATIVE, NATIVE, NATIVE, NATIVE, NATIVE, NATIVE, MALFORMED, MALFORMED},
		{NO, UNTAGGED, NO, NO}, ANY},
	{"dot1q-tunnel with a list", VLAN_DOT1Q_TUNNEL, true,
		{DENIED, DENIED, NATIVE, DENIED, DENIED, NATIVE, NATIVE, MALFORMED, MALFORMED},
		{NO, UNTAGGED, NO, NO}, LISTED},
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

static void
set_mode(unsigned port, const struct mode *m, enum priority_tags priority_tags, uint16_t ethtype)
{
	struct port_settings s = {.bridge = (int)bridge,
		.vlan_mode = m->mode,
		.tag = m->mode == VLAN_TRUNK ? 0 : NATIVE,
		.priority_tags = priority_tags,
		.qinq_ethtype = ethtype,
		.mac_limit = UINT32_MAX};
	struct vlan_set *list = m->mode == VLAN_DOT1Q_TUNNEL ? &s.cvlans : &s.trunks;

	if (m->list) {
		vlan_set_add(list, 20);
		vlan_set_add(list, 30);
	}
	assert_int_equal(datapath_port_set(&ports[port]->port, &s, NULL), 0);
}

/* ---- frames ---- */

struct text {
	uint8_t bytes[PAYLOAD + 32];
	uint32_t len;
};

static void
put(struct text *t, const void *bytes, uint32_t len)
{
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

static void
put_tag(struct text *t, struct tag tag)
{
	const uint8_t bytes[] = {(uint8_t)(tag.type >> 8), (uint8_t)tag.type,
		(uint8_t)(tag.tci >> 8), (uint8_t)tag.tci};

	put(t, bytes, sizeof(bytes));
}

/* To everybody, with these tags. */
static struct text
frame_of(const struct tag *tags, unsigned count)
{
	static const uint8_t addresses[] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01";
	static const uint8_t payload[PAYLOAD] = {0x88, 0xb5, 1, 2, 3, 4, 5};
	struct text t = {.len = 0};

	put(&t, addresses, sizeof(addresses) - 1);
	for (unsigned i = 0; i < count; i++)
		if (tags[i].type)
			put_tag(&t, tags[i]);
	put(&t, payload, sizeof(payload));
	return t;
}

/*
 * What a frame is within the bridge: its VLAN, the tag type and priority that go with it, and what
 * stands behind its tag.
 */
struct inner {
	unsigned vlan;
	uint16_t type, priority;
	bool had_tag;
	const struct tag *rest;
	unsigned rest_count;
};

static struct inner
enter(const struct mode *m, const struct form *f, unsigned vlan, uint16_t ethtype)
{
	/* The customer's tags are payload in a tunnel, which adds its own without priority. */
	if (m->mode == VLAN_DOT1Q_TUNNEL)
		return (struct inner){vlan, ethtype, 0, false, f->tags, 2};
	return (struct inner){vlan, f->tags[0].type ? f->tags[0].type : 0x8100,
		f->tags[0].tci & 0xf000, f->tags[0].type, f->tags + 1, 1};
}

static enum sends
sends(const struct mode *m, const struct inner *in)
{
	unsigned column = in->vlan == 0 ? 0 : in->vlan == NATIVE ? 1 : in->vlan == 20 ? 2 : 3;
	unsigned customer = in->rest[0].type ? in->rest[0].tci & 0xfff : 0;

	if ((m->inside == NO_INNER && customer) ||
		(m->inside == LISTED && customer != 20 && customer != 30))
		return NO;
	return m->sends[column];
}

static struct text
leave(const struct mode *m, enum priority_tags priority_tags, const struct inner *in,
	enum sends how)
{
	struct tag tags[3] = {{0}};

	if (how == TAGGED)
		tags[0] = (struct tag){in->type, (uint16_t)(in->priority | in->vlan)};
	else if (m->mode != VLAN_DOT1Q_TUNNEL &&
		 (priority_tags == PRIORITY_TAGS_ALWAYS ? in->had_tag
							: priority_tags && in->priority))
		tags[0] = (struct tag){in->type, in->priority};
	memcpy(tags + 1, in->rest, in->rest_count * sizeof(tags[0]));
	return frame_of(tags, 3);
}

/* ---- the table ---- */

static void
await_drop(enum drop drop, uint64_t before)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	struct port_counters c;

	do {
		assert_true(clock_ns() < end);
		sched_yield();
		datapath_port_counters(&ports[FROM]->port, &c);
	} while (c.drops[drop] == before);
}

static void
expect(unsigned port, const struct text *wanted, const char *row)
{
	struct memory_frame *m = memory_port_get(ports[port], WAIT_MS);

	if (!m || m->len != wanted->len || memcmp(m->bytes, wanted->bytes, wanted->len) != 0)
		fail_msg("%s: port %u got %s", row, port, m ? "another frame" : "nothing");
	free(m);
}

static void
check_row(const struct mode *from, const struct mode *to, enum priority_tags priority_tags,
	uint16_t ethtype, unsigned form)
{
	const struct form *f = &forms[form];
	int vlan = from->enters[form];
	struct text sent = frame_of(f->tags, 2), wanted;
	struct port_counters before;
	struct inner in;
	char row[160];

	snprintf(row, sizeof(row), "%s, from %s to %s, priority tags %d", f->name, from->name,
		to->name, priority_tags);
	datapath_port_counters(&ports[FROM]->port, &before);
	memory_port_put(ports[FROM], 0, sent.bytes, f->cut ? 16 : sent.len);
	if (vlan < 0) {
		enum drop drop = vlan == DENIED ? DROP_VLAN_DENIED : DROP_VLAN_MALFORMED;

		await_drop(drop, before.drops[drop]);
	} else {
		in = enter(from, f, (unsigned)vlan, ethtype);
		/* The witness sees every VLAN, and comes after the receiver. */
		wanted = leave(&modes[0], PRIORITY_TAGS_NEVER, &in, vlan ? TAGGED : UNTAGGED);
		expect(WITNESS, &wanted, row);
		if (sends(to, &in)) {
			wanted = leave(to, priority_tags, &in, sends(to, &in));
			expect(TO, &wanted, row);
		}
	}
	for (unsigned p = TO; p < PORTS; p++)
		if (memory_port_get(ports[p], 0))
			fail_msg("%s: port %u got a frame too many", row, p);
}

static void
test_every_mode_and_form(void **state)
{
	static const enum priority_tags kinds[] = {
		PRIORITY_TAGS_NEVER, PRIORITY_TAGS_IF_NONZERO, PRIORITY_TAGS_ALWAYS};
	unsigned rows = 0;

	(void)state;
	for (unsigned from = 0; from < MODES; from++)
		for (unsigned to = 0; to < MODES; to++)
			for (unsigned k = 0; k < 3; k++) {
				uint16_t ethtype = (from + to) % 2 ? 0x8100 : 0x88a8;

				set_mode(FROM, &modes[from], PRIORITY_TAGS_NEVER, ethtype);
				set_mode(TO, &modes[to], kinds[k], 0x88a8);
				for (unsigned form = 0; form < FORMS; form++, rows++)
					check_row(
						&modes[from], &modes[to], kinds[k], ethtype, form);
			}
	assert_int_equal(rows, MODES * MODES * 3 * FORMS);
}

static int
setup(void **state)
{
	return memory_port_start(state) || memory_ports_add(ports, PORTS, &bridge) ? -1 : 0;
}

static int
teardown(void **state)
{
	return memory_ports_del(ports, PORTS, bridge) | memory_port_stop(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_mode_and_form)};

	return cmocka_run_group_tests_name("vlan_table", tests, setup, teardown);
}
