/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_port: the inside of a vhost-user port: its two ways to get a front end (vhost_listen.c,
 * vhost_connect.c) hand every connection to vhost.c.
 *
 * Threads: the control thread.
 */
#ifndef VHOST_VHOST_PORT_H
#define VHOST_VHOST_PORT_H

#include "lib/unix_socket.h"
#include "vhost/backend.h"
#include "vhost/connection.h"
#include "vhost/path_watch.h"
#include "vhost/stall.h"
#include "vhost/vhost.h"

struct vhost_port {
	struct vhost_rings rings; /* first: struct port leads here */
	struct backend backend;
	struct connection connection;
	struct event_base *loop;
	bool client, open, broken, up;
	char path[UNIX_SOCKET_PATH_SIZE];
	struct unix_socket_options file; /* of the socket, server mode */
	char reason[160];
	uint64_t connections, errors, refused;

	/* Server mode: `retry` looks again after a failure; client mode: it connects again. */
	struct unix_socket listener;
	struct event *acceptable, *retry;
	struct path_watch *watch;
	unsigned retry_ms;     /* client mode: of the next attempt that fails */
	uint64_t connected_ns; /* client mode: when the last connection began */
	bool told;             /* the present failure was logged */

	/* vhost_stall.c */
	struct vhost_watch {
		struct stall stall;
		uint64_t cycles; /* of the worker */
		bool woken;      /* by us, the last time */
	} watch_ring[VHOST_RINGS_MAX];
	uint64_t no_buffer, too_small; /* drops, when last looked at */
};

/* Gives a connected socket to the port; it takes fd. */
void vhost_port_attach(struct vhost_port *vp, int fd);

/* The front end is gone and the back end has forgotten it: tells people and the datapath. */
void vhost_port_detached(struct vhost_port *vp, bool by_us, const char *why);

/* Stores why the port is not up. */
void vhost_port_reason(struct vhost_port *vp, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Server mode. */
int vhost_listen_open(struct vhost_port *vp, struct err *err);
void vhost_listen_close(struct vhost_port *vp);
/* With the listening socket of a process before this one, or a new one in its place. */
int vhost_listen_adopt(struct vhost_port *vp, struct err *err);

/* Client mode. */
int vhost_connect_open(struct vhost_port *vp, struct err *err);
void vhost_connect_close(struct vhost_port *vp);
/* With the connection of a process before this one, or looking for one. */
int vhost_connect_adopt(struct vhost_port *vp, struct err *err);
/* The connection ended: get the next one. */
void vhost_connect_again(struct vhost_port *vp);

#endif
