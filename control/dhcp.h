/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dhcp: what a DHCP server grants a client, read from its answer: DHCPACK (RFC 2131) and Reply of
 * DHCPv6 with addresses and delegated prefixes (RFC 8415).
 *
 * Threads: any; no state.
 */
#ifndef CONTROL_DHCP_H
#define CONTROL_DHCP_H

#include <stdint.h>

#include "lib/ethernet.h"
#include "lib/ip.h"

#define DHCP_GRANTS_MAX 8
#define DHCP_FOR_EVER   UINT32_MAX

struct dhcp_grant {
	struct ip_prefix prefix;
	uint32_t lifetime_s; /* 0 = no longer valid; DHCP_FOR_EVER */
};

struct dhcp_answer {
	struct mac client; /* v4: the one the message says; v6: to which the frame goes */
	unsigned count;
	struct dhcp_grant grants[DHCP_GRANTS_MAX]; /* what is more is left out */
};

/* Reads a whole Ethernet frame.  False: not an answer that grants something, or malformed. */
bool dhcp_read(const uint8_t *bytes, unsigned len, struct dhcp_answer *answer);

#endif
