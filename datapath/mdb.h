/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mdb: which ports of a bridge want which multicast groups; an immutable table that workers look into
 * (IEEE 802.1Q group filtering, made by snooping: RFC 4541).
 *
 * Groups are told apart by their Ethernet address: IP groups that share one share their ports.
 *
 * Threads: built by the control thread, published by datapath_bridge_groups(), read by workers.
 */
#ifndef DATAPATH_MDB_H
#define DATAPATH_MDB_H

#include "datapath/fdb.h"

/* One membership; the builder gets any number of them in any order, and more than once. */
struct mdb_member {
	fdb_key key; /* the group's address and VLAN, or mdb_router_key() */
	uint16_t port;
};

struct mdb_entry {
	fdb_key key;           /* 0 = free */
	uint32_t first, count; /* of `ports` */
};

struct mdb {
	bool flood; /* what nobody has asked for goes to all; else to routers */
	uint32_t mask;
	uint16_t *ports;
	struct mdb_entry entries[];
};

/* Under this key stand the ports of a VLAN behind which there are multicast routers. */
static inline fdb_key
mdb_router_key(unsigned vlan)
{
	static const uint8_t router[MAC_LEN] = {0x01};

	return fdb_make_key(router, vlan);
}

/* Sorts `members`; ports of a VLAN's routers are added to each of its groups.  NULL = no memory. */
struct mdb *mdb_build(struct mdb_member *members, unsigned count, bool flood);
void mdb_free(struct mdb *mdb); /* NULL is fine */

/* worker: NULL when there is no such entry. */
static inline const struct mdb_entry *
mdb_find(const struct mdb *mdb, fdb_key key)
{
	uint32_t at = (uint32_t)(fdb_mix(key, UINT64_C(0x9e3779b97f4a7c15)));

	/* At most half full: there is always a free place. */
	for (at &= mdb->mask; mdb->entries[at].key; at = (at + 1) & mdb->mask)
		if (mdb->entries[at].key == key)
			return &mdb->entries[at];
	return NULL;
}

#endif
