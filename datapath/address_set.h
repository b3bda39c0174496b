/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * address_set: MAC addresses, IPv4 and IPv6 prefixes, by the thousand, to ask whether one is among
 * them.  Immutable: sorted ranges without overlap, searched by halves.
 *
 * Threads: made and freed on the control thread, asked by any.
 */
#ifndef DATAPATH_ADDRESS_SET_H
#define DATAPATH_ADDRESS_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ip.h"

/* ip_prefix.version of a MAC address: six bytes, len 48. */
#define ADDRESS_SET_MAC 0

struct address_set;

/* In any order, overlapping or not.  -ENOMEM. */
int address_set_create(struct address_set **set, const struct ip_prefix *addresses, unsigned count);
void address_set_destroy(struct address_set *set);

/* 6, 4 or 16 bytes, as the version says. */
bool address_set_has(const struct address_set *set, unsigned version, const uint8_t *address);

/*
 * Is the frame's source (or target) among them: its MAC address, or that of IPv4, IPv6 or ARP behind
 * up to two VLAN tags?  Looks at `seen` bytes.
 */
bool address_set_has_frame(
	const struct address_set *set, const uint8_t *bytes, unsigned seen, bool target);

#endif
