/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/datapath.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/rarp.h"
#include "vhost/vhost_port.h"

/* Memory of guests is mapped; names of sockets that a front end makes are waited for. */
static const struct needs_call vhost_calls[] = {NEEDS_CALL(fstatfs), NEEDS_CALL(memfd_create),
	NEEDS_CALL(ftruncate), NEEDS_CALL(eventfd2), NEEDS_CALL(inotify_init1),
	NEEDS_CALL(inotify_add_watch), NEEDS_CALL(inotify_rm_watch), NEEDS_NO_MORE};

const struct needs vhost_needs = {
	.calls = vhost_calls,
};

static struct vhost_port *
vhost_port_of(struct port *port)
{
	return (struct vhost_port *)port;
}

_Static_assert(offsetof(struct vhost_port, rings) == 0 && offsetof(struct vhost_rings, port) == 0,
	"a struct port of ours begins a struct vhost_port");

void
vhost_port_reason(struct vhost_port *vp, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(vp->reason, sizeof(vp->reason), format, args);
	va_end(args);
}

/* ---- the front end comes and goes ---- */

static void
front_end_served(void *arg)
{
	struct vhost_port *vp = arg;
	bool up = backend_pairs_running(&vp->backend) > 0;

	if (vp->broken && !backend_is_broken(&vp->backend))
		vp->broken = false;
	if (up == vp->up)
		return;
	vp->up = up;
	if (up) {
		vp->reason[0] = '\0';
		log_info("port %s: up, %s rings of %u entries", vp->rings.port.name,
			vp->backend.features & VIRTIO_BIT(VIRTIO_F_RING_PACKED) ? "packed"
										: "split",
			vp->backend.ring[0].size);
	} else {
		vhost_port_reason(vp, "the guest's driver has stopped");
		log_info("port %s: down: the guest's driver has stopped", vp->rings.port.name);
	}
}

static void
front_end_refused(void *arg, const char *why)
{
	struct vhost_port *vp = arg;

	log_warning("port %s: refused: %s", vp->rings.port.name, why);
}

static void
front_end_closed(void *arg, bool by_us, const char *why)
{
	struct vhost_port *vp = arg;

	vhost_port_detached(vp, by_us, why);
	if (vp->client)
		vhost_connect_again(vp);
}

static const struct connection_events front_end_events = {
	.served = front_end_served,
	.refused = front_end_refused,
	.closed = front_end_closed,
};

void
vhost_port_attach(struct vhost_port *vp, int fd)
{
	if (connection_open(&vp->connection, vp->loop, fd, &vp->backend, &front_end_events, vp)) {
		vhost_port_reason(vp, "out of memory");
		log_error("port %s: out of memory for a connection", vp->rings.port.name);
		if (vp->client)
			vhost_connect_again(vp);
		return;
	}
	/* One that listens has the connection in its queue, perhaps long before it looks there. */
	if (vp->client)
		connection_await_first(&vp->connection);
	vp->connections++;
	vp->reason[0] = '\0';
	log_info("port %s: front end connected", vp->rings.port.name);
}

void
vhost_port_detached(struct vhost_port *vp, bool by_us, const char *why)
{
	datapath_port_flush(&vp->rings.port);
	vp->up = vp->broken = false;
	vp->errors += by_us;
	vhost_port_reason(vp, "%s", why);
	if (by_us)
		log_warning("port %s: closed the connection: %s", vp->rings.port.name, why);
	else
		log_info("port %s: front end gone: %s", vp->rings.port.name, why);
}

/* ---- life ---- */

static void
vhost_port_destroy(struct port *port)
{
	free(vhost_port_of(port));
}

static const struct port_ops *
vhost_ops(void)
{
	static struct port_ops ops;

	if (!ops.type) {
		ops = vhost_rings_ops;
		ops.destroy = vhost_port_destroy;
	}
	return &ops;
}

static void
announce(struct port *port, const struct mac *mac)
{
	uint8_t frame[RARP_FRAME_SIZE];

	rarp_build(frame, mac);
	datapath_inject(port, frame, sizeof(frame));
}

static int
options_check(const struct vhost_options *o, struct err *err)
{
	if (!o->name || !o->name[0] || strlen(o->name) >= PORT_NAME_SIZE)
		return err_set(err, -EINVAL, "a port's name has 1 to %d bytes", PORT_NAME_SIZE - 1);
	if (!o->path || o->path[0] != '/')
		return err_set(err, -EINVAL,
			"port \"%s\": path \"%s\" is not absolute: begin it with /", o->name,
			o->path ? o->path : "");
	if (strlen(o->path) >= UNIX_SOCKET_PATH_SIZE)
		return err_set(err, -ENAMETOOLONG,
			"port \"%s\": path has %zu bytes: a socket's can have %d", o->name,
			strlen(o->path), UNIX_SOCKET_PATH_SIZE - 1);
	if (!o->queues || o->queues > VHOST_QUEUE_PAIRS_MAX)
		return err_set(err, -EINVAL, "port \"%s\": queues=%u: 1 to %d are possible",
			o->name, o->queues, VHOST_QUEUE_PAIRS_MAX);
	return 0;
}

int
vhost_port_create(struct event_base *loop, const struct vhost_options *options, struct port **port,
	struct err *err)
{
	struct backend_options backend = {
		.queues = options->queues,
		.mtu = options->mtu,
		.features_off = options->features_off,
		.announce = announce,
	};
	struct vhost_port *vp;
	int rc = options_check(options, err);

	if (rc)
		return rc;
	vp = aligned_alloc(64, (sizeof(*vp) + 63) / 64 * 64);
	if (!vp)
		return err_set(err, -ENOMEM, "out of memory");
	memset(vp, 0, sizeof(*vp));
	vp->loop = loop;
	vp->client = options->client;
	memcpy(vp->path, options->path, strlen(options->path) + 1); /* options_check() */
	vp->file = (struct unix_socket_options){
		.path = vp->path,
		.mode = options->mode,
		.owner = options->owner,
		.group = options->group,
	};
	vp->listener.fd = -1;
	port_init(&vp->rings.port, vhost_ops(), options->name, options->queues, options->queues);
	backend_init(&vp->backend, &vp->rings, &backend);
	connection_init(&vp->connection);
	*port = &vp->rings.port;
	return 0;
}

int
vhost_port_open(struct port *port, struct err *err)
{
	struct vhost_port *vp = vhost_port_of(port);
	int rc = vp->client ? vhost_connect_open(vp, err) : vhost_listen_open(vp, err);

	if (!rc)
		vp->open = true;
	return rc;
}

void
vhost_port_close(struct port *port)
{
	struct vhost_port *vp = vhost_port_of(port);

	if (!vp->open) {
		/* Imported and not adopted: it is another process's still. */
		fd_close(&vp->listener.fd);
		connection_close(&vp->connection);
		return;
	}
	vp->open = false;
	if (vp->client)
		vhost_connect_close(vp);
	else
		vhost_listen_close(vp);
	connection_close(&vp->connection);
	vp->up = vp->broken = false;
}

void
vhost_port_mute(struct port *port, bool on)
{
	struct vhost_port *vp = vhost_port_of(port);
	struct err err = {0};

	if (on)
		backend_hold(&vp->backend, BACKEND_RINGS_SEND);
	else if (backend_release(&vp->backend, BACKEND_RINGS_SEND, &err))
		log_error("port %s: %s", port->name, err.text);
}

/* ---- what people see ---- */

void
vhost_port_broken(struct port *port, unsigned queue, unsigned reason)
{
	struct vhost_port *vp = vhost_port_of(port);
	char text[160];

	/* The ring itself says so more precisely, and perhaps it was replaced meanwhile. */
	if (!backend_broken(&vp->backend, text, sizeof(text)))
		return;
	if (reason == VRING_BROKEN_MEMORY && connection_is_open(&vp->connection)) {
		connection_fail(&vp->connection, vring_broken_text(VRING_BROKEN_MEMORY));
		return;
	}
	vp->broken = true;
	vhost_port_reason(vp, "%s", text);
	log_warning("port %s: %s", port->name, text);
}

static enum vhost_link
link_now(const struct vhost_port *vp)
{
	if (!connection_is_open(&vp->connection))
		return vp->client ? VHOST_CONNECTING : VHOST_LISTENING;
	if (vp->broken)
		return VHOST_BROKEN;
	return backend_pairs_running(&vp->backend) ? VHOST_UP : VHOST_NEGOTIATING;
}

static void
memory_status(const struct guest_memory *memory, struct vhost_status *status)
{
	if (!memory)
		return;
	status->regions = memory->count;
	status->sealed = true;
	for (unsigned i = 0; i < memory->count; i++) {
		status->memory_bytes += memory->regions[i].size;
		status->sealed = status->sealed && memory->regions[i].sealed;
	}
}

void
vhost_port_status(const struct port *port, struct vhost_status *status)
{
	const struct vhost_port *vp = (const struct vhost_port *)port;
	const struct backend *b = &vp->backend;

	memset(status, 0, sizeof(*status));
	status->link = link_now(vp);
	memcpy(status->reason, vp->reason, sizeof(status->reason));
	if (status->link == VHOST_NEGOTIATING && b->waiting[0])
		memcpy(status->reason, b->waiting, sizeof(status->reason));
	status->features = b->features;
	status->protocol_features = b->protocol;
	status->queue_pairs = backend_pairs_running(b);
	memory_status(b->memory, status);
	status->connections = vp->connections;
	status->errors = vp->errors;
	status->packed = b->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	status->ring_size = b->ring[0].size;
	status->features_count = (uint32_t)__builtin_popcountll(b->features);
	status->calls = backend_calls(b);
}
