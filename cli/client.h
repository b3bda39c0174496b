/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client: one conversation with the daemon over its control socket: JSON-RPC 2.0, one JSON text per
 * line (docs/protocol.md).  Nothing in here waits longer than the time-out that was given.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/err.h"
#include "lib/fd_pass.h"

struct client {
	int fd;           /* -1 = closed */
	const char *peer; /* what errors call the other end: "patchbayd" */
	unsigned timeout_ms;
	const volatile sig_atomic_t *stopped; /* set by a signal to end a wait early; may be NULL */
	int64_t last_id;
	char *buffer; /* received and not yet used */
	size_t used, size;
	int fds[FD_PASS_MAX]; /* descriptors that came along; closed with the client */
	size_t fd_count;
};

/*
 * Connects.  socket NULL: $PATCHBAY_SOCKET, or the socket of this user's daemon, or the system's.
 * On failure the client is closed and the text says what to do.
 */
int client_open(struct client *client, const char *socket, unsigned timeout_ms, struct err *err);

/* Connects to somebody else who speaks as the daemon does. */
int client_open_peer(struct client *client, const char *socket, const char *peer,
	unsigned timeout_ms, struct err *err);

/*
 * One request (params borrowed, may be NULL) and its result (a new reference).  -EREMOTEIO: the
 * daemon refused, with its own sentence; anything else: the conversation failed and is over.
 */
int client_call(struct client *client, const char *method, json_t *params, json_t **result,
	struct err *err);

/* Idempotent. */
void client_close(struct client *client);

#endif
