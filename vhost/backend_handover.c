/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a back end as the requests that lead to it.
 *
 * Threat model: what is exported was checked when the front end said it, and the importing back end
 * checks it again, by the same table: it trusts the process before it no more than a front end.
 */
#include <errno.h>
#include <sys/socket.h>

#include "lib/fd.h"
#include "vhost/backend_state.h"

struct exporter {
	const struct backend *backend;
	backend_emit emit;
	void *arg;
};

static int
say(const struct exporter *e, uint32_t request, const union vhost_payload *payload, uint32_t size,
	int fd)
{
	struct vhost_message message = {.header = {request, VHOST_VERSION, size}};

	if (size)
		message.payload = *payload;
	return e->emit(e->arg, &message, &fd, fd >= 0);
}

static int
say_u64(const struct exporter *e, uint32_t request, uint64_t value, int fd)
{
	return say(e, request, &(union vhost_payload){.u64 = value}, sizeof(value), fd);
}

static int
say_state(const struct exporter *e, uint32_t request, unsigned index, uint32_t number)
{
	return say(e, request, &(union vhost_payload){.state = {index, number}},
		sizeof(struct vhost_vring_state), -1);
}

/* ---- the device ---- */

/* Region by region where the front end can, as often as it was added; else in one table. */
static int
export_memory(const struct exporter *e)
{
	const struct guest_memory *m = e->backend->memory;
	struct vhost_message table = {.header = {VHOST_SET_MEM_TABLE, VHOST_VERSION, 0}};
	union vhost_payload payload = {0};
	int fds[VHOST_REGIONS_MESSAGE], rc = 0;

	if (!m)
		return 0;
	if (e->backend->protocol & VIRTIO_BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
		for (unsigned i = 0; i < m->count && !rc; i++) {
			int fd = guest_region_export(&m->regions[i], &payload.single.region);

			for (unsigned t = 0; t < m->regions[i].times && !rc; t++)
				rc = say(
					e, VHOST_ADD_MEM_REG, &payload, sizeof(payload.single), fd);
		}
		return rc;
	}
	payload.memory.nregions = m->count;
	for (unsigned i = 0; i < m->count; i++)
		fds[i] = guest_region_export(&m->regions[i], &payload.memory.regions[i]);
	table.header.size = (uint32_t)(8 + m->count * sizeof(payload.memory.regions[0]));
	table.payload = payload;
	return e->emit(e->arg, &table, fds, m->count);
}

static int
export_device(const struct exporter *e)
{
	const struct backend *b = e->backend;
	union vhost_payload payload = {0};
	int rc = 0;

	if (b->protocol)
		rc = say_u64(e, VHOST_SET_PROTOCOL_FEATURES, b->protocol, -1);
	if (!rc && b->features_set)
		rc = say_u64(e, VHOST_SET_FEATURES, b->features, -1);
	if (!rc)
		rc = export_memory(e);
	if (!rc && b->log) {
		payload.log = (struct vhost_log){b->log->size, b->log->offset};
		rc = say(e, VHOST_SET_LOG_BASE, &payload, sizeof(payload.log), b->log->fd);
	}
	if (!rc && b->inflight.map) {
		payload.inflight = b->inflight.given;
		rc = say(e, VHOST_SET_INFLIGHT_FD, &payload, sizeof(payload.inflight),
			b->inflight.fd);
	}
	return rc;
}

/* ---- rings ---- */

static int
export_notify(const struct exporter *e, uint32_t request, unsigned index, int fd)
{
	return say_u64(e, request, index | (fd < 0 ? VHOST_VRING_NOFD : 0), fd);
}

static int
export_position(const struct exporter *e, unsigned index, const struct backend_ring *ring)
{
	uint32_t at = ring->next;

	if (backend_packed(e->backend)) {
		at |= (uint32_t)ring->next_wrap << 15;
		at |= at << 16;
	}
	return say_state(e, VHOST_SET_VRING_BASE, index, at);
}

/* A broken ring goes without its kick: like here it waits for the guest to reset it. */
static int
export_ring(const struct exporter *e, unsigned index)
{
	const struct backend_ring *ring = &e->backend->ring[index];
	bool set = e->backend->features_set;
	int rc = 0;

	if (set && ring->size)
		rc = say_state(e, VHOST_SET_VRING_NUM, index, ring->size);
	if (!rc && set && ring->addressed)
		rc = say(e, VHOST_SET_VRING_ADDR, &(union vhost_payload){.addr = ring->addr},
			sizeof(ring->addr), -1);
	if (!rc && set)
		rc = export_position(e, index, ring);
	if (!rc && ring->call_fd >= 0)
		rc = export_notify(e, VHOST_SET_VRING_CALL, index, ring->call_fd);
	if (!rc && ring->err_fd >= 0)
		rc = export_notify(e, VHOST_SET_VRING_ERR, index, ring->err_fd);
	if (!rc && set && ring->kicked && !ring->broken)
		rc = export_notify(
			e, VHOST_SET_VRING_KICK, index, ring->polled ? -1 : ring->kick_fd);
	if (!rc && (e->backend->features & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES) || !set) &&
		ring->enabled)
		rc = say_state(e, VHOST_SET_VRING_ENABLE, index, 1);
	return rc;
}

int
backend_export(const struct backend *b, backend_emit emit, void *arg)
{
	const struct exporter e = {b, emit, arg};
	int rc = export_device(&e);

	for (unsigned i = 0; i < 2 * b->options.queues && !rc; i++)
		rc = export_ring(&e, i);
	if (!rc && b->status)
		rc = say_u64(&e, VHOST_SET_STATUS, b->status, -1);
	return rc;
}

/* Some requests have an answer; the front end has had it already. */
int
backend_import(struct backend *b, struct message_reader *request, struct err *err)
{
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return err_set(err, -EMFILE, "no descriptor is free");
	rc = backend_serve(b, ends[0], request, err);
	fds_close(ends, 2);
	return rc > 0 ? -EINVAL : rc;
}

void
backend_hold(struct backend *b, uint32_t mask)
{
	b->held |= mask;
	backend_rings_stop(b, mask);
}

int
backend_release(struct backend *b, uint32_t mask, struct err *err)
{
	b->held &= ~mask;
	return backend_rings_start(b, err);
}
