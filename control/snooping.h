/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snooping: the multicast memberships of the bridges that run: what workers show is heard, what came
 * of it is given back to them, queries are sent where a bridge is to ask itself.
 *
 * A change is published at once when the last one is SNOOPING_PAUSE_MS ago, else at that time: who
 * joins and leaves all the time costs a few tables a second.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_SNOOPING_H
#define CONTROL_SNOOPING_H

#include "control/mcast.h"

#define SNOOPING_PAUSE_MS 50

struct event_base;
struct live;
struct port;

/* -ENOMEM. */
int snooping_start(struct live *live, struct event_base *loop);
void snooping_stop(void);

/* -ENOMEM. */
int snooping_set(unsigned bridge, const struct mcast_settings *settings);
/* The port is about to be deleted. */
void snooping_forget(const struct port *port);
/* Once a second: ageing, queries. */
void snooping_tick(void);

/* NULL when the bridge does not snoop.  What is found there workers know, too. */
const struct mcast *snooping_bridge(unsigned bridge);

#endif
