/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "control/bond_internal.h"

#define LACP_SYSTEM_PRIORITY 0x8000

/* The address of the interface; the system's where it is not known. */
static struct mac
source_of(const struct bond *b, unsigned place)
{
	struct lacp_status status;

	if (!mac_is_zero(&b->places[place].mac))
		return b->places[place].mac;
	lacp_status(b->lacp, place, &status);
	return status.actor.system;
}

/* One that cannot be sent is one that was lost: the next comes by the protocol's own timers. */
static void
send_pdu(void *owner, unsigned place, const struct lacp_pdu *pdu)
{
	const struct bond *b = owner;
	const struct mac source = source_of(b, place);
	uint8_t frame[LACP_FRAME_SIZE];

	lacp_pdu_write(pdu, &source, frame);
	if (b->places[place].p)
		datapath_send(b->places[place].p->port, 0, frame, sizeof(frame));
}

int
bond_lacp_start(struct bond *b, const struct mac *system)
{
	struct lacp_options options = {
		.passive = b->config.lacp == LACP_MODE_PASSIVE,
		.fast = b->config.lacp_time == LACP_TIME_FAST,
		.system_priority = LACP_SYSTEM_PRIORITY,
		.system = *system,
		.key = (uint16_t)(b->port->index + 1),
		.owner = b,
		.send = send_pdu,
	};

	if (mac_is_zero(system)) {
		if (getrandom(&options.system, sizeof(options.system), 0) != sizeof(options.system))
			return -EIO;
		options.system.b[0] = (uint8_t)((options.system.b[0] & ~1u) | 2u);
	}
	b->lacp = lacp_create(&options);
	return b->lacp ? 0 : -ENOMEM;
}

void
bond_on_slow(void *arg, struct port *port, const struct punted *punted)
{
	uint8_t answer[LACP_FRAME_SIZE];
	struct lacp_pdu pdu;
	struct mac source;
	unsigned place;
	struct bond *b = bond_of_member(port, &place);

	(void)arg;
	if (!b || !b->lacp)
		return;
	switch (lacp_pdu_read(punted->bytes, punted->stored, &pdu)) {
	case LACP_PDU:
		lacp_received(b->lacp, place, &pdu, bond_now_ms());
		bond_update(b, false);
		break;
	case LACP_MARKER:
		b->places[place].markers++;
		source = source_of(b, place);
		lacp_marker_answer(punted->bytes, &source, answer);
		datapath_send(port, 0, answer, sizeof(answer));
		break;
	default:
		break;
	}
}
