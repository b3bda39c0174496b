/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the guest prints what it likes, as fast as it likes, and may never read; so may
 * clients, which are the user's own.  All buffers are bounded, bytes are never interpreted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "launcher/console_hub.h"
#include "lib/fd.h"

struct client {
	LIST_ENTRY(client) entry;
	struct console_hub *hub;
	struct bufferevent *stream;
};

struct console_hub {
	struct event_base *loop;
	struct unix_socket socket;
	struct evconnlistener *listener;
	LIST_HEAD(, client) clients;
	unsigned count;
	struct bufferevent *guest;
	char log_path[UNIX_SOCKET_PATH_SIZE];
	int log;
	size_t log_size;
	char recent[CONSOLE_REPLAY]; /* a ring: the last bytes that were printed */
	size_t recent_at;
	bool recent_full;
};

/* ---- the log ---- */

static void
log_begin(struct console_hub *h)
{
	char old[UNIX_SOCKET_PATH_SIZE + 4];

	snprintf(old, sizeof(old), "%s.1", h->log_path);
	/* What is there is of an earlier run, until this one has opened its own. */
	if (h->log < 0)
		unlink(old);
	else
		rename(h->log_path, old);
	fd_close(&h->log);
	h->log = open(h->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	h->log_size = 0;
}

static void
log_write_bytes(struct console_hub *h, const char *data, size_t size)
{
	if (h->log < 0)
		return;
	if (h->log_size + size > CONSOLE_LOG_MAX)
		log_begin(h);
	/* A log that cannot be written (no space) does not stop the console. */
	if (write(h->log, data, size) > 0)
		h->log_size += size;
}

static void
remember(struct console_hub *h, const char *data, size_t size)
{
	if (size > sizeof(h->recent)) {
		data += size - sizeof(h->recent);
		size = sizeof(h->recent);
	}
	for (size_t i = 0; i < size; i++) {
		h->recent[h->recent_at] = data[i];
		h->recent_at = (h->recent_at + 1) % sizeof(h->recent);
		h->recent_full |= h->recent_at == 0;
	}
}

/* ---- clients ---- */

static void
client_free(struct client *c)
{
	LIST_REMOVE(c, entry);
	c->hub->count--;
	bufferevent_free(c->stream);
	free(c);
}

static void
client_typed(struct bufferevent *stream, void *arg)
{
	struct client *c = arg;
	struct evbuffer *input = bufferevent_get_input(stream);
	struct bufferevent *guest = c->hub->guest;

	/* Without a guest, or while it reads nothing, what is typed is lost: nobody waits. */
	if (!guest ||
		evbuffer_get_length(bufferevent_get_output(guest)) + evbuffer_get_length(input) >
			CONSOLE_INPUT_MAX)
		evbuffer_drain(input, evbuffer_get_length(input));
	else
		bufferevent_write_buffer(guest, input);
}

static void
client_event(struct bufferevent *stream, short what, void *arg)
{
	client_free(arg);
}

static void
replay(struct console_hub *h, struct bufferevent *stream)
{
	if (h->recent_full)
		bufferevent_write(
			stream, h->recent + h->recent_at, sizeof(h->recent) - h->recent_at);
	bufferevent_write(stream, h->recent, h->recent_at);
}

int
console_hub_add(struct console_hub *h, int fd)
{
	struct client *c = h->count < CONSOLE_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c && fd_set_nonblocking(fd) == 0)
		c->stream = bufferevent_socket_new(h->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->stream) {
		free(c);
		close(fd);
		return -ENOMEM;
	}
	c->hub = h;
	h->count++;
	LIST_INSERT_HEAD(&h->clients, c, entry);
	bufferevent_setcb(c->stream, client_typed, NULL, client_event, c);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
	replay(h, c->stream);
	return 0;
}

static void
on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
	int length, void *arg)
{
	console_hub_add(arg, fd);
}

/* ---- the guest ---- */

static void
print(struct console_hub *h, const char *data, size_t size)
{
	struct client *c;

	log_write_bytes(h, data, size);
	remember(h, data, size);
	LIST_FOREACH (c, &h->clients, entry)
		if (evbuffer_get_length(bufferevent_get_output(c->stream)) + size <=
			CONSOLE_CLIENT_MAX)
			bufferevent_write(c->stream, data, size);
}

static void
guest_printed(struct bufferevent *stream, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(stream);
	char data[4096];
	int n;

	while ((n = evbuffer_remove(input, data, sizeof(data))) > 0)
		print(arg, data, (size_t)n);
}

static void
guest_event(struct bufferevent *stream, short what, void *arg)
{
	struct console_hub *h = arg;

	guest_printed(stream, h);
	bufferevent_free(h->guest);
	h->guest = NULL;
}

int
console_hub_attach(struct console_hub *h, int guest)
{
	if (h->guest)
		bufferevent_free(h->guest);
	h->guest = fd_set_nonblocking(guest) == 0
			   ? bufferevent_socket_new(h->loop, guest, BEV_OPT_CLOSE_ON_FREE)
			   : NULL;
	if (!h->guest) {
		close(guest);
		return -ENOMEM;
	}
	bufferevent_setcb(h->guest, guest_printed, NULL, guest_event, h);
	bufferevent_enable(h->guest, EV_READ | EV_WRITE);
	return 0;
}

/* ---- life ---- */

static int
listen_on(struct console_hub *h, const char *path, struct err *err)
{
	const struct unix_socket_options options = {
		.path = path, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
	int r = unix_socket_listen(&h->socket, &options, err);

	if (r)
		return r;
	h->listener = evconnlistener_new(
		h->loop, on_connection, h, LEV_OPT_CLOSE_ON_EXEC, 0, h->socket.fd);
	return h->listener ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int
console_hub_create(struct console_hub **hub, struct event_base *loop, const char *path,
	const char *log, struct err *err)
{
	struct console_hub *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->loop = loop;
	h->log = -1;
	h->socket.fd = -1;
	LIST_INIT(&h->clients);
	r = listen_on(h, path, err);
	if (r) {
		console_hub_destroy(h);
		return r;
	}
	snprintf(h->log_path, sizeof(h->log_path), "%s", log);
	if (log[0])
		log_begin(h);
	*hub = h;
	return 0;
}

void
console_hub_finish(struct console_hub *h)
{
	struct client *c;

	if (h->guest) {
		char data[4096];
		ssize_t n;

		/* The event loop may not have seen the last words. */
		guest_printed(h->guest, h);
		while ((n = read(bufferevent_getfd(h->guest), data, sizeof(data))) > 0)
			print(h, data, (size_t)n);
		bufferevent_free(h->guest);
		h->guest = NULL;
	}
	while ((c = LIST_FIRST(&h->clients))) {
		struct evbuffer *output = bufferevent_get_output(c->stream);

		evbuffer_unfreeze(output, 1);
		evbuffer_write(output, bufferevent_getfd(c->stream));
		client_free(c);
	}
}

void
console_hub_destroy(struct console_hub *h)
{
	if (!h)
		return;
	console_hub_finish(h);
	if (h->listener)
		evconnlistener_free(h->listener);
	unix_socket_close(&h->socket);
	fd_close(&h->log);
	free(h);
}
