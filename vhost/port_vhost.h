/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_vhost: the packet path of a vhost-user port: port operations over published rings.
 *
 * The protocol side (vhost/backend.c) starts and stops rings; everything here between start and
 * stop is the workers'.  Ring numbers are virtio's: 2q is receiveq of pair q (the port's transmit
 * queue q), 2q + 1 is transmitq of pair q (the port's receive queue q).
 */
#ifndef VHOST_PORT_VHOST_H
#define VHOST_PORT_VHOST_H

#include "datapath/port.h"
#include "vhost/vring.h"

#define VHOST_RINGS_MAX (2 * PORT_QUEUES_MAX)

struct vhost_rings {
	struct port port;                              /* what the datapath sees */
	_Atomic(struct vring *) ring[VHOST_RINGS_MAX]; /* published; NULL = stopped */
	/*
	 * The worker's: the ring it used in this turn.  A ring that is stopped in the middle of a turn
	 * is still completed and flushed in that turn; the grace period ends after it.
	 */
	struct vring *current[VHOST_RINGS_MAX];
	/* Each worker's: the ring it used in its last operation on this port. */
	const struct vring *seen[WORKER_MAX];
};

/* The operations; `destroy` is the protocol side's to fill in. */
extern const struct port_ops vhost_rings_ops;

/* Publishes a ring.  The caller watches its kick descriptor (datapath_port_watch) itself. */
void vhost_rings_start(struct vhost_rings *rings, unsigned index, struct vring *vring);

/*
 * Takes back the rings whose bits are set in `mask`, with one grace period for all of them, so that
 * no worker uses them any more.  stopped[i] is the ring or NULL when it was not running.
 * -ETIMEDOUT: a worker is stuck and may use them still (datapath_release()).
 */
int vhost_rings_stop(
	struct vhost_rings *rings, uint32_t mask, struct vring *stopped[VHOST_RINGS_MAX]);

/* The OFFLOAD_... that a driver with these negotiated features accepts when it receives. */
unsigned vhost_accepts(uint64_t features);

#endif
