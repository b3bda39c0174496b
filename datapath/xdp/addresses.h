/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addresses: MAC addresses, each with the number of times it was told of (once per VLAN).
 *
 * Threads: the control thread.
 */
#ifndef DATAPATH_XDP_ADDRESSES_H
#define DATAPATH_XDP_ADDRESSES_H

#include <stdbool.h>

#include "lib/ethernet.h"

/* The zero value is an empty set. */
struct addresses {
	void *tree; /* tsearch(3) */
	unsigned count;
};

/* One time more or less; returns whether the address came or went by that.  No memory: nothing. */
bool addresses_change(struct addresses *set, const struct mac *mac, bool present);
bool addresses_has(const struct addresses *set, const struct mac *mac);
void addresses_walk(
	const struct addresses *set, void (*visit)(const struct mac *mac, void *arg), void *arg);
void addresses_clear(struct addresses *set);

#endif
