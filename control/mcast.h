/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcast: which ports of a bridge want which multicast groups, learnt from IGMP and MLD (RFC 4541).
 *
 * A port is a member of a group from the time it reports it until it leaves, or has been silent for
 * the ageing time; a port by which a query comes leads to a router and gets everything.  Memberships
 * of a bridge and of a port are bounded: who asks for more is told no by an event, and what he asked
 * for reaches him only if unregistered groups are flooded.
 *
 * Threads: the control thread.  Times are clock_ns().
 */
#ifndef CONTROL_MCAST_H
#define CONTROL_MCAST_H

#include "control/mcast_message.h"
#include "datapath/mdb.h"

#define MCAST_MEMBERS_MAX      8192 /* memberships of a bridge */
#define MCAST_PORT_MEMBERS_MAX 256
#define MCAST_LEAVE_S          2 /* a member that left and does not say otherwise is gone after it */
#define MCAST_QUERY_S          125 /* between our queries */
#define MCAST_QUERY_START_S    5   /* between the first ones */
#define MCAST_QUERY_STARTS     3
#define MCAST_OTHER_S          255 /* we are silent for so long after somebody else's query */

struct mcast_settings {
	bool snooping;
	bool flood;      /* groups that nobody asked for go to all */
	bool fast_leave; /* at once: one host per port */
	bool querier;
	uint32_t ageing_s;
};

/* A port's wish; a router's has the zero group. */
struct mcast_member {
	struct mcast_address group;
	uint16_t vlan;
	uint64_t expires;
};

struct mcast {
	struct mcast_settings settings;
	unsigned count; /* of all ports */
	struct {
		unsigned count;
		struct mcast_member *members; /* [MCAST_PORT_MEMBERS_MAX], NULL = none yet */
	} ports[PORT_MAX];
	bool changed;           /* since the table was made last */
	uint64_t next_query;    /* 0 = none was sent */
	unsigned queries;       /* sent since the querier was switched on */
	uint64_t other_querier; /* when somebody else's was heard; 0 = never */
};

/* The zero value is a bridge that does not snoop. */
void mcast_set(struct mcast *mcast, const struct mcast_settings *settings);
void mcast_clear(struct mcast *mcast);

/* False: the port or the bridge has too many memberships. */
bool mcast_hear(struct mcast *mcast, const struct mcast_message *message, unsigned port,
	unsigned vlan, uint64_t now);

void mcast_forget_port(struct mcast *mcast, unsigned port);
void mcast_age(struct mcast *mcast, uint64_t now);

/* Is it time to send a query? */
bool mcast_query_due(struct mcast *mcast, uint64_t now);

bool mcast_is_router(const struct mcast_member *member);

/* The table for the workers; NULL = no memory. */
struct mdb *mcast_table(const struct mcast *mcast);

#endif
