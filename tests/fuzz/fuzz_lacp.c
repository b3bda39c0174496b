/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partner that says anything: the input is a list of steps, each a member, what happens to it
 * (its link, time, a frame that is any bytes or an LACPDU with any fields).  The members in use are
 * always of one aggregate, and no member speaks more often than it may.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/lacp.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define STEPS_MAX 512
#define FIELDS    34 /* bytes of both parties */

static uint64_t now;
static uint64_t sent[LACP_MEMBERS_MAX][LACP_SENT_MAX];
static unsigned sent_count[LACP_MEMBERS_MAX];

static void
note_sent(void *owner, unsigned member, const struct lacp_pdu *pdu)
{
	uint64_t *oldest = &sent[member][sent_count[member]++ % LACP_SENT_MAX];

	(void)owner;
	REQUIRE(pdu->actor.port);
	REQUIRE(!*oldest || now - *oldest >= LACP_FAST_MS);
	*oldest = now;
}

static void
receive(struct lacp *l, unsigned member, const uint8_t *frame, size_t size)
{
	struct lacp_pdu pdu;

	if (lacp_pdu_read(frame, size, &pdu) == LACP_PDU)
		lacp_received(l, member, &pdu, now);
}

/* The fields of an LACPDU, the partner's view of us right if the first bit says so. */
static void
receive_fields(struct lacp *l, unsigned member, const uint8_t *fields)
{
	static const struct mac source = {{2, 0, 0, 0, 0, 9}};
	uint8_t frame[LACP_FRAME_SIZE];
	struct lacp_pdu pdu = {0};
	struct lacp_status s;

	lacp_status(l, member, &s);
	pdu.partner = s.actor;
	lacp_pdu_write(&pdu, &source, frame);
	memcpy(frame + 18, fields + 1, 15);
	if (fields[0] & 1)
		memcpy(frame + 38, fields + 17, 15);
	receive(l, member, frame, sizeof(frame));
}

static void
check(const struct lacp *l)
{
	for (unsigned m = 0; m < LACP_MEMBERS_MAX; m++) {
		struct lacp_status s;

		lacp_status(l, m, &s);
		if (!lacp_collects(l, m))
			continue;
		REQUIRE(s.selected && s.receive >= LACP_RX_EXPIRED);
		REQUIRE(lacp_partner(l));
		REQUIRE(memcmp(&s.partner.system, &lacp_partner(l)->system, 6) == 0);
		REQUIRE(s.partner.key == lacp_partner(l)->key);
	}
}

static void
run(struct lacp *l, const uint8_t *input, size_t size)
{
	for (unsigned step = 0; step < STEPS_MAX && size >= 2; step++) {
		unsigned member = input[0] % LACP_MEMBERS_MAX, what = input[0] / LACP_MEMBERS_MAX;
		size_t took = 2;

		if (what % 4 == 0) {
			now += (uint64_t)input[1] * 100;
		} else if (what % 4 == 1) {
			lacp_link(l, member, input[1] & 1, (uint16_t)(member + 1), now);
		} else if (what % 4 == 2) {
			took = size < FIELDS ? size : FIELDS;
			if (took == FIELDS)
				receive_fields(l, member, input + 1);
		} else {
			took = size < LACP_FRAME_SIZE + 2 ? size : LACP_FRAME_SIZE + 2;
			receive(l, member, input + 2, took - 2);
		}
		/* Nobody is called again at once. */
		REQUIRE(lacp_run(l, now) > now);
		check(l);
		input += took;
		size -= took;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct lacp_options options = {
		.system_priority = 1, .system = {{2, 0, 0, 0, 0, 1}}, .key = 1, .send = note_sent};
	struct lacp *l;

	if (!size)
		return 0;
	options.passive = input[0] & 1;
	options.fast = input[0] & 2;
	now = 1000000;
	memset(sent, 0, sizeof(sent));
	memset(sent_count, 0, sizeof(sent_count));
	l = lacp_create(&options);
	REQUIRE(l);
	run(l, input + 1, size - 1);
	lacp_destroy(l);
	return 0;
}
