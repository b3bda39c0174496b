/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link_watch: what becomes of the host's network interfaces, told by the kernel (rtnetlink(7)).
 *
 * A watch is for a name: the interface may be missing when the watch begins, vanish, come back with
 * another number, be renamed away.  Changes that follow each other quickly are told as one, with
 * the last state; when the kernel had to drop messages, every watch looks for itself.
 *
 * Threads: the control thread; callbacks come from the event loop, never from inside these calls.
 */
#ifndef CONTROL_LINK_WATCH_H
#define CONTROL_LINK_WATCH_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/ethernet.h"
#include "lib/needs.h"

struct event_base;
struct link_watch;

struct link_state {
	int ifindex;  /* 0 = there is no such interface; the rest is zero then */
	bool up;      /* administratively (IFF_UP) */
	bool running; /* up, and the carrier is there */
	unsigned mtu;
	struct mac mac;
	unsigned rx_queues; /* that exist; not all of them need be in use */
	char kind[16];      /* "veth", "bond", ...; "" for hardware */
};

/* Asks the kernel now.  No such interface is not an error: ifindex is 0.  -errno with a text. */
int link_read(const char *name, struct link_state *state, struct err *err);

typedef void (*link_watch_cb)(const struct link_state *state, void *arg);

/* *state is what the watch starts from; the callback tells every difference to it. */
int link_watch_create(struct link_watch **watch, struct event_base *loop, const char *name,
	link_watch_cb changed, void *arg, struct link_state *state, struct err *err);
/* NULL is fine. */
void link_watch_destroy(struct link_watch *watch);

/* For interfaces of every kind. */
extern const struct needs link_watch_needs;

#endif
