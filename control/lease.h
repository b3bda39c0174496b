/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: addresses that DHCP servers have granted the other ends of ports with ip_lock=dhcp.
 *
 * Workers bring copies of servers' answers that go to such a port (datapath/punt.h).  What an answer
 * grants to an address of the port (`mac`, `macs`) may be used by it from then on, until it expires,
 * is granted to another port of the bridge, or the port changes its addresses or its bridge.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_LEASE_H
#define CONTROL_LEASE_H

#include <jansson.h>

#include "datapath/datapath.h"

#define LEASES_MAX 16 /* of a port */

struct live;
struct live_port;

struct lease {
	struct ip_prefix prefix;
	uint64_t until_ns; /* clock_ns(); UINT64_MAX = for ever */
};

struct lease_list {
	unsigned count;
	struct lease leases[LEASES_MAX];
};

/* From here on leases are learnt for the ports of live.  -ENOMEM. */
int lease_start(struct live *live);
void lease_stop(struct live *live);

/*
 * A port is about to get these settings: adds its leases to the addresses, or forgets those that do
 * not hold any longer.
 */
void lease_apply(struct live_port *port, struct port_settings *settings);

/* [{"address", "expires": seconds from now, null = never}]; NULL when there is none. */
json_t *lease_show(const struct live_port *port);
/* Gives a port what lease_show() said of it, NULL = nothing; what cannot be is left out. */
void lease_restore(struct live *live, struct live_port *port, const json_t *rows);

#endif
