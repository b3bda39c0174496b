/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lines: JSON texts over a stream socket, one per line, both ways: QMP, JSON-RPC, and the line
 * between a command and the supervisor that it started.
 *
 * A line of more than LINES_MAX bytes, one that is no JSON object, and more than LINES_MAX bytes that
 * the other end does not read end the connection.
 *
 * Threads: that of the event loop.
 */
#ifndef LAUNCHER_LINES_H
#define LAUNCHER_LINES_H

#include <jansson.h>

#define LINES_MAX ((size_t)4 << 20)

struct event_base;
struct lines;

struct lines_handler {
	void (*message)(void *arg, json_t *message); /* borrowed */
	void (*end)(void *arg);                      /* the connection is over; destroy it */
	void *arg;
};

/* Takes the descriptor, also on failure.  NULL when memory is short. */
struct lines *lines_create(struct event_base *loop, int fd, const struct lines_handler *handler);
/* Takes the reference; NULL is fine.  Never waits. */
void lines_send(struct lines *lines, json_t *message);
/* What was sent has left to the kernel, or the other end is gone: waits for that, so many
 * milliseconds at most. */
void lines_flush(struct lines *lines, unsigned ms);
/* Handles what has arrived already, without the event loop. */
void lines_read_rest(struct lines *lines);
/* May be called by the handler.  NULL is fine. */
void lines_destroy(struct lines *lines);

#endif
