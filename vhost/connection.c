/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/fault.h"
#include "lib/fd.h"
#include "vhost/connection.h"
#include "vhost/vhost.h"

#define MESSAGES_PER_TURN 32

void
connection_init(struct connection *c)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	message_reader_init(&c->reader);
}

void
connection_close(struct connection *c)
{
	if (c->readable)
		event_free(c->readable);
	if (c->deadline)
		event_free(c->deadline);
	message_reader_reset(&c->reader);
	if (c->fd >= 0)
		backend_disconnect(c->backend);
	fd_close(&c->fd);
	connection_init(c);
}

static void
connection_end(struct connection *c, bool by_us, const char *why)
{
	const struct connection_events *events = c->events;
	void *arg = c->arg;

	connection_close(c);
	events->closed(arg, by_us, why);
}

/* Runs from the first byte of a message to its last. */
static void
deadline_update(struct connection *c)
{
	static const struct timeval allowed = {
		VHOST_MESSAGE_MS / 1000, VHOST_MESSAGE_MS % 1000 * 1000};
	bool wanted = message_reader_partial(&c->reader);

	if (wanted == c->deadline_set)
		return;
	if (wanted)
		event_add(c->deadline, &allowed);
	else
		event_del(c->deadline);
	c->deadline_set = wanted;
}

static void
connection_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	char why[80];

	snprintf(why, sizeof(why), "%s for %d ms",
		c->reader.have ? "half a message and silence" : "connected and silent",
		VHOST_MESSAGE_MS);
	connection_end(c, true, why);
}

/*
 * Requests look at guest memory (indexes of a ring that starts, the inflight region), which can be
 * gone by then.  A request left half way ends the connection, and with it all that it had begun.
 */
static int
serve_guarded(struct connection *c, struct err *err)
{
	struct fault_guard guard = {0};
	int rc;

	if (FAULT_CAUGHT(&guard))
		return err_set(err, -EFAULT, "%s", vring_broken_text(VRING_BROKEN_MEMORY));
	rc = backend_serve(c->backend, c->fd, &c->reader, err);
	fault_end(&guard);
	return rc;
}

/* 1: served one.  0: no more there.  Negative: it ends. */
static int
message_serve(struct connection *c, struct err *err)
{
	int rc = message_read(c->fd, &c->reader, err);

	if (rc <= 0)
		return rc;
	rc = serve_guarded(c, err);
	message_reader_reset(&c->reader);
	if (rc > 0)
		c->events->refused(c->arg, err->text);
	return rc < 0 ? rc : 1;
}

static void
connection_readable(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	struct err err = {0};
	unsigned served = 0;
	int rc;

	do
		rc = message_serve(c, &err);
	while (rc > 0 && ++served < MESSAGES_PER_TURN);
	if (rc < 0) {
		bool by_us = rc != -ENODATA && rc != -ECONNRESET && rc != -EPIPE;

		connection_end(c, by_us, err.text);
		return;
	}
	if (served && c->deadline_set) {
		event_del(c->deadline);
		c->deadline_set = false;
	}
	/* The first message has a deadline before its first byte. */
	if (served || message_reader_partial(&c->reader))
		deadline_update(c);
	if (served)
		c->events->served(c->arg);
}

void
connection_fail(struct connection *c, const char *why)
{
	connection_end(c, true, why);
}

int
connection_open(struct connection *c, struct event_base *loop, int fd, struct backend *backend,
	const struct connection_events *events, void *arg)
{
	static const struct timeval allowed = {
		VHOST_MESSAGE_MS / 1000, VHOST_MESSAGE_MS % 1000 * 1000};

	connection_init(c);
	c->fd = fd;
	c->backend = backend;
	c->events = events;
	c->arg = arg;
	c->readable = event_new(loop, fd, EV_READ | EV_PERSIST, connection_readable, c);
	c->deadline = evtimer_new(loop, connection_deadline, c);
	c->deadline_set = true;
	if (!c->readable || !c->deadline || event_add(c->readable, NULL) ||
		event_add(c->deadline, &allowed)) {
		connection_close(c);
		return -ENOMEM;
	}
	return 0;
}

void
connection_await_first(struct connection *c)
{
	event_del(c->deadline);
	c->deadline_set = false;
}

void
connection_pause(struct connection *c)
{
	if (!connection_is_open(c))
		return;
	event_del(c->readable);
	event_del(c->deadline);
	c->deadline_set = false;
}

void
connection_resume(struct connection *c)
{
	if (!connection_is_open(c))
		return;
	event_add(c->readable, NULL);
	deadline_update(c);
}

int
connection_import(struct connection *c, struct message_reader *request, struct err *err)
{
	struct fault_guard guard = {0};
	int rc;

	if (FAULT_CAUGHT(&guard)) {
		rc = err_set(err, -EFAULT, "%s", vring_broken_text(VRING_BROKEN_MEMORY));
	} else {
		rc = backend_import(c->backend, request, err);
		fault_end(&guard);
	}
	if (rc)
		connection_close(c);
	return rc;
}

bool
connection_peer_gone(const struct connection *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
