/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: a peer that may open the socket connects often, sends slowly, endlessly or nothing,
 * never reads, or goes away at any byte.  Number of clients, size of lines, memory of all lines
 * together, size and age of unread answers are bounded; nothing here blocks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/schema.h"
#include "control/server_impl.h"
#include "lib/fd.h"
#include "lib/fd_pass.h"
#include "lib/log.h"

#define READ_CHUNK  65536
#define INPUT_FIRST 4096

/* ---- life of a client ---- */

void
client_free(struct client *c)
{
	struct server *s = c->server;

	LIST_REMOVE(c, link);
	s->client_count--;
	s->input -= c->in_room;
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->patience)
		event_free(c->patience);
	close(c->fd);
	fds_close(c->peer.fds, c->peer.fd_count);
	if (c->peer.gone)
		c->peer.gone(c->peer.arg);
	free(c->in);
	free(c->out);
	free(c);
}

static void
log_end(const struct client *c, const char *why)
{
	log_debug("control client (pid %d) disconnected: %s", (int)c->pid, why);
}

void
client_watch(struct client *c)
{
	bool unread = c->out_size > c->out_sent, unfinished = c->in_end > c->in_start;
	unsigned ms = c->server->options.patience_ms;
	struct timeval patience = {ms / 1000, ms % 1000 * 1000};

	if (unread)
		event_add(c->writable, NULL);
	else
		event_del(c->writable);
	if (c->closing || c->server->paused || c->out_size - c->out_sent > SERVER_BACKLOG_MAX)
		event_del(c->readable);
	else
		event_add(c->readable, NULL);
	if (!unread && !unfinished)
		event_del(c->patience);
	else if (!event_pending(c->patience, EV_TIMEOUT, NULL))
		event_add(c->patience, &patience);
}

static void
patience_again(struct client *c)
{
	event_del(c->patience);
}

/* ---- answers ---- */

/* Sends what the socket takes.  False: the client is gone. */
static bool
client_send(struct client *c)
{
	while (c->out_sent < c->out_size) {
		ssize_t n = fd_pass_send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent,
			c->peer.fds, c->peer.fd_count);

		if (n == -EAGAIN)
			return true;
		if (n < 0) {
			log_end(c, strerror((int)-n));
			client_free(c);
			return false;
		}
		fds_close(c->peer.fds, c->peer.fd_count);
		c->peer.fd_count = 0;
		c->out_sent += (size_t)n;
		patience_again(c);
	}
	free(c->out);
	c->out = NULL;
	c->out_size = c->out_sent = 0;
	if (c->closing) {
		client_free(c);
		return false;
	}
	return true;
}

/* Takes over an answer.  False: the client is gone. */
static bool
client_answer(struct client *c, char *answer, size_t size)
{
	char *joined;

	if (c->out_size == c->out_sent) {
		free(c->out);
		c->out = answer;
		c->out_size = size;
		c->out_sent = 0;
		return client_send(c);
	}
	joined = malloc(c->out_size - c->out_sent + size);
	if (!joined) {
		free(answer);
		client_free(c);
		return false;
	}
	memcpy(joined, c->out + c->out_sent, c->out_size - c->out_sent);
	memcpy(joined + c->out_size - c->out_sent, answer, size);
	c->out_size = c->out_size - c->out_sent + size;
	c->out_sent = 0;
	free(c->out);
	free(answer);
	c->out = joined;
	return client_send(c);
}

static void
client_drop_input(struct client *c)
{
	c->server->input -= c->in_room;
	free(c->in);
	c->in = NULL;
	c->in_start = c->in_end = c->in_seen = c->in_room = 0;
}

/* Says why and ends the connection once that is read.  The client may be gone afterwards. */
static void
client_refuse(struct client *c, int code, int errno_code, const char *text)
{
	size_t size;
	char *answer = rpc_refusal(code, errno_code, text, &size);

	log_end(c, text);
	c->closing = true;
	client_drop_input(c);
	if (!answer) {
		client_free(c);
		return;
	}
	if (client_answer(c, answer, size))
		client_watch(c);
}

/* ---- requests ---- */

/* Does one line.  False: the client is gone. */
static bool
client_request(struct client *c, const char *line, size_t size)
{
	size_t answer_size;
	bool failed;
	char *answer;

	if (size && line[size - 1] == '\r')
		size--;
	if (!size)
		return true;
	answer = rpc_answer(
		&c->server->options.handler, line, size, &c->peer, &answer_size, &failed);
	if (failed) {
		log_warning("control client (pid %d): out of memory", (int)c->pid);
		client_free(c);
		return false;
	}
	return answer ? client_answer(c, answer, answer_size) : true;
}

/* Does the first complete line, if there is one.  False: the client is gone. */
static bool
client_turn(struct client *c, bool *done)
{
	char *line = c->in + c->in_start, *end = NULL;

	if (c->in_end > c->in_seen)
		end = memchr(c->in + c->in_seen, '\n', c->in_end - c->in_seen);
	*done = end != NULL;
	if (!end) {
		c->in_seen = c->in_end;
		return true;
	}
	patience_again(c);
	if (!client_request(c, line, (size_t)(end - line)))
		return false;
	c->in_start = c->in_seen = (size_t)(end + 1 - c->in);
	if (c->in_start == c->in_end)
		client_drop_input(c);
	return true;
}

/* Room for more input.  0, -EMSGSIZE: the line is too long, -ENOBUFS: all lines together are. */
static int
client_room(struct client *c)
{
	struct server *s = c->server;
	size_t room = c->in_room ? 2 * c->in_room : INPUT_FIRST;
	char *in;

	if (c->in_start) {
		memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
		c->in_end -= c->in_start;
		c->in_seen -= c->in_start;
		c->in_start = 0;
	}
	if (c->in_end < c->in_room)
		return 0;
	if (c->in_end > s->options.line_max)
		return -EMSGSIZE;
	if (room > s->options.line_max + 1)
		room = s->options.line_max + 1;
	if (s->input + room - c->in_room > SERVER_INPUT_MAX)
		return -ENOBUFS;
	in = realloc(c->in, room);
	if (!in)
		return -ENOMEM;
	s->input += room - c->in_room;
	c->in = in;
	c->in_room = room;
	return 0;
}

/* Reads once.  False: the client is gone. */
static bool
client_receive(struct client *c)
{
	size_t room;
	ssize_t n;
	int rc = client_room(c);

	if (rc == -EMSGSIZE)
		client_refuse(
			c, API_INVALID_REQUEST, rc, "the request is longer than a line may be");
	else if (rc < 0)
		client_refuse(
			c, API_FAILED, rc, "too many long requests at the same time: try again");
	if (rc < 0)
		return false;
	room = c->in_room - c->in_end;
	n = recv(c->fd, c->in + c->in_end, room < READ_CHUNK ? room : READ_CHUNK, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n == 0 && c->out_size > c->out_sent) {
		/* It has said all it wants; the answers are still to be read. */
		c->closing = true;
		client_drop_input(c);
		return true;
	}
	if (n <= 0) {
		log_end(c, n < 0 ? strerror(errno) : "it hung up");
		client_free(c);
		return false;
	}
	c->in_end += (size_t)n;
	return true;
}

/* One request, or one read when there is none: then others have their turn. */
static void
client_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	bool done;

	(void)fd;
	if (!client_turn(c, &done))
		return;
	if (!done && (what & EV_READ)) {
		if (!client_receive(c) || !client_turn(c, &done))
			return;
	}
	client_watch(c);
	/* What was received already makes no descriptor readable. */
	if (done && c->in_end > c->in_start && !c->closing && !c->server->paused &&
		c->out_size - c->out_sent <= SERVER_BACKLOG_MAX)
		event_active(c->readable, 0, 0);
}

static void
client_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)what;
	if (!client_send(c))
		return;
	client_watch(c);
	if (c->in_end > c->in_start && !c->closing && !c->server->paused &&
		c->out_size == c->out_sent)
		event_active(c->readable, 0, 0);
}

static void
client_on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)what;
	log_end(c,
		c->out_size > c->out_sent ? "it does not read its answers" : "unfinished request");
	client_free(c);
}

/* ---- the connection ---- */

static bool
peer_may_change(const struct server *s, int fd, const struct unix_peer *peer)
{
	return peer->uid == 0 || peer->uid == geteuid() ||
	       unix_socket_peer_in_group(fd, s->options.group);
}

bool
client_is_welcome(const struct server *s, int fd)
{
	struct unix_peer peer;

	if (s->options.read_group == (gid_t)-1)
		return true;
	return unix_socket_peer(fd, &peer) == 0 &&
	       (peer_may_change(s, fd, &peer) ||
		       unix_socket_peer_in_group(fd, s->options.read_group));
}

int
client_create(struct server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	struct unix_peer peer = {0};

	if (!c || unix_socket_peer(fd, &peer) < 0) {
		free(c);
		close(fd);
		return -ENOMEM;
	}
	c->server = s;
	c->fd = fd;
	c->pid = peer.pid;
	c->peer.may_change = peer_may_change(s, fd, &peer);
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->client_count++;
	c->readable = event_new(s->options.loop, fd, EV_READ, client_on_readable, c);
	c->writable = event_new(s->options.loop, fd, EV_WRITE, client_on_writable, c);
	c->patience = evtimer_new(s->options.loop, client_on_patience, c);
	if (!c->readable || !c->writable || !c->patience) {
		client_free(c);
		return -ENOMEM;
	}
	client_watch(c);
	return 0;
}
