/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcast_message: IGMP versions 1 to 3 (RFC 1112, 2236, 3376) and MLD versions 1 and 2 (RFC 2710,
 * 3810) as a switch that snoops needs them: which groups a host wants, and who asks.
 */
#ifndef CONTROL_MCAST_MESSAGE_H
#define CONTROL_MCAST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ethernet.h"

/* IPv6, or IPv4 in the form ::ffff:a.b.c.d. */
struct mcast_address {
	uint8_t b[16];
};

enum mcast_kind { MCAST_QUERY, MCAST_REPORT };

#define MCAST_RECORDS_MAX 256 /* more than fit a message of 2,048 bytes */

struct mcast_record {
	struct mcast_address group;
	bool leaves; /* wants the group no more, whatever the source */
};

struct mcast_message {
	enum mcast_kind kind;
	bool v6;
	bool from_nobody; /* source address 0.0.0.0 or ::, a query that makes no router */
	unsigned count;   /* of records; 0 for queries */
	struct mcast_record records[MCAST_RECORDS_MAX];
};

/*
 * Reads a frame without VLAN tag, of which `size` bytes are there.  Addresses, lengths, checksums,
 * hop limits and types are checked; groups of the link itself (224.0.0.x, ff02::1 and smaller scopes)
 * are passed over.  -EBADMSG when it is not a message that one may believe.
 */
int mcast_message_read(const uint8_t *frame, size_t size, struct mcast_message *message);

#define MCAST_QUERY_MAX 96

/* A general query, version 3 of IGMP or 2 of MLD, from nobody; returns its length. */
size_t mcast_query_write(bool v6, const struct mac *source, uint8_t frame[MCAST_QUERY_MAX]);

/* The Ethernet address of a group. */
struct mac mcast_mac(const struct mcast_address *group);

bool mcast_is_v4(const struct mcast_address *address);

#endif
