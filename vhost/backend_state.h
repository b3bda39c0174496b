/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend_state: what the parts of the back end share: the handlers of backend.c's table, and the
 * stopping and starting of rings (backend_run.c).
 *
 * A handler is called with a request whose size, descriptors and preconditions are right.  It
 * returns 0, or a negative errno with a text and everything as it was; -ENOMEM ends the connection.
 */
#ifndef VHOST_BACKEND_STATE_H
#define VHOST_BACKEND_STATE_H

#include "vhost/backend.h"

struct exchange {
	struct message_reader *request;
	const union vhost_payload *payload; /* the request's */
	union vhost_payload reply;          /* zeroed; sent when the request has a reply */
	int reply_fd;                       /* -1 = none; closed after it was sent */
};

typedef int (*backend_handler)(struct backend *b, struct exchange *x, struct err *err);

/* backend_features.c */
int backend_get_features(struct backend *b, struct exchange *x, struct err *err);
int backend_set_features(struct backend *b, struct exchange *x, struct err *err);
int backend_get_protocol_features(struct backend *b, struct exchange *x, struct err *err);
int backend_set_protocol_features(struct backend *b, struct exchange *x, struct err *err);
int backend_get_queue_num(struct backend *b, struct exchange *x, struct err *err);

/* backend_device.c */
int backend_set_owner(struct backend *b, struct exchange *x, struct err *err);
int backend_reset_owner(struct backend *b, struct exchange *x, struct err *err);
int backend_reset_device(struct backend *b, struct exchange *x, struct err *err);
int backend_set_status(struct backend *b, struct exchange *x, struct err *err);
int backend_get_status(struct backend *b, struct exchange *x, struct err *err);
int backend_send_rarp(struct backend *b, struct exchange *x, struct err *err);
int backend_net_set_mtu(struct backend *b, struct exchange *x, struct err *err);

/* backend_memory.c */
int backend_set_mem_table(struct backend *b, struct exchange *x, struct err *err);
int backend_get_max_mem_slots(struct backend *b, struct exchange *x, struct err *err);
int backend_add_mem_reg(struct backend *b, struct exchange *x, struct err *err);
int backend_rem_mem_reg(struct backend *b, struct exchange *x, struct err *err);

/* backend_log.c */
int backend_set_log_base(struct backend *b, struct exchange *x, struct err *err);
int backend_set_log_fd(struct backend *b, struct exchange *x, struct err *err);

/* backend_inflight.c */
int backend_get_inflight_fd(struct backend *b, struct exchange *x, struct err *err);
int backend_set_inflight_fd(struct backend *b, struct exchange *x, struct err *err);

/* backend_ring.c */
int backend_set_vring_num(struct backend *b, struct exchange *x, struct err *err);
int backend_set_vring_addr(struct backend *b, struct exchange *x, struct err *err);
int backend_set_vring_base(struct backend *b, struct exchange *x, struct err *err);
int backend_get_vring_base(struct backend *b, struct exchange *x, struct err *err);
int backend_set_vring_enable(struct backend *b, struct exchange *x, struct err *err);

/* backend_notify.c */
int backend_set_vring_kick(struct backend *b, struct exchange *x, struct err *err);
int backend_set_vring_call(struct backend *b, struct exchange *x, struct err *err);
int backend_set_vring_err(struct backend *b, struct exchange *x, struct err *err);

/* ---- rings ---- */

static inline bool
backend_packed(const struct backend *b)
{
	return b->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
}

/* Is this the number of a ring we offer?  -EINVAL with a text. */
int backend_ring_check(const struct backend *b, uint64_t index, struct err *err);

/* The rings that run. */
uint32_t backend_rings_running(const struct backend *b);

/*
 * Stops those of the mask that run, with one grace period; they remember where they were, unless a
 * worker is stuck in them.  What they used may be given up when this returns, by the functions below.
 */
void backend_rings_stop(struct backend *b, uint32_t mask);

/*
 * Put something in the place of what stopped rings used, and close or unmap the old, when no worker
 * uses it any more (datapath_release()).
 */
void backend_fd_replace(struct backend *b, int *fd, int with);
void backend_memory_replace(struct backend *b, struct guest_memory *with);
void backend_log_replace(struct backend *b, struct dirty_log *with);
void backend_inflight_replace(struct backend *b, const struct inflight_region *with);

/*
 * Starts every ring that can run and does not.  A ring whose addresses are not in the memory waits
 * for a better table and is told of in b->waiting; -ENOMEM is an error.
 */
int backend_rings_start(struct backend *b, struct err *err);

/*
 * Where the parts of a ring of `size` entries at `addr` are in our address space: checks
 * alignment, that each part lies in one region and that they do not overlap.  -EINVAL with a text.
 */
int backend_ring_translate(const struct backend *b, unsigned index,
	const struct vhost_vring_addr *addr, uint16_t size, struct vring_setup *setup,
	struct err *err);

/* Takes the ring back from the workers and its kick away: it waits for a new one. */
void backend_ring_reset(struct backend *b, unsigned index);

/* Is `size` one a ring may have with the features negotiated? */
bool backend_ring_size_ok(const struct backend *b, uint32_t size);

#endif
