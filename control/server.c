/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections; what clients say and hear, and the threat model, is in server_client.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/schema.h"
#include "control/server_impl.h"
#include "lib/log.h"

#define ACCEPT_BATCH    16
#define ACCEPT_RETRY_MS 100 /* after descriptors ran out */

/* One who is not served hears why. */
static void
turn_away(int fd, int code, const char *why)
{
	size_t size;
	char *answer = rpc_refusal(API_FAILED, code, why, &size);

	if (answer && send(fd, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("cannot turn a control client away: %s", strerror(errno));
	free(answer);
	close(fd);
}

_Static_assert(SERVER_CLIENTS_MAX == 64, "the text above");

static void
server_on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct server *s = arg;
	struct timeval retry = {0, ACCEPT_RETRY_MS * 1000};

	(void)listener;
	(void)what;
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		int fd, rc = unix_socket_accept(s->options.listener, &fd);

		if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -ENOBUFS) {
			/* The connection stays in the queue, which would wake us at once. */
			log_warning("cannot take a control client: %s", strerror(-rc));
			event_del(s->acceptable);
			event_add(s->retry, &retry);
			return;
		}
		if (rc < 0)
			return;
		if (!client_is_welcome(s, fd))
			turn_away(fd, -EACCES,
				"permission denied: only members of the groups of --socket-group "
				"and --read-group may talk to this daemon");
		else if (s->client_count >= SERVER_CLIENTS_MAX)
			turn_away(fd, -EUSERS,
				"64 clients are connected already: close one of them and try again");
		else if (client_create(s, fd) < 0)
			log_warning("cannot take a control client: out of memory");
	}
}

static void
server_on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	if (!s->paused)
		event_add(s->acceptable, NULL);
}

int
server_create(struct server **server, const struct server_options *options, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->options = *options;
	if (!s->options.patience_ms)
		s->options.patience_ms = SERVER_PATIENCE_S * 1000;
	LIST_INIT(&s->clients);
	s->acceptable = event_new(options->loop, options->listener->fd, EV_READ | EV_PERSIST,
		server_on_connection, s);
	s->retry = evtimer_new(options->loop, server_on_retry, s);
	if (!s->acceptable || !s->retry || event_add(s->acceptable, NULL) < 0) {
		server_destroy(s);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*server = s;
	return 0;
}

void
server_destroy(struct server *server)
{
	if (!server)
		return;
	while (!LIST_EMPTY(&server->clients))
		client_free(LIST_FIRST(&server->clients));
	if (server->acceptable)
		event_free(server->acceptable);
	if (server->retry)
		event_free(server->retry);
	free(server);
}

void
server_pause(struct server *server, bool on)
{
	struct client *c;

	server->paused = on;
	(void)(on ? event_del(server->acceptable) : event_add(server->acceptable, NULL));
	LIST_FOREACH (c, &server->clients, link) {
		client_watch(c);
		if (!on && c->in_end > c->in_start)
			event_active(c->readable, 0, 0);
	}
}

unsigned
server_clients(const struct server *server)
{
	return server->client_count;
}
