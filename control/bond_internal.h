/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bond_internal: what the work of a bond and its status share.
 */
#ifndef CONTROL_BOND_INTERNAL_H
#define CONTROL_BOND_INTERNAL_H

#include "control/bond.h"
#include "control/bond_members.h"
#include "control/lacp.h"
#include "datapath/punt.h"
#include "datapath/xdp/addresses.h"
#include "lib/clock.h"

struct event;
struct announce;

/* Each member has its place as long as the bond lists it. */
struct bond_place {
	char name[CONFIG_NAME_SIZE]; /* "" = free */
	struct live_port *p;         /* NULL = there is no such port at the moment */
	struct mac mac;              /* of the interface; zero = not known */
	bool up;
	bool receives, sends;  /* as the datapath was told */
	unsigned mtu, accepts; /* when it was told */
	uint64_t markers;
};

struct bond {
	struct bond *next;
	struct port_config config;
	struct event_base *loop;
	struct port *port;
	struct bond_place places[BOND_MEMBERS_MAX];
	struct addresses addresses; /* behind the other ports of the bridge */
	struct lacp *lacp;          /* NULL = off, or no member is there yet */
	struct event *timer;
	struct announce *announce;
	int active; /* of active-backup, the place in use or used last; -1 = none yet */
	bool up;
	struct mac partner; /* LACP's, of the last aggregate used */
	uint64_t failovers;
};

static inline uint64_t
bond_now_ms(void)
{
	return clock_ns() / 1000000;
}

/* What the members are like at this moment becomes what the bond is like. */
void bond_update(struct bond *b, bool members_changed);
/* The bond that the port is a member of; NULL = it is none. */
struct bond *bond_of_member(const struct port *port, unsigned *place);

/* The system is known by this address, of the first member that has one; zero = any.  -EIO, -ENOMEM. */
int bond_lacp_start(struct bond *b, const struct mac *system);
/* A frame of a slow protocol, from whoever is at the other end of a member's cable. */
void bond_on_slow(void *arg, struct port *port, const struct punted *punted);

#endif
