/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see vhost/backend.h.  This file is the gate: a request reaches its handler only
 * through the table, after its size, its descriptors, the protocol feature it belongs to and what it
 * relies on were checked.
 *
 * A message that breaks the framing (size, descriptors, flags) ends the connection.  One that is
 * well-formed but wrong is refused: with an error answer when the front end asked for one
 * (VHOST_PROTOCOL_F_REPLY_ACK), else by closing too, because it would go on as if it had been heard.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/fd.h"
#include "vhost/backend_state.h"

/* What must have come before. */
#define AFTER_FEATURES 1 /* SET_FEATURES */
#define AFTER_MEMORY   2 /* SET_MEM_TABLE or ADD_MEM_REG, in force */

#define NO_FEATURE -1

struct shape {
	const char *name;
	uint16_t size_min, size_max; /* of the payload */
	uint8_t fds_min, fds_max;
	uint16_t reply; /* bytes of the answer; 0 = it has none of its own */
};

static const struct shape shapes[VHOST_REQUEST_MAX] = {
#define X(number, name, type, size_min, size_max, fds_min, fds_max, reply) \
	[number] = {#name, size_min, size_max, fds_min, fds_max, reply},
	VHOST_REQUEST_LIST(X)
#undef X
};

struct rule {
	backend_handler handler;
	uint8_t after;   /* AFTER_... */
	int8_t protocol; /* VHOST_PROTOCOL_F_... that must be negotiated, or NO_FEATURE */
};

static const struct rule rules[VHOST_REQUEST_MAX] = {
	[VHOST_GET_FEATURES] = {backend_get_features, 0, NO_FEATURE},
	[VHOST_SET_FEATURES] = {backend_set_features, 0, NO_FEATURE},
	[VHOST_SET_OWNER] = {backend_set_owner, 0, NO_FEATURE},
	[VHOST_RESET_OWNER] = {backend_reset_owner, 0, NO_FEATURE},
	[VHOST_SET_MEM_TABLE] = {backend_set_mem_table, 0, NO_FEATURE},
	[VHOST_SET_LOG_BASE] = {backend_set_log_base, 0, VHOST_PROTOCOL_F_LOG_SHMFD},
	[VHOST_SET_LOG_FD] = {backend_set_log_fd, 0, VHOST_PROTOCOL_F_LOG_SHMFD},
	[VHOST_SET_VRING_NUM] = {backend_set_vring_num, AFTER_FEATURES, NO_FEATURE},
	[VHOST_SET_VRING_ADDR] = {backend_set_vring_addr, AFTER_FEATURES | AFTER_MEMORY,
		NO_FEATURE},
	[VHOST_SET_VRING_BASE] = {backend_set_vring_base, AFTER_FEATURES, NO_FEATURE},
	[VHOST_GET_VRING_BASE] = {backend_get_vring_base, 0, NO_FEATURE},
	[VHOST_SET_VRING_KICK] = {backend_set_vring_kick, AFTER_FEATURES, NO_FEATURE},
	[VHOST_SET_VRING_CALL] = {backend_set_vring_call, 0, NO_FEATURE},
	[VHOST_SET_VRING_ERR] = {backend_set_vring_err, 0, NO_FEATURE},
	[VHOST_GET_PROTOCOL_FEATURES] = {backend_get_protocol_features, 0, NO_FEATURE},
	[VHOST_SET_PROTOCOL_FEATURES] = {backend_set_protocol_features, 0, NO_FEATURE},
	[VHOST_GET_QUEUE_NUM] = {backend_get_queue_num, 0, VHOST_PROTOCOL_F_MQ},
	[VHOST_SET_VRING_ENABLE] = {backend_set_vring_enable, 0, NO_FEATURE},
	[VHOST_SEND_RARP] = {backend_send_rarp, 0, VHOST_PROTOCOL_F_RARP},
	[VHOST_NET_SET_MTU] = {backend_net_set_mtu, 0, VHOST_PROTOCOL_F_NET_MTU},
	[VHOST_GET_INFLIGHT_FD] = {backend_get_inflight_fd, AFTER_FEATURES,
		VHOST_PROTOCOL_F_INFLIGHT_SHMFD},
	[VHOST_SET_INFLIGHT_FD] = {backend_set_inflight_fd, AFTER_FEATURES,
		VHOST_PROTOCOL_F_INFLIGHT_SHMFD},
	[VHOST_RESET_DEVICE] = {backend_reset_device, 0, VHOST_PROTOCOL_F_RESET_DEVICE},
	[VHOST_GET_MAX_MEM_SLOTS] = {backend_get_max_mem_slots, 0,
		VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS},
	[VHOST_ADD_MEM_REG] = {backend_add_mem_reg, 0, VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS},
	[VHOST_REM_MEM_REG] = {backend_rem_mem_reg, 0, VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS},
	[VHOST_SET_STATUS] = {backend_set_status, 0, VHOST_PROTOCOL_F_STATUS},
	[VHOST_GET_STATUS] = {backend_get_status, 0, VHOST_PROTOCOL_F_STATUS},
	/* SET_BACKEND_REQ_FD has no handler: we have nothing to ask, and do not offer it. */
};

static void
ring_init(struct backend_ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->kick_fd = ring->call_fd = ring->err_fd = -1;
	ring->next_wrap = true; /* virtio 1.2, 2.8.1: wrap counters begin at 1 */
}

void
backend_init(struct backend *b, struct vhost_rings *rings, const struct backend_options *options)
{
	memset(b, 0, sizeof(*b));
	b->rings = rings;
	b->options = *options;
	b->features_offered = backend_features(options);
	b->protocol_offered =
		VIRTIO_BIT(VHOST_PROTOCOL_F_MQ) | VIRTIO_BIT(VHOST_PROTOCOL_F_LOG_SHMFD) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK) | VIRTIO_BIT(VHOST_PROTOCOL_F_NET_MTU) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_RESET_DEVICE) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_STATUS);
	if (options->announce)
		b->protocol_offered |= VIRTIO_BIT(VHOST_PROTOCOL_F_RARP);
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		ring_init(&b->ring[i]);
}

void
backend_disconnect(struct backend *b)
{
	static const struct inflight_region none;

	backend_rings_stop(b, BACKEND_RINGS_ALL);
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		backend_fd_replace(b, &b->ring[i].kick_fd, -1);
		backend_fd_replace(b, &b->ring[i].call_fd, -1);
		fd_close(&b->ring[i].err_fd);
		ring_init(&b->ring[i]);
	}
	backend_memory_replace(b, NULL);
	backend_log_replace(b, NULL);
	backend_inflight_replace(b, &none);
	b->features_set = false;
	b->features = b->protocol = 0;
	b->status = 0;
	b->held = 0;
	b->waiting[0] = '\0';
}

/* The framing: what no well-behaved front end gets wrong. */
static int
shape_check(const struct message_reader *request, const struct shape *shape, struct err *err)
{
	const struct vhost_header *h = &request->message.header;

	if (h->size < shape->size_min || h->size > shape->size_max)
		return err_set(err, -EPROTO, "%s: payload of %u bytes, %u to %u belong to it",
			shape->name, h->size, shape->size_min, shape->size_max);
	if (request->fd_count < shape->fds_min || request->fd_count > shape->fds_max)
		return err_set(err, -EPROTO, "%s: %u descriptors came, %u to %u belong to it",
			shape->name, request->fd_count, shape->fds_min, shape->fds_max);
	return 0;
}

/* The moment: what must have been said before. */
static int
state_check(const struct backend *b, const struct rule *rule, const char *name, struct err *err)
{
	if (rule->protocol != NO_FEATURE && !(b->protocol & VIRTIO_BIT(rule->protocol)))
		return err_set(err, -EOPNOTSUPP, "%s: protocol feature %d was not negotiated", name,
			rule->protocol);
	if ((rule->after & AFTER_FEATURES) && !b->features_set)
		return err_set(err, -EINVAL, "%s before SET_FEATURES", name);
	if ((rule->after & AFTER_MEMORY) && !b->memory)
		return err_set(err, -EINVAL, "%s before there is guest memory", name);
	return 0;
}

static int
reply_send(int socket, uint32_t request, const union vhost_payload *payload, uint32_t size, int fd,
	struct err *err)
{
	struct vhost_message reply = {
		.header = {request, VHOST_VERSION | VHOST_FLAG_REPLY, size},
		.payload = *payload,
	};
	char name[24];
	int rc = message_write(socket, &reply, &fd, fd >= 0);

	if (rc == -EAGAIN)
		return err_set(err, rc, "the front end does not read its answers");
	if (rc)
		return err_set(
			err, rc, "answering %s: %s", message_name(request, name), strerror(-rc));
	return 0;
}

/* The answer to a request that has none of its own, when one was asked for. */
static int
ack_send(struct backend *b, int socket, const struct vhost_header *h, int result, struct err *err)
{
	union vhost_payload payload = {.u64 = result ? 1 : 0};
	struct err failed;

	/* Out of memory half way: the front end may try again from the start. */
	if (result == -ENOMEM)
		return result;
	if (!(h->flags & VHOST_FLAG_NEED_REPLY) ||
		!(b->protocol & VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK)))
		return result;
	if (reply_send(socket, h->request, &payload, sizeof(payload.u64), -1, &failed)) {
		if (!result)
			*err = failed;
		return failed.code;
	}
	return result ? 1 : 0;
}

static int
request_execute(struct backend *b, struct exchange *x, const struct rule *rule,
	const struct shape *shape, struct err *err)
{
	int rc = state_check(b, rule, shape->name, err);

	if (!rc) {
		rc = rule->handler(b, x, err);
		if (rc)
			err_prefix(err, "%s", shape->name);
	}
	return rc;
}

int
backend_serve(struct backend *b, int socket, struct message_reader *request, struct err *err)
{
	const struct vhost_header *h = &request->message.header;
	/* On the wire the payload is not aligned. */
	union vhost_payload payload = request->message.payload;
	struct exchange x = {request, &payload, {0}, -1};
	const struct shape *shape;
	char name[24];
	int rc;

	memset(&x.reply, 0, sizeof(x.reply));
	if (h->flags & VHOST_FLAG_REPLY)
		return err_set(err, -EPROTO, "%s: an answer where a request belongs",
			message_name(h->request, name));
	if (h->request >= VHOST_REQUEST_MAX || !rules[h->request].handler) {
		err_set(err, -EOPNOTSUPP, "%s is not supported", message_name(h->request, name));
		return ack_send(b, socket, h, -EOPNOTSUPP, err);
	}
	shape = &shapes[h->request];
	rc = shape_check(request, shape, err);
	if (rc)
		return rc;
	rc = request_execute(b, &x, &rules[h->request], shape, err);
	if (!shape->reply)
		return ack_send(b, socket, h, rc, err);
	if (!rc)
		rc = reply_send(socket, h->request, &x.reply, shape->reply, x.reply_fd, err);
	fd_close(&x.reply_fd);
	return rc;
}

unsigned
backend_broken(struct backend *b, char *text, size_t size)
{
	unsigned count = 0;

	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		struct backend_ring *ring = &b->ring[i];
		enum vring_broken reason;

		if (!ring->vring || ring->broken)
			continue;
		reason = vring_broken(ring->vring);
		if (reason == VRING_OK)
			continue;
		ring->broken = true;
		if (ring->err_fd >= 0)
			eventfd_write(ring->err_fd, 1);
		if (!count++)
			snprintf(text, size, "ring %u: %s; the guest must reset it", i,
				vring_broken_text(reason));
	}
	return count;
}

bool
backend_is_broken(const struct backend *b)
{
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		if (b->ring[i].broken)
			return true;
	return false;
}

unsigned
backend_pairs_running(const struct backend *b)
{
	unsigned pairs = 0;

	while (pairs < b->options.queues && b->ring[2 * pairs].vring)
		pairs++;
	return pairs;
}

uint64_t
backend_calls(const struct backend *b)
{
	uint64_t calls = b->calls;

	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		struct vring_counters c;

		if (!b->ring[i].vring)
			continue;
		vring_counters(b->ring[i].vring, &c);
		calls += c.calls;
	}
	return calls;
}
