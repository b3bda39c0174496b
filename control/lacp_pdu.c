/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the bytes come from whoever is at the other end of a cable.  Each is read at a fixed
 * place of a frame that was found long enough; no length in it is used for anything but comparison.
 */
#include <errno.h>
#include <string.h>

#include "control/lacp_pdu.h"

#define SUBTYPE_AT   14
#define VERSION_AT   15
#define ACTOR_AT     16
#define PARTNER_AT   36
#define COLLECTOR_AT 56
#define TYPE_OF(at)  frame[at]
#define LEN_OF(at)   frame[(at) + 1]

#define SUBTYPE_LACP   1
#define SUBTYPE_MARKER 2
#define PARTY_LEN      20
#define COLLECTOR_LEN  16
#define MARKER_LEN     22

enum { TLV_ACTOR = 1, TLV_PARTNER, TLV_COLLECTOR };
enum { TLV_MARKER = 1, TLV_MARKER_RESPONSE };

static const uint8_t header[14] = {
	0x01, 0x80, 0xc2, 0x00, 0x00, 0x02, 0, 0, 0, 0, 0, 0, 0x88, 0x09};

static uint16_t
load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
store16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void
read_party(const uint8_t *tlv, struct lacp_party *party)
{
	party->system_priority = load16(tlv + 2);
	memcpy(&party->system, tlv + 4, MAC_LEN);
	party->key = load16(tlv + 10);
	party->port_priority = load16(tlv + 12);
	party->port = load16(tlv + 14);
	party->state = tlv[16];
}

static void
write_party(uint8_t *tlv, uint8_t type, const struct lacp_party *party)
{
	tlv[0] = type;
	tlv[1] = PARTY_LEN;
	store16(tlv + 2, party->system_priority);
	memcpy(tlv + 4, &party->system, MAC_LEN);
	store16(tlv + 10, party->key);
	store16(tlv + 12, party->port_priority);
	store16(tlv + 14, party->port);
	tlv[16] = party->state;
}

int
lacp_pdu_read(const uint8_t *frame, size_t size, struct lacp_pdu *pdu)
{
	if (size < LACP_FRAME_SIZE || memcmp(frame, header, MAC_LEN) != 0 ||
		memcmp(frame + 12, header + 12, 2) != 0)
		return -EINVAL;
	if (frame[SUBTYPE_AT] == SUBTYPE_MARKER && LEN_OF(ACTOR_AT) == MARKER_LEN) {
		if (TYPE_OF(ACTOR_AT) == TLV_MARKER)
			return LACP_MARKER;
		return TYPE_OF(ACTOR_AT) == TLV_MARKER_RESPONSE ? LACP_MARKER_RESPONSE : -EINVAL;
	}
	if (frame[SUBTYPE_AT] != SUBTYPE_LACP || frame[VERSION_AT] == 0 ||
		TYPE_OF(ACTOR_AT) != TLV_ACTOR || LEN_OF(ACTOR_AT) != PARTY_LEN ||
		TYPE_OF(PARTNER_AT) != TLV_PARTNER || LEN_OF(PARTNER_AT) != PARTY_LEN)
		return -EINVAL;
	read_party(frame + ACTOR_AT, &pdu->actor);
	read_party(frame + PARTNER_AT, &pdu->partner);
	return LACP_PDU;
}

void
lacp_pdu_write(const struct lacp_pdu *pdu, const struct mac *source, uint8_t frame[LACP_FRAME_SIZE])
{
	memset(frame, 0, LACP_FRAME_SIZE);
	memcpy(frame, header, sizeof(header));
	memcpy(frame + MAC_LEN, source, MAC_LEN);
	frame[SUBTYPE_AT] = SUBTYPE_LACP;
	frame[VERSION_AT] = 1;
	write_party(frame + ACTOR_AT, TLV_ACTOR, &pdu->actor);
	write_party(frame + PARTNER_AT, TLV_PARTNER, &pdu->partner);
	frame[COLLECTOR_AT] = TLV_COLLECTOR;
	frame[COLLECTOR_AT + 1] = COLLECTOR_LEN;
}

void
lacp_marker_answer(const uint8_t marker[LACP_FRAME_SIZE], const struct mac *source,
	uint8_t frame[LACP_FRAME_SIZE])
{
	memcpy(frame, marker, LACP_FRAME_SIZE);
	memcpy(frame + MAC_LEN, source, MAC_LEN);
	frame[ACTOR_AT] = TLV_MARKER_RESPONSE;
}
