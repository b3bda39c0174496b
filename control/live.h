/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * live: the bridges and ports that really exist, by name.
 *
 * The one place that turns a configuration into datapath objects and back into nothing; it is driven
 * by the steps of a plan (control/plan.h) only.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_LIVE_H
#define CONTROL_LIVE_H

#include <sys/queue.h>

#include "control/lease.h"
#include "control/plan.h"
#include "datapath/datapath.h"

struct event;
struct event_base;
struct port_kind;

struct live_port {
	char name[CONFIG_NAME_SIZE]; /* "" = free */
	const struct port_kind *type;
	struct port *port; /* owned */
	bool withdrawn;    /* closed, for an uplink has no link: control/link_follow.h */
	struct port_settings settings; /* as configured */
	struct lease_list leases;      /* beside them (control/lease.h) */
	unsigned
		had_pairs; /* queue pairs that it could be sent to before a crash, until it is back */
};

struct live_bridge {
	char name[CONFIG_NAME_SIZE]; /* "" = free */
	unsigned bridge;             /* the datapath's number */
};

struct live_filter;
struct live_set;
struct live_mirror;

struct live {
	struct event_base *loop;
	unsigned port_types; /* bits 1 << PORT_TYPE_...; ports of other types are refused */
	bool adopting;       /* ports that can be handed over are added without being opened */
	struct event *lease_second;
	struct live_bridge bridges[BRIDGE_MAX]; /* by the datapath's number */
	struct live_port ports[PORT_MAX];       /* by the datapath's index */
	/* By name, also of ports that are yet to be added (control/live_filter.h). */
	LIST_HEAD(, live_filter) filters;
	LIST_HEAD(, live_set) sets;
	LIST_HEAD(, live_mirror) mirrors;
};

/* The datapath must have been started.  port_types: see struct live.  -ENOMEM. */
int live_create(struct live **live, struct event_base *loop, unsigned port_types);
/* Ends all ports and bridges that are left. */
void live_destroy(struct live *live);

/* apply_ops.perform: one step or nothing. */
int live_perform(struct live *live, const struct step *step, struct err *err);

/* ---- from one process to the next: control/takeover.h ---- */

/* The ports that can be handed over stand still, with nothing on its way to them. */
void live_hold(struct live *live);
/* They go on. */
void live_resume(struct live *live);
/* They are another process's; the other ports are closed. */
void live_abandon(struct live *live);
/* They are ours and begin; one that fails is logged. */
void live_adopt(struct live *live);

/* NULL when there is none. */
struct live_port *live_port(struct live *live, const char *name);
struct live_bridge *live_bridge(struct live *live, const char *name);

#endif
