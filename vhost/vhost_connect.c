/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client mode: the front end listens, we come to it, for ever.
 *
 * An attempt follows at once when the socket file appears and when a connection ends, else
 * VHOST_RETRY_MS after the last one; the file appears a moment before anybody listens on it, so the
 * attempts after that come quickly at first.
 */
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "vhost/vhost_port.h"

#define RETRY_FIRST_MS 1

static void
connect_later(struct vhost_port *vp, unsigned ms)
{
	struct timeval later = {ms / 1000, ms % 1000 * 1000};

	event_add(vp->retry, &later);
}

/* Nobody is there yet, or nobody has time: not a mistake. */
static bool
peer_absent(int code)
{
	return code == -ENOENT || code == -ECONNREFUSED || code == -EAGAIN;
}

static void path_changed(void *arg);

static void
watch_renew(struct vhost_port *vp)
{
	if (vp->watch && path_watch_lost(vp->watch)) {
		path_watch_del(vp->watch);
		vp->watch = NULL;
	}
	/* Without a watch the timer alone finds the file. */
	if (!vp->watch)
		path_watch_add(&vp->watch, vp->loop, vp->path, path_changed, vp);
}

static int
attempt(struct vhost_port *vp, struct err *err)
{
	int fd, rc = unix_socket_connect(vp->path, &fd, err);

	if (rc)
		return rc;
	vp->told = false;
	vp->connected_ns = clock_ns();
	vhost_port_attach(vp, fd);
	return 0;
}

static void
attempt_or_wait(struct vhost_port *vp)
{
	struct err err;

	if (connection_is_open(&vp->connection))
		return;
	watch_renew(vp);
	if (!attempt(vp, &err))
		return;
	vhost_port_reason(vp, "%s", err.text);
	if (!vp->told)
		log_info("port %s: waiting: %s", vp->rings.port.name, err.text);
	vp->told = true;
	connect_later(vp, vp->retry_ms);
	vp->retry_ms = 2 * vp->retry_ms < VHOST_RETRY_MS ? 2 * vp->retry_ms : VHOST_RETRY_MS;
}

static void
path_changed(void *arg)
{
	struct vhost_port *vp = arg;

	vp->retry_ms = RETRY_FIRST_MS;
	attempt_or_wait(vp);
}

static void
connect_retry(evutil_socket_t fd, short what, void *arg)
{
	attempt_or_wait(arg);
}

int
vhost_connect_open(struct vhost_port *vp, struct err *err)
{
	int rc;

	vp->retry = evtimer_new(vp->loop, connect_retry, vp);
	if (!vp->retry)
		return err_set(err, -ENOMEM, "out of memory");
	vp->retry_ms = VHOST_RETRY_MS;
	watch_renew(vp);
	rc = attempt(vp, err);
	if (!rc)
		return 0;
	if (peer_absent(rc)) {
		vhost_port_reason(vp, "%s", err ? err->text : strerror(-rc));
		connect_later(vp, VHOST_RETRY_MS);
		return 0;
	}
	vhost_connect_close(vp);
	return rc;
}

int
vhost_connect_adopt(struct vhost_port *vp, struct err *err)
{
	if (!connection_is_open(&vp->connection))
		return vhost_connect_open(vp, err);
	vp->retry = evtimer_new(vp->loop, connect_retry, vp);
	if (!vp->retry)
		return err_set(err, -ENOMEM, "out of memory");
	vp->connected_ns = clock_ns();
	watch_renew(vp);
	return 0;
}

void
vhost_connect_close(struct vhost_port *vp)
{
	path_watch_del(vp->watch);
	vp->watch = NULL;
	if (vp->retry)
		event_free(vp->retry);
	vp->retry = NULL;
}

/* At once; unless the front end hangs up as soon as we come. */
void
vhost_connect_again(struct vhost_port *vp)
{
	uint64_t lasted_ms = (clock_ns() - vp->connected_ns) / 1000000;

	vp->retry_ms = RETRY_FIRST_MS;
	connect_later(vp, lasted_ms < VHOST_RETRY_MS ? VHOST_RETRY_MS : 0);
}
