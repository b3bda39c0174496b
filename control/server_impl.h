/* SPDX-License-Identifier: BSD-3-Clause */
/* server_impl: the server and its clients, for server.c and server_client.c. */
#ifndef CONTROL_SERVER_IMPL_H
#define CONTROL_SERVER_IMPL_H

#include <stdbool.h>
#include <sys/queue.h>

#include "control/server.h"

struct event;

struct client {
	LIST_ENTRY(client) link;
	struct server *server;
	int fd;
	bool closing;         /* when the answers are read */
	struct rpc_peer peer; /* its descriptors are on their way with `out` */
	pid_t pid;
	struct event *readable, *writable, *patience;
	/* Received, not yet done: in[in_start..in_end), searched for a newline up to in_seen. */
	char *in;
	size_t in_start, in_end, in_seen, in_room;
	char *out; /* answers not yet sent: out[out_sent..out_size) */
	size_t out_size, out_sent;
};

struct server {
	struct server_options options;
	struct event *acceptable, *retry;
	LIST_HEAD(, client) clients;
	unsigned client_count;
	bool paused;
	size_t input; /* sum of in_room */
};

/* May whoever is at the other end talk to us at all? */
bool client_is_welcome(const struct server *server, int fd);
/* Takes over a connection; closed on failure.  -ENOMEM. */
int client_create(struct server *server, int fd);
/* Ends it. */
void client_free(struct client *client);
/* Waits for the end of a line, for the reader of an answer, or for nothing. */
void client_watch(struct client *client);

#endif
