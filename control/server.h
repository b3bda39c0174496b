/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server: the control socket: many clients, each with lines of requests, none waiting for another.
 *
 * One request of one client is done per turn of the event loop.  A client that leaves a line
 * unfinished, or does not read its answers, for SERVER_PATIENCE_S is disconnected; while an answer
 * waits to be read, further requests of that client wait, too.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#include "control/rpc.h"
#include "lib/unix_socket.h"

#define SERVER_CLIENTS_MAX 64
#define SERVER_PATIENCE_S  10
#define SERVER_BACKLOG_MAX (1u << 20)  /* bytes of unread answers while requests are still taken */
#define SERVER_INPUT_MAX   (32u << 20) /* bytes of unfinished lines of all clients */

struct event_base;
struct server;

struct server_options {
	struct event_base *loop;
	const struct unix_socket *listener; /* borrowed */
	struct rpc_handler handler;
	gid_t group;          /* its members may change things, beside root and our own uid */
	gid_t read_group;     /* its members may look; (gid_t)-1 = whoever connects may */
	size_t line_max;      /* bytes of a request */
	unsigned patience_ms; /* 0 = SERVER_PATIENCE_S */
};

/* -ENOMEM. */
int server_create(struct server **server, const struct server_options *options, struct err *err);
/* Disconnects all clients; what they have not read is lost. */
void server_destroy(struct server *server);

/* Requests wait, and so do new clients, until it goes on; answers are still sent. */
void server_pause(struct server *server, bool on);

unsigned server_clients(const struct server *server);

#endif
