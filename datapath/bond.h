/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bond: several ports that are one port of a bridge.
 *
 * The bond is a port like any other, with its own place on a bridge, VLANs and guards.  Its members
 * are ports without a bridge: what they receive enters the bridge as the bond's, and what is for the
 * bond leaves by one of them.  A flow has a bucket (the hash of its addresses and ports), and each
 * bucket a member: frames of a flow keep their order, and keep their member as long as it sends.
 *
 * Members count what passes them, the bond what passes all of them: a frame that a member received
 * and that enters the bridge is `rx_forwarded` there.
 *
 * Threads: the control thread, but for what is marked "worker".
 */
#ifndef DATAPATH_BOND_H
#define DATAPATH_BOND_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/port.h"
#include "lib/err.h"

#define BOND_MEMBERS_MAX 8
#define BOND_BUCKETS     256

/* What of a frame chooses its bucket: the addresses of layer 2, and those above it as well. */
enum bond_hash { BOND_HASH_LAYER2, BOND_HASH_LAYER3, BOND_HASH_LAYER4 };

struct bond_member {
	struct port *port; /* published, on no bridge, of no other bond */
	bool receives;     /* its frames enter the bridge; else they are dropped as BOND_STANDBY */
	bool sends;
};

struct bond_settings {
	unsigned count;
	struct bond_member members[BOND_MEMBERS_MAX];
	enum bond_hash hash;
	bool lacp; /* LACPDUs and markers of members are shown to the control thread (PUNT_SLOW) */
};

/*
 * Step 1 of the port contract (datapath/port.h), without members.  neighbour: called with `owner` for
 * the operation of that name, which see; ended: when the port is destroyed.
 */
struct bond_options {
	const char *name;
	void *owner;
	void (*neighbour)(void *owner, const struct mac *mac, unsigned vlan, bool present);
	void (*ended)(void *owner);
};
int bond_create(const struct bond_options *options, struct port **port, struct err *err);
void *bond_owner(const struct port *port);

/*
 * Replaces the members of a published bond; on success no worker uses those before.  A member must
 * be taken out before datapath_port_del() of it.  -ENOMEM: nothing was changed.
 */
int datapath_bond_set(struct port *bond, const struct bond_settings *settings, struct err *err);

/* Gives each bucket a member that sends, changing as few as possible and as evenly as possible. */
void bond_spread(uint8_t bucket[BOND_BUCKETS], const bool sends[BOND_MEMBERS_MAX], unsigned count);

/* ---- inside the datapath folder ---- */

struct worker;
struct snapshot_port;

/*
 * worker: the burst of a member.  Takes out of it what is not for the bridge; returns the bond, whose
 * frames the others are.
 */
const struct snapshot_port *bond_receive(
	struct worker *w, const struct snapshot_port *in, struct port_counters *counters);

/* worker: which member sends a frame, an index into snapshot_bond's members. */
struct frame;
struct snapshot_bond;
unsigned bond_choose(const struct snapshot_bond *bond, const struct frame *f);

#endif
