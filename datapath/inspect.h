/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inspect: where the headers of a frame are that locks and guards must see.
 *
 * Finds ARP, IPv4 and IPv6 behind up to INSPECT_LAYERS VLAN tags and SNAP headers (RFC 1042), and
 * the upper layer's header behind IPv4 options and IPv6 extension headers.  What a receiver might
 * take for one of these and what cannot be followed to its end is INSPECT_BAD: a frame that a guard
 * cannot read is not let through for that reason.
 *
 * Threads: worker; or any, for inspect_bytes().
 */
#ifndef DATAPATH_INSPECT_H
#define DATAPATH_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/worker.h"

#define INSPECT_LAYERS     3  /* tags and SNAP headers; no bridge mode adds that many */
#define INSPECT_EXTENSIONS 16 /* IPv6 extension headers */

#define INSPECT_ICMP6 58
#define INSPECT_UDP   17
#define INSPECT_IGMP  2

enum inspect_kind {
	INSPECT_OTHER, /* neither of these */
	INSPECT_ARP,   /* and reverse ARP; the 28 bytes are there */
	INSPECT_IPV4,
	INSPECT_IPV6,
	INSPECT_BAD,  /* cut off, nested too deep, or contradictory */
	INSPECT_MORE, /* inspect_bytes() only: more bytes are needed to say */
};

struct inspect {
	uint8_t protocol; /* of the upper layer */
	bool fragmented;  /* there is a fragment header (IPv6), or more or earlier ones (IPv4) */
	bool later;       /* a fragment that does not hold the beginning of the upper layer */
	const uint8_t *source; /* the frame's Ethernet source address */
	const uint8_t *l3;     /* ARP, IPv4 or IPv6 header, whole */
	/*
	 * Upper layer, NULL when `later`.  Of UDP its header is there and, to a client or server of
	 * DHCP, the fixed part behind it; of ICMPv6 the first four bytes, and all of neighbour
	 * discovery (RFC 4861), which ends at `end`.
	 */
	const uint8_t *l4, *end;
};

/* Looks at `visible` of the frame's `len` bytes. */
enum inspect_kind inspect_bytes(
	const uint8_t *bytes, unsigned visible, unsigned len, struct inspect *found);

/* worker: looks at a frame of w->burst; reads more of it into private memory when it must. */
enum inspect_kind inspect(struct worker *w, struct frame *f, struct inspect *found);

static inline uint16_t
inspect_load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Is the upper layer one of the messages of neighbour discovery? */
static inline bool
inspect_is_nd(const struct inspect *found)
{
	return found->protocol == INSPECT_ICMP6 && found->l4 && found->l4[0] >= 133 &&
	       found->l4[0] <= 137;
}

/* Is it for a client of DHCP?  From which port it comes is nothing that clients mind. */
static inline bool
inspect_is_dhcp_answer(enum inspect_kind kind, const struct inspect *found)
{
	unsigned client = kind == INSPECT_IPV4 ? 68 : kind == INSPECT_IPV6 ? 546 : 0;

	return client && found->protocol == INSPECT_UDP && found->l4 &&
	       inspect_load16(found->l4 + 2) == client;
}

#endif
