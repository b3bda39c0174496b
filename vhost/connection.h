/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection: one front end on the event loop: reads its messages as they come and has the back end
 * serve them.
 *
 * Threat model: the front end may be silent, slow or talkative.  Nothing here waits for it.  A
 * message that is not whole VHOST_MESSAGE_MS after its first byte, and a first message that is not
 * whole that long after the connection began, end the connection; between messages it may be silent
 * for ever.  At most MESSAGES_PER_TURN messages are served before the other descriptors of the loop
 * have their turn.
 *
 * Threads: the control thread.
 */
#ifndef VHOST_CONNECTION_H
#define VHOST_CONNECTION_H

#include <stdbool.h>

#include "vhost/backend.h"
#include "vhost/message.h"

struct event;
struct event_base;

struct connection_events {
	/* Messages were served: rings may run or have stopped. */
	void (*served)(void *arg);
	/* A request was refused and answered so; the connection stays. */
	void (*refused)(void *arg, const char *why);
	/*
	 * The connection is over and closed; the back end has forgotten the front end.  `by_us`: the
	 * front end broke the rules or did not answer.  Not called by connection_close().
	 */
	void (*closed)(void *arg, bool by_us, const char *why);
};

struct connection {
	int fd; /* -1 = none */
	struct backend *backend;
	struct event *readable, *deadline;
	bool deadline_set;
	struct message_reader reader;
	const struct connection_events *events;
	void *arg;
};

/* No front end. */
void connection_init(struct connection *c);

/* Takes fd, a non-blocking socket, also when it fails: -ENOMEM. */
int connection_open(struct connection *c, struct event_base *loop, int fd, struct backend *backend,
	const struct connection_events *events, void *arg);

/* Ends it without telling anybody; idempotent. */
void connection_close(struct connection *c);
/* Ends an open connection for a reason of ours; `closed` is called. */
void connection_fail(struct connection *c, const char *why);

/* The first message may take as long as it likes: we came to the front end, and keep nobody out. */
void connection_await_first(struct connection *c);

/* Messages wait unread, and no deadline runs, until it is resumed. */
void connection_pause(struct connection *c);
void connection_resume(struct connection *c);
/* A request that a process before this one has served; after an error the connection is closed. */
int connection_import(struct connection *c, struct message_reader *request, struct err *err);

static inline bool
connection_is_open(const struct connection *c)
{
	return c->fd >= 0;
}

/* The front end has gone, whether its last words were read or not. */
bool connection_peer_gone(const struct connection *c);

#endif
