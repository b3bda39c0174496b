/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lacp_pdu: the frames of the Link Aggregation Control Protocol and of the Marker protocol (IEEE
 * 802.1AX-2014, 6.4.2 and 6.5.3), version 1, whose fields later versions keep.
 *
 * Threads: any.
 */
#ifndef CONTROL_LACP_PDU_H
#define CONTROL_LACP_PDU_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ethernet.h"

#define LACP_FRAME_SIZE 124 /* both, with the Ethernet header */

/* Bits of lacp_party.state. */
#define LACP_ACTIVITY     0x01 /* speaks without being spoken to */
#define LACP_TIMEOUT      0x02 /* wants to be spoken to every second, not every 30 s */
#define LACP_AGGREGATION  0x04 /* may be one link of several */
#define LACP_SYNC         0x08 /* the link is in the right aggregate */
#define LACP_COLLECTING   0x10
#define LACP_DISTRIBUTING 0x20
#define LACP_DEFAULTED    0x40 /* knows nothing of its partner */
#define LACP_EXPIRED      0x80

/* What one end says about itself, or about the other. */
struct lacp_party {
	uint16_t system_priority;
	struct mac system;
	uint16_t key;
	uint16_t port_priority;
	uint16_t port;
	uint8_t state;
};

struct lacp_pdu {
	struct lacp_party actor, partner;
};

enum lacp_kind { LACP_PDU, LACP_MARKER, LACP_MARKER_RESPONSE };

/* What kind of frame; fills *pdu for LACP_PDU.  -EINVAL: it is none, or not whole. */
int lacp_pdu_read(const uint8_t *frame, size_t size, struct lacp_pdu *pdu);

void lacp_pdu_write(
	const struct lacp_pdu *pdu, const struct mac *source, uint8_t frame[LACP_FRAME_SIZE]);

/* The response to a whole LACP_MARKER. */
void lacp_marker_answer(const uint8_t marker[LACP_FRAME_SIZE], const struct mac *source,
	uint8_t frame[LACP_FRAME_SIZE]);

#endif
