/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: anybody on the machine can connect to an abstract socket; one of another user is
 * turned away.  The one who was let in can be slow, silent or wrong: each wait has an end, and until
 * the last word all of it is taken back.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "control/config_file.h"
#include "control/giver.h"
#include "control/notify.h"
#include "control/port_types.h"
#include "control/starter.h"
#include "control/tables.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/file.h"
#include "lib/log.h"

/* The configuration and the tables go to the next daemon in files without a name. */
static const struct needs_call giver_calls[] = {
	NEEDS_CALL(memfd_create), NEEDS_CALL(ftruncate), NEEDS_NO_MORE};

const struct needs giver_needs = {
	.calls = giver_calls,
};

struct giver {
	struct giver_options options;
	int listener, peer; /* -1 = none; a peer is being given everything */
	struct event *readable, *late;
};

/* ---- the end of the matter ---- */

static void
forget(struct giver *g)
{
	if (g->readable)
		event_free(g->readable);
	if (g->late)
		event_free(g->late);
	g->readable = g->late = NULL;
	fd_close(&g->listener);
	fd_close(&g->peer);
}

static void
fail(struct giver *g, const char *why)
{
	if (g->peer >= 0)
		takeover_say(g->peer, TAKEOVER_ABORT, why, 0);
	log_warning("not taken over: %s", why);
	forget(g);
	g->options.pause(g->options.arg, false);
}

/* ---- the state ---- */

static int
send_file(int peer, enum takeover_type type, int fd)
{
	struct takeover_record record = {
		.version = TAKEOVER_VERSION, .type = type, .item = {.fd_count = 1, .fds = {fd}}};

	return takeover_send(peer, &record, TAKEOVER_HOLD_MS);
}

static int
send_config(struct giver *g)
{
	json_t *config = config_store(&g->options.state->running);
	char *text = config ? document_print(config) : NULL;
	int fd = memfd_create("patchbay-config", MFD_CLOEXEC), rc = -ENOMEM;

	if (text && fd >= 0)
		rc = file_write(fd, text, strlen(text));
	if (!rc)
		rc = send_file(g->peer, TAKEOVER_CONFIG, fd);
	fd_close(&fd);
	free(text);
	json_decref(config);
	return rc;
}

static int
send_tables(struct giver *g)
{
	int fd = memfd_create("patchbay-tables", MFD_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = tables_write(fd, g->options.state->live);
	if (!rc)
		rc = send_file(g->peer, TAKEOVER_TABLES, fd);
	fd_close(&fd);
	return rc;
}

static int
send_socket(struct giver *g)
{
	const struct unix_socket *s = g->options.socket;
	const uint64_t file[] = {s->device, s->inode};
	struct takeover_record record = {.version = TAKEOVER_VERSION,
		.type = TAKEOVER_SOCKET,
		.item = {.size = sizeof(file), .fd_count = 1, .fds = {s->fd}}};

	memcpy(record.item.bytes, file, sizeof(file));
	return takeover_send(g->peer, &record, TAKEOVER_HOLD_MS);
}

static int
send_item(void *arg, const struct handover_item *item)
{
	const struct giver *g = arg;
	struct takeover_record record = {
		.version = TAKEOVER_VERSION, .type = TAKEOVER_ITEM, .item = *item};

	return takeover_send(g->peer, &record, TAKEOVER_HOLD_MS);
}

static int
send_ports(struct giver *g)
{
	struct live *live = g->options.state->live;
	int rc = 0;

	for (unsigned i = 0; i < PORT_MAX && !rc; i++) {
		struct live_port *p = &live->ports[i];

		if (!p->port || !p->type->handover)
			continue;
		rc = takeover_say(g->peer, TAKEOVER_PORT, p->name, TAKEOVER_HOLD_MS);
		if (!rc)
			rc = p->type->handover->export(p->port, send_item, g);
	}
	return rc;
}

/* Nobody would hear the last word, behind which there is no way back. */
static bool
peer_is_gone(int peer)
{
	struct pollfd p = {.fd = peer, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* The rings stand still during this. */
static int
give(struct giver *g, struct err *err)
{
	struct takeover_record record;
	int rc = send_ports(g);

	if (!rc)
		rc = send_socket(g);
	if (!rc)
		rc = send_tables(g);
	if (!rc)
		rc = takeover_say(g->peer, TAKEOVER_END, "", TAKEOVER_HOLD_MS);
	if (rc)
		return err_set(err, rc, "sending what runs: %s", strerror(-rc));
	rc = takeover_expect(g->peer, TAKEOVER_READY, &record, TAKEOVER_HOLD_MS, err);
	if (rc)
		return rc;
	takeover_record_close(&record);
	return peer_is_gone(g->peer)
		       ? err_set(err, -ECONNRESET, "the new daemon ended when all was ready")
		       : 0;
}

/*
 * Only the main process of a service is listened to: it is the one that can name its successor.  The
 * successor says that it is ready.
 */
static void
name_successor(const struct giver *g)
{
	struct unix_peer peer;
	char text[32];

	if (unix_socket_peer(g->peer, &peer) < 0)
		return;
	snprintf(text, sizeof(text), "MAINPID=%ld", (long)peer.pid);
	if (notify(text) < 0)
		log_warning("cannot tell the service manager which process goes on");
}

static void
hand_over(struct giver *g)
{
	struct live *live = g->options.state->live;
	uint64_t begin = clock_ns();
	struct err err = {0};

	live_hold(live);
	if (give(g, &err)) {
		live_resume(live);
		fail(g, err.text);
		return;
	}
	live_abandon(live);
	fd_close(&g->options.socket->fd);
	name_successor(g);
	takeover_say(g->peer, TAKEOVER_GO, "", TAKEOVER_HOLD_MS);
	log_info("taken over by another daemon, packets waited %u us",
		(unsigned)((clock_ns() - begin) / 1000));
	forget(g);
	g->options.gone(g->options.arg);
}

/* ---- the other side comes ---- */

static void
handle_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fail(arg, "the new daemon took too long");
}

static void
handle_prepared(evutil_socket_t fd, short what, void *arg)
{
	struct takeover_record record;
	struct giver *g = arg;
	struct err err = {0};

	(void)fd;
	(void)what;
	if (takeover_expect(g->peer, TAKEOVER_PREPARED, &record, 0, &err)) {
		fail(g, err.text);
		return;
	}
	takeover_record_close(&record);
	hand_over(g);
}

static bool
peer_is_welcome(int fd)
{
	struct unix_peer peer;

	return !unix_socket_peer(fd, &peer) && (peer.uid == 0 || peer.uid == geteuid());
}

static void
handle_connection(evutil_socket_t fd, short what, void *arg)
{
	struct giver *g = arg;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), rc;

	(void)what;
	if (peer < 0)
		return;
	if (!peer_is_welcome(peer)) {
		fd_close(&peer);
		return;
	}
	g->peer = peer;
	event_free(g->readable);
	g->readable = event_new(g->options.loop, peer, EV_READ, handle_prepared, g);
	rc = g->readable && !event_add(g->readable, NULL) ? send_config(g) : -ENOMEM;
	/* The bulk of it, so that little is left to do while the rings stand still. */
	if (!rc)
		rc = send_tables(g);
	if (rc)
		fail(g, strerror(-rc));
}

/* ---- life ---- */

int
giver_create(struct giver **giver, const struct giver_options *options, struct err *err)
{
	struct giver *g = calloc(1, sizeof(*g));

	if (!g)
		return err_set(err, -ENOMEM, "out of memory");
	g->options = *options;
	g->listener = g->peer = -1;
	*giver = g;
	return 0;
}

void
giver_destroy(struct giver *giver)
{
	if (!giver)
		return;
	forget(giver);
	free(giver);
}

/* The kernel chooses a name of five digits: no other socket has it, no file is left behind. */
static int
open_listener(int *fd, char name[TAKEOVER_NAME_SIZE])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(address);
	size_t length;
	int rc = 0;

	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	if (bind(*fd, (struct sockaddr *)&address, sizeof(sa_family_t)) || listen(*fd, 1) ||
		getsockname(*fd, (struct sockaddr *)&address, &size))
		rc = -errno;
	length = size - offsetof(struct sockaddr_un, sun_path);
	if (!rc && (length < 2 || length > TAKEOVER_NAME_SIZE))
		rc = -EOPNOTSUPP;
	if (rc) {
		fd_close(fd);
		return rc;
	}
	memcpy(name, address.sun_path + 1, length - 1);
	name[length - 1] = '\0';
	return 0;
}

int
giver_offer(struct giver *giver, char name[TAKEOVER_NAME_SIZE], struct err *err)
{
	static const struct timeval allowed = {
		TAKEOVER_PREPARE_MS / 1000, TAKEOVER_PREPARE_MS % 1000 * 1000};
	int rc;

	if (giver->listener >= 0)
		return err_set(err, -EBUSY, "a takeover is under way: wait until it has ended");
	rc = open_listener(&giver->listener, name);
	if (rc)
		return err_set(
			err, rc, "cannot open a socket for the new daemon: %s", strerror(-rc));
	giver->readable = event_new(giver->options.loop, giver->listener, EV_READ | EV_PERSIST,
		handle_connection, giver);
	giver->late = evtimer_new(giver->options.loop, handle_late, giver);
	if (!giver->readable || !giver->late || event_add(giver->readable, NULL) ||
		event_add(giver->late, &allowed)) {
		forget(giver);
		return err_set(err, -ENOMEM, "out of memory");
	}
	giver->options.pause(giver->options.arg, true);
	return 0;
}

int
giver_restart(struct giver *giver, struct err *err)
{
	if (giver->listener >= 0)
		return err_set(err, -EBUSY, "a takeover is under way: wait until it has ended");
	return starter_run(giver->options.starter, err);
}
