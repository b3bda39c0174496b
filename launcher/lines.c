/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "launcher/lines.h"
#include "lib/clock.h"
#include "lib/fd.h"

struct lines {
	struct bufferevent *stream;
	struct lines_handler handler;
	bool busy, destroyed, ended;
};

static void
lines_free(struct lines *l)
{
	bufferevent_free(l->stream);
	free(l);
}

/* Once. */
static void
end(struct lines *l)
{
	if (l->ended)
		return;
	l->ended = true;
	bufferevent_disable(l->stream, EV_READ | EV_WRITE);
	l->handler.end(l->handler.arg);
}

static void
take_lines(struct lines *l)
{
	struct evbuffer *input = bufferevent_get_input(l->stream);

	while (!l->destroyed && !l->ended) {
		size_t length;
		char *line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF);
		json_t *message;

		if (!line)
			break;
		message = json_loadb(line, length, 0, NULL);
		free(line);
		if (json_is_object(message))
			l->handler.message(l->handler.arg, message);
		else
			end(l);
		json_decref(message);
	}
	if (!l->destroyed && evbuffer_get_length(input) >= LINES_MAX)
		end(l);
}

static void
on_read(struct bufferevent *stream, void *arg)
{
	struct lines *l = arg;

	l->busy = true;
	take_lines(l);
	l->busy = false;
	if (l->destroyed)
		lines_free(l);
}

static void
on_event(struct bufferevent *stream, short what, void *arg)
{
	struct lines *l = arg;

	l->busy = true;
	/* What came before the end counts. */
	take_lines(l);
	if (!l->destroyed)
		end(l);
	l->busy = false;
	if (l->destroyed)
		lines_free(l);
}

struct lines *
lines_create(struct event_base *loop, int fd, const struct lines_handler *handler)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (l && fd_set_nonblocking(fd) == 0)
		l->stream = bufferevent_socket_new(loop, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!l || !l->stream) {
		free(l);
		close(fd);
		return NULL;
	}
	l->handler = *handler;
	bufferevent_setcb(l->stream, on_read, NULL, on_event, l);
	bufferevent_setwatermark(l->stream, EV_READ, 0, LINES_MAX);
	bufferevent_enable(l->stream, EV_READ | EV_WRITE);
	return l;
}

void
lines_send(struct lines *l, json_t *message)
{
	char *text = l && !l->ended ? json_dumps(message, JSON_COMPACT) : NULL;

	if (text && evbuffer_get_length(bufferevent_get_output(l->stream)) < LINES_MAX)
		evbuffer_add_printf(bufferevent_get_output(l->stream), "%s\n", text);
	free(text);
	json_decref(message);
}

void
lines_flush(struct lines *l, unsigned ms)
{
	struct evbuffer *output = l ? bufferevent_get_output(l->stream) : NULL;
	uint64_t deadline = clock_ns() + (uint64_t)ms * 1000000;

	while (l && evbuffer_get_length(output) > 0) {
		struct pollfd p = {.fd = bufferevent_getfd(l->stream), .events = POLLOUT};
		uint64_t now = clock_ns();

		/* The event loop does not run here. */
		evbuffer_unfreeze(output, 1);
		if (evbuffer_write(output, p.fd) < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (evbuffer_get_length(output) == 0 || now >= deadline ||
			poll(&p, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
			return;
	}
}

void
lines_read_rest(struct lines *l)
{
	struct evbuffer *input = l ? bufferevent_get_input(l->stream) : NULL;

	if (!l || l->ended)
		return;
	evbuffer_unfreeze(input, 0);
	while (evbuffer_get_length(input) < LINES_MAX &&
		evbuffer_read(input, bufferevent_getfd(l->stream), -1) > 0)
		;
	evbuffer_freeze(input, 0);
	on_read(l->stream, l);
}

void
lines_destroy(struct lines *l)
{
	if (!l)
		return;
	l->destroyed = true;
	if (!l->busy)
		lines_free(l);
}
