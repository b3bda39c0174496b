/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_types: what the control thread can do with each type of port.  A new type is a row here, one
 * in PORT_TYPE_LIST and its keys in api/keys.c.
 */
#ifndef CONTROL_PORT_TYPES_H
#define CONTROL_PORT_TYPES_H

#include <jansson.h>

#include "api/config.h"
#include "datapath/datapath.h"
#include "lib/err.h"
#include "lib/needs.h"
#include "vhost/handover.h"
#include "vhost/vhost.h"

struct event_base;

/* How a port is, for `port show`. */
struct port_state {
	bool up;
	char reason[192];  /* why it is not up, or why a queue of it stands still */
	unsigned queues;   /* queue pairs in use */
	struct mac mac;    /* of the other end; zero = not known */
	unsigned mtu;      /* 0 = not known */
	json_t *detail;    /* members of the type's own, or NULL; the caller's reference */
	const char *title; /* the member under which detail is shown */
};

/* From one process to the next, without the other end noticing: vhost/handover.h. */
struct port_handover {
	void (*hold)(struct port *port, bool senders);
	int (*export)(struct port *port, handover_put put, void *arg);
	void (*resume)(struct port *port, bool senders);
	void (*abandon)(struct port *port);
	int (*import)(struct port *port, struct handover_item *item, struct err *err);
	int (*adopt)(struct port *port, struct err *err);
	void (*mute)(struct port *port, bool on); /* after open: control/rejoin.h */
};

struct port_kind {
	const char *name;
	int profile; /* PROFILE_..., when a port does not say */
	/* Life cycle as in datapath/port.h; open and close may be NULL. */
	int (*create)(struct event_base *loop, const struct port_config *config, struct port **port,
		struct err *err);
	int (*open)(struct port *port, struct err *err);
	/* Keys of the type's own that may change while it works; NULL: there are none. */
	int (*set)(struct port *port, const struct port_config *config, struct err *err);
	void (*close)(struct port *port);
	/* Before close, when another daemon opens it next; NULL: no difference. */
	void (*leave)(struct port *port);
	void (*broken)(struct port *port, unsigned queue, unsigned reason);
	void (*check)(
		struct port *port, vhost_stall_cb tell, void *arg); /* once a second, or NULL */
	void (*status)(const struct port *port, struct port_state *state);
	/* NULL: it has one when it has transmit queues, and tells bonds_port_changed() of changes. */
	bool (*has_link)(const struct port *port);
	const struct port_handover *handover; /* NULL = closed here, then opened there */
	const struct needs *needs;            /* while the daemon runs; NULL = nothing of its own */
};

/* By enum port_type. */
const struct port_kind *port_kind(int type);

/* PROFILE_OPEN, PROFILE_VM or PROFILE_TENANT. */
int port_profile(const struct port_config *config);

/* The lock in force: IP_LOCK_OFF, IP_LOCK_LIST, IP_LOCK_DHCP. */
int port_ip_lock(const struct port_config *config);

/* The datapath's settings for a port on a bridge (-1 = none), guards of its profile included. */
void port_resolve(const struct port_config *config, int bridge, struct port_settings *settings);

#endif
