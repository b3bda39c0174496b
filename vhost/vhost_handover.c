/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: items come from a process of the same user, of perhaps another version.  Sizes,
 * kinds, counts and the kind of each descriptor are checked; what a front end had said is served by
 * the back end's own table, with all its checks.
 */
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/handover.h"
#include "vhost/vhost_port.h"

struct listener_item {
	uint64_t device, inode;
};

struct connection_item {
	uint64_t connections, errors, refused;
};

_Static_assert(sizeof(struct vhost_message) <= HANDOVER_ITEM_MAX, "a message fits an item");
_Static_assert(VHOST_FDS_MAX <= HANDOVER_FDS_MAX, "so do its descriptors");

static struct vhost_port *
vhost_port_of(struct port *port)
{
	return (struct vhost_port *)port;
}

/* ---- the old process ---- */

void
vhost_port_hold(struct port *port, bool senders)
{
	struct vhost_port *vp = vhost_port_of(port);

	connection_pause(&vp->connection);
	if (vp->acceptable)
		event_del(vp->acceptable);
	if (vp->retry)
		event_del(vp->retry);
	backend_hold(&vp->backend, senders ? BACKEND_RINGS_SEND : BACKEND_RINGS_ALL);
}

void
vhost_port_resume(struct port *port, bool senders)
{
	struct vhost_port *vp = vhost_port_of(port);
	struct err err = {0};

	if (backend_release(&vp->backend, senders ? BACKEND_RINGS_ALL : ~BACKEND_RINGS_SEND, &err))
		log_error("port %s: %s", port->name, err.text);
	vp->up = backend_pairs_running(&vp->backend) > 0;
	if (!senders)
		return;
	if (vp->acceptable)
		event_add(vp->acceptable, NULL);
	connection_resume(&vp->connection);
	/* Look whether there is something to do that was not done meanwhile. */
	if (vp->retry)
		event_active(vp->retry, EV_TIMEOUT, 0);
}

void
vhost_port_abandon(struct port *port)
{
	struct vhost_port *vp = vhost_port_of(port);

	/* A closed socket has no file to remove. */
	fd_close(&vp->listener.fd);
}

struct export
{
	handover_put put;
	void *arg;
};

static int
put_bytes(const struct export *e, enum handover_kind kind, const void *bytes, size_t size,
	const int *fds, unsigned fd_count)
{
	struct handover_item item = {.kind = kind, .size = (uint32_t)size, .fd_count = fd_count};

	memcpy(item.bytes, bytes, size);
	for (unsigned i = 0; i < fd_count; i++)
		item.fds[i] = fds[i];
	return e->put(e->arg, &item);
}

static int
put_request(void *arg, const struct vhost_message *message, const int *fds, unsigned count)
{
	return put_bytes(arg, HANDOVER_REQUEST, message,
		sizeof(message->header) + message->header.size, fds, count);
}

int
vhost_port_export(struct port *port, handover_put put, void *arg)
{
	struct vhost_port *vp = vhost_port_of(port);
	const struct message_reader *reader = &vp->connection.reader;
	const struct listener_item listener = {vp->listener.device, vp->listener.inode};
	const struct connection_item connection = {vp->connections, vp->errors, vp->refused};
	struct export e = {put, arg};
	int rc = 0;

	if (vp->listener.fd >= 0)
		rc = put_bytes(
			&e, HANDOVER_LISTENER, &listener, sizeof(listener), &vp->listener.fd, 1);
	if (rc || !connection_is_open(&vp->connection))
		return rc;
	rc = put_bytes(
		&e, HANDOVER_CONNECTION, &connection, sizeof(connection), &vp->connection.fd, 1);
	if (!rc)
		rc = backend_export(&vp->backend, put_request, &e);
	if (!rc && message_reader_partial(reader))
		rc = put_bytes(&e, HANDOVER_PARTIAL, &reader->message, reader->have, reader->fds,
			reader->fd_count);
	return rc;
}

/* ---- the new process ---- */

static int
socket_check(int fd, bool listens, struct err *err)
{
	int type, domain, accepts;
	socklen_t size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) || type != SOCK_STREAM ||
		domain != AF_UNIX || !accepts == listens)
		return err_set(err, -EPROTO, "the descriptor is not a %s Unix socket",
			listens ? "listening" : "connected");
	return 0;
}

static int
import_listener(struct vhost_port *vp, struct handover_item *item, struct err *err)
{
	struct listener_item listener;
	int rc = socket_check(item->fds[0], true, err);

	if (rc)
		return rc;
	if (vp->client || vp->listener.fd >= 0)
		return err_set(err, -EPROTO, "the port has no use for a listening socket");
	memcpy(&listener, item->bytes, sizeof(listener));
	vp->listener.fd = fd_take(&item->fds[0]);
	vp->listener.device = (dev_t)listener.device;
	vp->listener.inode = (ino_t)listener.inode;
	memcpy(vp->listener.path, vp->path, sizeof(vp->listener.path));
	return 0;
}

static int
import_connection(struct vhost_port *vp, struct handover_item *item, struct err *err)
{
	struct connection_item connection;
	int rc = socket_check(item->fds[0], false, err);

	if (rc)
		return rc;
	if (connection_is_open(&vp->connection))
		return err_set(err, -EPROTO, "a second connection");
	memcpy(&connection, item->bytes, sizeof(connection));
	vp->backend.held = BACKEND_RINGS_ALL;
	vhost_port_attach(vp, fd_take(&item->fds[0]));
	if (!connection_is_open(&vp->connection))
		return err_set(err, -ENOMEM, "out of memory");
	connection_pause(&vp->connection);
	vp->connections = connection.connections;
	vp->errors = connection.errors;
	vp->refused = connection.refused;
	return 0;
}

/* Puts the item's bytes and descriptors where they would have been received. */
static void
reader_fill(struct message_reader *reader, struct handover_item *item)
{
	memcpy(&reader->message, item->bytes, item->size);
	reader->have = item->size;
	reader->fd_count = item->fd_count;
	for (unsigned i = 0; i < item->fd_count; i++)
		reader->fds[i] = fd_take(&item->fds[i]);
}

static int
import_request(struct vhost_port *vp, struct handover_item *item, struct err *err)
{
	struct message_reader reader;
	struct vhost_header header;
	int rc;

	memcpy(&header, item->bytes, sizeof(header));
	if (header.size > sizeof(reader.message.payload) ||
		sizeof(header) + header.size != item->size)
		return err_set(err, -EPROTO, "a request of another size than it says");
	message_reader_init(&reader);
	memset(&reader.message, 0, sizeof(reader.message));
	reader_fill(&reader, item);
	rc = connection_import(&vp->connection, &reader, err);
	message_reader_reset(&reader);
	return rc;
}

static const struct {
	uint32_t size_min, size_max, fds_min, fds_max;
	bool connected; /* needs the connection's item before it */
} shapes[HANDOVER_KINDS] = {
	[HANDOVER_LISTENER] = {sizeof(struct listener_item), sizeof(struct listener_item), 1, 1,
		false},
	[HANDOVER_CONNECTION] = {sizeof(struct connection_item), sizeof(struct connection_item), 1,
		1, false},
	[HANDOVER_REQUEST] = {sizeof(struct vhost_header), sizeof(struct vhost_message), 0,
		VHOST_FDS_MAX, true},
	[HANDOVER_PARTIAL] = {1, sizeof(struct vhost_message) - 1, 0, VHOST_FDS_MAX, true},
};

int
vhost_port_import(struct port *port, struct handover_item *item, struct err *err)
{
	struct vhost_port *vp = vhost_port_of(port);

	if (item->kind >= HANDOVER_KINDS || item->size < shapes[item->kind].size_min ||
		item->size > shapes[item->kind].size_max ||
		item->fd_count < shapes[item->kind].fds_min ||
		item->fd_count > shapes[item->kind].fds_max)
		return err_set(err, -EPROTO, "an item of kind %u with %u bytes and %u descriptors",
			item->kind, item->size, item->fd_count);
	/* The rest of a connection that could not be taken over. */
	if (shapes[item->kind].connected && !connection_is_open(&vp->connection))
		return 0;
	switch ((enum handover_kind)item->kind) {
	case HANDOVER_LISTENER:
		return import_listener(vp, item, err);
	case HANDOVER_CONNECTION:
		return import_connection(vp, item, err);
	case HANDOVER_REQUEST:
		return import_request(vp, item, err);
	case HANDOVER_PARTIAL:
		reader_fill(&vp->connection.reader, item);
		return 0;
	case HANDOVER_KINDS:
		break;
	}
	return 0;
}

int
vhost_port_adopt(struct port *port, struct err *err)
{
	struct vhost_port *vp = vhost_port_of(port);
	int rc;

	rc = vp->client ? vhost_connect_adopt(vp, err) : vhost_listen_adopt(vp, err);
	if (rc)
		return rc;
	vp->open = true;
	return 0;
}
