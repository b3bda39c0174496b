/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frontend_state: what the files of the front end share: frontend.c (connection and handshake),
 * frontend_request.c (one request), frontend_device.c (memory, rings, log).
 */
#ifndef VHOST_FRONTEND_STATE_H
#define VHOST_FRONTEND_STATE_H

#include "lib/unix_socket.h"
#include "vhost/frontend.h"
#include "vhost/message.h"
#include "vhost/virtio.h"

struct frontend {
	struct frontend_options options;
	struct unix_socket listener;
	int socket; /* -1 = not connected */
	struct message_reader reader;

	uint64_t offered, features, protocol_features, queue_pairs, mem_slots;
	bool started_once; /* features may not shrink any more */
	bool logging;
	bool memory_sent; /* region by region; stays with the connection */

	unsigned ring_count;
	struct frontend_ring rings[FRONTEND_RINGS_MAX];

	int log_fd, inflight_fd; /* -1 = none yet */
	uint8_t *log;
	size_t log_size;
	struct vhost_inflight inflight;
	void *inflight_map;
	size_t inflight_map_size;
};

static inline bool
has_protocol(const struct frontend *f, unsigned bit)
{
	return f->protocol_features & VIRTIO_BIT(bit);
}

static inline int
timeout_of(const struct frontend *f)
{
	return f->options.timeout_ms ? f->options.timeout_ms : FRONTEND_TIMEOUT_MS;
}

/* A request whose answer has a payload of exactly `want` bytes; the answer replaces the message. */
int request_get(struct frontend *f, struct vhost_message *message, uint32_t want, struct err *err);
/* A request without an answer of its own: acknowledged where that is negotiated. */
int request_set(struct frontend *f, struct vhost_message *message, const int *fds,
	unsigned fd_count, struct err *err);
int request_get_u64(struct frontend *f, uint32_t request, uint64_t *value, struct err *err);
int request_set_u64(struct frontend *f, uint32_t request, uint64_t value, struct err *err);
int request_set_nothing(struct frontend *f, uint32_t request, struct err *err);
int request_set_state(
	struct frontend *f, uint32_t request, unsigned index, uint32_t num, struct err *err);
/* SET_VRING_KICK and _CALL; -1 sends the bit that says there is none. */
int request_set_ring_fd(
	struct frontend *f, uint32_t request, unsigned index, int fd, struct err *err);
/* Everything sent before has been handled when this returns. */
int request_barrier(struct frontend *f, struct err *err);

#endif
