/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server mode: the front end comes to us.
 *
 * Threat model: anybody who may open the socket can connect as often as he likes, and anybody who may
 * write to its directory can remove it.  One front end is served; a further one is accepted and
 * closed at once, at most ACCEPTS_PER_TURN of them before the loop goes on, and the first is not
 * disturbed.  A removed socket file is made again.  When descriptors run out, accepting pauses.
 */
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/vhost_port.h"

#define ACCEPTS_PER_TURN 16
#define LOOK_AGAIN_MS    1000

static void
look_again(struct vhost_port *vp)
{
	static const struct timeval later = {LOOK_AGAIN_MS / 1000, LOOK_AGAIN_MS % 1000 * 1000};

	event_add(vp->retry, &later);
}

static void
client_arrived(struct vhost_port *vp, int fd)
{
	/* The old front end died and its successor was quicker than the news. */
	if (connection_is_open(&vp->connection) && connection_peer_gone(&vp->connection)) {
		connection_close(&vp->connection);
		vhost_port_detached(vp, false, "the peer closed");
	}
	if (connection_is_open(&vp->connection)) {
		vp->refused++;
		log_warning("port %s: refused a second front end on %s: one is connected",
			vp->rings.port.name, vp->path);
		fd_close(&fd);
		return;
	}
	vhost_port_attach(vp, fd);
}

static void
listener_acceptable(evutil_socket_t socket, short what, void *arg)
{
	struct vhost_port *vp = arg;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd, rc = unix_socket_accept(&vp->listener, &fd);

		if (rc == -EAGAIN)
			return;
		if (rc == -ECONNABORTED || rc == -EINTR)
			continue;
		if (rc) {
			/* The connection keeps waiting in the backlog: do not spin on it. */
			log_error("port %s: cannot accept a front end: %s", vp->rings.port.name,
				strerror(-rc));
			event_del(vp->acceptable);
			look_again(vp);
			return;
		}
		client_arrived(vp, fd);
	}
}

/* The path leads to our socket. */
static bool
file_is_ours(const struct vhost_port *vp)
{
	struct stat st;

	return vp->listener.fd >= 0 && !lstat(vp->path, &st) && st.st_dev == vp->listener.device &&
	       st.st_ino == vp->listener.inode;
}

static int
listener_watch(struct vhost_port *vp, struct err *err)
{
	vp->acceptable =
		event_new(vp->loop, vp->listener.fd, EV_READ | EV_PERSIST, listener_acceptable, vp);
	if (vp->acceptable && !event_add(vp->acceptable, NULL))
		return 0;
	unix_socket_close(&vp->listener);
	return err_set(err, -ENOMEM, "out of memory");
}

static int
listener_start(struct vhost_port *vp, struct err *err)
{
	int rc = unix_socket_listen(&vp->listener, &vp->file, err);

	return rc ? rc : listener_watch(vp, err);
}

static void
listener_stop(struct vhost_port *vp)
{
	if (vp->acceptable)
		event_free(vp->acceptable);
	vp->acceptable = NULL;
	unix_socket_close(&vp->listener);
}

static void path_changed(void *arg);

/* Without a watch (limits of inotify, a directory that went away) the file is looked after by time. */
static void
watch_renew(struct vhost_port *vp)
{
	if (vp->watch && path_watch_lost(vp->watch)) {
		path_watch_del(vp->watch);
		vp->watch = NULL;
	}
	if (!vp->watch && path_watch_add(&vp->watch, vp->loop, vp->path, path_changed, vp))
		look_again(vp);
}

static void
path_changed(void *arg)
{
	struct vhost_port *vp = arg;
	struct err err;

	watch_renew(vp);
	if (file_is_ours(vp)) {
		event_add(vp->acceptable, NULL);
		return;
	}
	listener_stop(vp);
	if (!listener_start(vp, &err)) {
		log_info("port %s: %s was removed: made it again", vp->rings.port.name, vp->path);
		vp->told = false;
		return;
	}
	if (!connection_is_open(&vp->connection))
		vhost_port_reason(vp, "%s", err.text);
	if (!vp->told)
		log_warning("port %s: %s", vp->rings.port.name, err.text);
	vp->told = true;
	look_again(vp);
}

static void
listener_retry(evutil_socket_t fd, short what, void *arg)
{
	path_changed(arg);
}

int
vhost_listen_open(struct vhost_port *vp, struct err *err)
{
	int rc;

	vp->retry = evtimer_new(vp->loop, listener_retry, vp);
	if (!vp->retry)
		return err_set(err, -ENOMEM, "out of memory");
	rc = listener_start(vp, err);
	if (rc) {
		event_free(vp->retry);
		vp->retry = NULL;
		return rc;
	}
	watch_renew(vp);
	return 0;
}

int
vhost_listen_adopt(struct vhost_port *vp, struct err *err)
{
	if (vp->listener.fd < 0)
		return vhost_listen_open(vp, err);
	vp->retry = evtimer_new(vp->loop, listener_retry, vp);
	if (!vp->retry || listener_watch(vp, err))
		return err_set(err, -ENOMEM, "out of memory");
	watch_renew(vp);
	return 0;
}

void
vhost_listen_close(struct vhost_port *vp)
{
	path_watch_del(vp->watch);
	vp->watch = NULL;
	if (vp->retry)
		event_free(vp->retry);
	vp->retry = NULL;
	listener_stop(vp);
}
