/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ends of several cables, on a clock of the test's: what one sends the other receives, unless a
 * cable is cut.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/lacp.h"

#define ENDS   3
#define STEP   50 /* ms */
#define WIRES  4
#define SECOND 1000

struct end {
	struct lacp *lacp;
	unsigned sent[LACP_MEMBERS_MAX];
	uint8_t waiting[LACP_MEMBERS_MAX][LACP_FRAME_SIZE];
	bool has[LACP_MEMBERS_MAX];
};

static struct end ends[ENDS];
static uint64_t now;
/* Where a member of end 0 leads to: the other end, and the member there; cut: nothing passes. */
static struct {
	unsigned end, member;
	bool cut;
} wires[WIRES];

static const struct mac macs[ENDS] = {
	{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 3}}};

static void
send_pdu(void *owner, unsigned member, const struct lacp_pdu *pdu)
{
	struct end *e = owner;

	lacp_pdu_write(pdu, &macs[e - ends], e->waiting[member]);
	e->has[member] = true;
	e->sent[member]++;
}

static void
create(unsigned end, bool passive, bool fast)
{
	struct lacp_options options = {.passive = passive,
		.fast = fast,
		.system_priority = 0x8000,
		.system = macs[end],
		.key = (uint16_t)(end + 1),
		.owner = &ends[end],
		.send = send_pdu};

	lacp_destroy(ends[end].lacp);
	memset(&ends[end], 0, sizeof(ends[end]));
	ends[end].lacp = lacp_create(&options);
	assert_non_null(ends[end].lacp);
}

static void
deliver(unsigned from, unsigned member, unsigned to, unsigned there, bool cut)
{
	struct lacp_pdu pdu;

	if (!ends[from].has[member])
		return;
	ends[from].has[member] = false;
	if (cut)
		return;
	assert_int_equal(
		lacp_pdu_read(ends[from].waiting[member], LACP_FRAME_SIZE, &pdu), LACP_PDU);
	lacp_received(ends[to].lacp, there, &pdu, now);
}

static void
pass(unsigned ms)
{
	for (uint64_t end = now + ms; now < end; now += STEP) {
		for (unsigned e = 0; e < ENDS; e++)
			if (ends[e].lacp)
				lacp_run(ends[e].lacp, now);
		for (unsigned w = 0; w < WIRES; w++) {
			deliver(0, w, wires[w].end, wires[w].member, wires[w].cut);
			deliver(wires[w].end, wires[w].member, 0, w, wires[w].cut);
		}
	}
}

static void
link_wire(unsigned w, bool up)
{
	lacp_link(ends[0].lacp, w, up, (uint16_t)(w + 1), now);
	lacp_link(ends[wires[w].end].lacp, wires[w].member, up, (uint16_t)(w + 101), now);
}

static unsigned
in_use(unsigned end)
{
	unsigned mask = 0;

	for (unsigned m = 0; m < LACP_MEMBERS_MAX; m++)
		if (lacp_collects(ends[end].lacp, m) && lacp_distributes(ends[end].lacp, m))
			mask |= 1u << m;
	return mask;
}

static void
start(bool passive, bool other_passive, bool fast)
{
	now = 1000000;
	for (unsigned w = 0; w < WIRES; w++) {
		wires[w].end = 1;
		wires[w].member = w;
		wires[w].cut = false;
	}
	create(0, passive, fast);
	create(1, other_passive, fast);
	create(2, true, fast);
}

static void
test_two_ends_agree(void **state)
{
	struct lacp_status s;

	(void)state;
	start(false, false, true);
	assert_true(lacp_alone(ends[0].lacp));
	for (unsigned w = 0; w < WIRES; w++)
		link_wire(w, true);
	/* The aggregate is waited for, so that it comes as a whole. */
	pass(LACP_AGGREGATE_WAIT_MS - 200);
	assert_int_equal(in_use(0) | in_use(1), 0);
	pass(SECOND);
	assert_int_equal(in_use(0), 0xf);
	assert_int_equal(in_use(1), 0xf);
	lacp_status(ends[0].lacp, 2, &s);
	assert_int_equal(s.receive, LACP_RX_CURRENT);
	assert_int_equal(s.partner.port, 103);
	assert_memory_equal(&lacp_partner(ends[0].lacp)->system, &macs[1], 6);
}

static void
test_active_wakes_passive(void **state)
{
	(void)state;
	start(false, true, false);
	link_wire(0, true);
	pass(4 * SECOND);
	assert_int_equal(in_use(0), 1);
	/* Two passive ends have nothing to say to each other. */
	start(true, true, false);
	link_wire(0, true);
	pass(100 * SECOND);
	assert_int_equal(in_use(0), 0);
	assert_int_equal(ends[0].sent[0] + ends[1].sent[0], 0);
}

static void
test_silence_ends_it(void **state)
{
	struct lacp_status s;

	(void)state;
	start(false, false, true);
	link_wire(0, true);
	link_wire(1, true);
	pass(4 * SECOND);
	assert_int_equal(in_use(0), 3);
	wires[0].cut = true;
	pass(LACP_SHORT_TIMEOUT_MS + SECOND);
	assert_int_equal(in_use(0), 2);
	lacp_status(ends[0].lacp, 0, &s);
	assert_int_equal(s.receive, LACP_RX_EXPIRED);
	assert_true(s.actor.state & LACP_EXPIRED);
	pass(LACP_SHORT_TIMEOUT_MS);
	lacp_status(ends[0].lacp, 0, &s);
	assert_int_equal(s.receive, LACP_RX_DEFAULTED);
	assert_true(s.actor.state & LACP_DEFAULTED);
	assert_false(s.selected);
	wires[0].cut = false;
	pass(LACP_SLOW_MS + 4 * SECOND);
	assert_int_equal(in_use(0), 3);
}

static void
test_slow_partner_is_given_time(void **state)
{
	unsigned before;

	(void)state;
	start(false, false, false);
	link_wire(0, true);
	pass(10 * SECOND);
	assert_int_equal(in_use(0), 1);
	before = ends[0].sent[0];
	pass(10 * LACP_SLOW_MS);
	assert_in_range(ends[0].sent[0] - before, 9, 11);
	wires[0].cut = true;
	pass(LACP_LONG_TIMEOUT_MS - LACP_SLOW_MS);
	assert_int_equal(in_use(0), 1);
	pass(LACP_SLOW_MS + SECOND);
	assert_int_equal(in_use(0), 0);
}

static void
test_link_lost_is_noticed_at_once(void **state)
{
	(void)state;
	start(false, false, true);
	link_wire(0, true);
	link_wire(1, true);
	pass(4 * SECOND);
	lacp_link(ends[0].lacp, 0, false, 0, now);
	lacp_run(ends[0].lacp, now);
	assert_int_equal(in_use(0), 2);
	link_wire(0, false);
	link_wire(0, true);
	pass(4 * SECOND);
	assert_int_equal(in_use(0), 3);
}

/* Cables to two switches are two aggregates: one is used as long as it has a member. */
static void
test_one_partner_at_a_time(void **state)
{
	(void)state;
	start(false, false, true);
	wires[2].end = wires[3].end = 2;
	link_wire(0, true);
	link_wire(2, true);
	link_wire(3, true);
	pass(4 * SECOND);
	assert_int_equal(in_use(0), 1);
	link_wire(0, false);
	pass(4 * SECOND);
	assert_int_equal(in_use(0), 0xc);
	assert_memory_equal(&lacp_partner(ends[0].lacp)->system, &macs[2], 6);
	link_wire(0, true);
	link_wire(1, true);
	pass(4 * SECOND);
	assert_int_equal(in_use(0), 0xc);
}

/* A partner that can't aggregate gets one link. */
static void
test_individual_partner(void **state)
{
	(void)state;
	start(false, false, true);
	for (unsigned w = 0; w < 2; w++)
		lacp_link(ends[0].lacp, w, true, (uint16_t)(w + 1), now);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned w = 0; w < 2; w++) {
			struct lacp_status s;
			struct lacp_pdu pdu = {
				.actor = {.system_priority = 1,
					.system = macs[1],
					.key = 1,
					.port = (uint16_t)(w + 1),
					.state = LACP_ACTIVITY | LACP_SYNC | LACP_COLLECTING}};

			lacp_status(ends[0].lacp, w, &s);
			pdu.partner = s.actor;
			lacp_received(ends[0].lacp, w, &pdu, now);
		}
		pass(SECOND / 2);
	}
	assert_int_equal(in_use(0), 1);
}

static void
test_own_frames_are_a_loop(void **state)
{
	struct lacp_status s;

	(void)state;
	start(false, false, true);
	wires[0].end = 0;
	wires[0].member = 1;
	wires[1].cut = true;
	lacp_link(ends[0].lacp, 0, true, 1, now);
	lacp_link(ends[0].lacp, 1, true, 2, now);
	pass(10 * SECOND);
	lacp_status(ends[0].lacp, 1, &s);
	assert_true(s.looped);
	assert_int_equal(in_use(0), 0);
}

/* Whatever it is told, it speaks three times a second at most. */
static void
test_nobody_makes_it_chatter(void **state)
{
	(void)state;
	start(false, false, true);
	lacp_link(ends[0].lacp, 0, true, 1, now);
	for (unsigned ms = 0; ms < 10 * SECOND; ms++, now++) {
		struct lacp_pdu pdu = {.actor = {.system = macs[1],
					       .port = (uint16_t)ms,
					       .state = (uint8_t)(ms * 37)}};

		lacp_received(ends[0].lacp, 0, &pdu, now);
		lacp_run(ends[0].lacp, now);
	}
	assert_in_range(ends[0].sent[0], 10, 33);
}

static void
test_frames(void **state)
{
	struct lacp_pdu pdu = {.actor = {.system_priority = 0x1234,
				       .system = macs[0],
				       .key = 0x5678,
				       .port_priority = 0x9abc,
				       .port = 0xdef0,
				       .state = 0x3d},
				.partner = {.system = macs[1], .port = 7}},
			read;
	uint8_t frame[LACP_FRAME_SIZE], answer[LACP_FRAME_SIZE];
	static const unsigned sensible[] = {0, 12, 13, 14, 15, 16, 17, 36, 37};

	(void)state;
	memset(&read, 0, sizeof(read));
	lacp_pdu_write(&pdu, &macs[2], frame);
	assert_int_equal(lacp_pdu_read(frame, sizeof(frame), &read), LACP_PDU);
	assert_int_equal(read.actor.key, 0x5678);
	assert_int_equal(read.actor.port, 0xdef0);
	assert_int_equal(read.partner.port, 7);
	assert_memory_equal(&read.actor.system, &macs[0], 6);
	assert_memory_equal(frame + 6, &macs[2], 6);
	assert_int_equal(frame[17], 20);
	assert_int_equal(lacp_pdu_read(frame, sizeof(frame) - 1, &read), -EINVAL);
	for (size_t i = 0; i < sizeof(sensible) / sizeof(sensible[0]); i++) {
		uint8_t was = frame[sensible[i]];

		frame[sensible[i]] = sensible[i] == 15 ? 0 : (uint8_t)(was ^ 0x40);
		assert_int_equal(lacp_pdu_read(frame, sizeof(frame), &read), -EINVAL);
		frame[sensible[i]] = was;
	}
	/* Later versions have the same fields. */
	frame[15] = 2;
	assert_int_equal(lacp_pdu_read(frame, sizeof(frame), &read), LACP_PDU);

	frame[14] = 2;
	frame[16] = 1;
	frame[17] = 22;
	assert_int_equal(lacp_pdu_read(frame, sizeof(frame), &read), LACP_MARKER);
	lacp_marker_answer(frame, &macs[1], answer);
	assert_int_equal(lacp_pdu_read(answer, sizeof(answer), &read), LACP_MARKER_RESPONSE);
	assert_memory_equal(answer + 17, frame + 17, LACP_FRAME_SIZE - 17);
}

static int
end_all(void **state)
{
	(void)state;
	for (unsigned e = 0; e < ENDS; e++)
		lacp_destroy(ends[e].lacp);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_ends_agree),
		cmocka_unit_test(test_active_wakes_passive),
		cmocka_unit_test(test_silence_ends_it),
		cmocka_unit_test(test_slow_partner_is_given_time),
		cmocka_unit_test(test_link_lost_is_noticed_at_once),
		cmocka_unit_test(test_one_partner_at_a_time),
		cmocka_unit_test(test_individual_partner),
		cmocka_unit_test(test_own_frames_are_a_loop),
		cmocka_unit_test(test_nobody_makes_it_chatter),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, end_all);
}
