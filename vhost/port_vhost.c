/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rx, tx and arm load the published ring once; what follows in the same turn goes on with that one.
 * The choice between the ring formats and levels of vectors is one indirect call per burst.
 */
#include <stddef.h>

#include "datapath/datapath.h"
#include "vhost/port_vhost.h"
#include "vhost/vring_impl.h"

#define RX_RING(queue) (2 * (queue) + 1)
#define TX_RING(queue) (2 * (queue))

static inline struct vring *
ring_published(struct port *port, unsigned index)
{
	struct vhost_rings *rings = (struct vhost_rings *)port;
	struct vring *vr = atomic_load_explicit(&rings->ring[index], memory_order_acquire);

	/* A ring that is not there says nothing about the one whose buffers are borrowed right now. */
	if (vr)
		rings->seen[port_worker] = vr;
	return vr;
}

static inline struct vring *
ring_load(struct port *port, unsigned index)
{
	struct vring *vr = ring_published(port, index);

	((struct vhost_rings *)port)->current[index] = vr;
	return vr;
}

static inline struct vring *
ring_current(struct port *port, unsigned index)
{
	struct vhost_rings *rings = (struct vhost_rings *)port;
	struct vring *vr = rings->current[index];

	if (vr)
		rings->seen[port_worker] = vr;
	return vr;
}

static inline unsigned
ring_peek(struct port *port, unsigned index, unsigned want, uint16_t write)
{
	struct vring *vr = ring_published(port, index);
	unsigned n;

	if (!vr || UNLIKELY(vring_is_broken(vr)))
		return 0;
	n = vr->path->peek(vr, want, write);
	/* From here on the ring is left alone: nobody else would say so. */
	if (UNLIKELY(vring_is_broken(vr)))
		datapath_report_broken(port, index, vring_broken(vr));
	return n;
}

static unsigned
vhost_rx_peek(struct port *port, unsigned queue)
{
	return ring_peek(port, RX_RING(queue), FRAME_BURST, 0);
}

static void
vhost_tx_peek(struct port *port, unsigned queue, unsigned count)
{
	ring_peek(port, TX_RING(queue), count, VIRTQ_DESC_F_WRITE);
}

static bool
vhost_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	struct vring *vr = ring_load(port, RX_RING(queue));
	bool consumed;

	if (!vr || UNLIKELY(vring_is_broken(vr)))
		return false;
	consumed = vr->path->rx(vr, burst, counters);
	if (UNLIKELY(vring_is_broken(vr)))
		datapath_report_broken(port, RX_RING(queue), vring_broken(vr));
	return consumed;
}

static void
vhost_rx_done(struct port *port, unsigned queue, struct burst *burst)
{
	struct vring *vr = ring_current(port, RX_RING(queue));

	(void)burst;
	vr->path->rx_done(vr);
}

static void
vhost_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct vring *vr = ring_load(port, TX_RING(queue));

	if (!vr || UNLIKELY(vring_is_broken(vr))) {
		counters->drops[DROP_PORT_DOWN] += count;
		return;
	}
	vr->path->tx(vr, frames, list, count, counters);
	if (UNLIKELY(vring_is_broken(vr)))
		datapath_report_broken(port, TX_RING(queue), vring_broken(vr));
}

static void
flush_ring(struct vring *vr)
{
	if (vr)
		vr->path->flush(vr);
}

static void
vhost_tx_flush(struct port *port, unsigned queue)
{
	flush_ring(ring_current(port, TX_RING(queue)));
}

static void
vhost_rx_flush(struct port *port, unsigned queue)
{
	flush_ring(ring_current(port, RX_RING(queue)));
}

static bool
vhost_rx_arm(struct port *port, unsigned queue)
{
	struct vring *vr = ring_load(port, RX_RING(queue));

	if (!vr || vring_is_broken(vr))
		return false;
	return vr->path->arm(vr);
}

static void
vhost_rx_disarm(struct port *port, unsigned queue)
{
	struct vring *vr = ring_load(port, RX_RING(queue));

	if (vr && !vring_is_broken(vr))
		vr->path->disarm(vr);
}

static inline bool
holds(const void *start, uint64_t size, const void *address)
{
	return (uintptr_t)address - (uintptr_t)start < size;
}

/*
 * In a signal handler: what is looked at was valid when the operation under way began.  The dirty log
 * and the inflight region are the front end's files as well.
 */
static bool
vhost_owns(struct port *port, const void *address)
{
	const struct vring *vr = ((struct vhost_rings *)port)->seen[port_worker];

	if (!vr)
		return false;
	for (unsigned i = 0; i < vr->memory->count; i++)
		if (holds(vr->memory->regions[i].host, vr->memory->regions[i].size, address))
			return true;
	return (vr->log && holds(vr->log->bits, vr->log->size, address)) ||
	       (vr->inflight && holds(vr->inflight, sizeof(*vr->inflight), address));
}

static void
vhost_fail(struct port *port)
{
	struct vhost_rings *rings = (struct vhost_rings *)port;

	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		struct vring *vr = atomic_load_explicit(&rings->ring[i], memory_order_acquire);

		if (vr)
			vring_break(vr, VRING_BROKEN_MEMORY);
	}
	datapath_report_broken(port, 0, VRING_BROKEN_MEMORY);
}

const struct port_ops vhost_rings_ops = {
	.type = "vhost-user",
	.rx_peek = vhost_rx_peek,
	.tx_peek = vhost_tx_peek,
	.rx = vhost_rx,
	.rx_done = vhost_rx_done,
	.tx = vhost_tx,
	.tx_flush = vhost_tx_flush,
	.rx_flush = vhost_rx_flush,
	.rx_arm = vhost_rx_arm,
	.rx_disarm = vhost_rx_disarm,
	.owns = vhost_owns,
	.fail = vhost_fail,
};

void
vhost_rings_start(struct vhost_rings *rings, unsigned index, struct vring *vring)
{
	atomic_store_explicit(&rings->ring[index], vring, memory_order_release);
}

int
vhost_rings_stop(struct vhost_rings *rings, uint32_t mask, struct vring *stopped[VHOST_RINGS_MAX])
{
	bool any = false;

	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		stopped[i] = NULL;
		if (mask >> i & 1)
			stopped[i] = atomic_exchange(&rings->ring[i], NULL);
		any |= stopped[i] != NULL;
	}
	return any ? datapath_synchronize() : 0;
}

unsigned
vhost_accepts(uint64_t features)
{
	static const struct {
		unsigned feature, offload;
	} rows[] = {
		{VIRTIO_NET_F_GUEST_TSO4, OFFLOAD_TSO4},
		{VIRTIO_NET_F_GUEST_TSO6, OFFLOAD_TSO6},
		{VIRTIO_NET_F_GUEST_ECN, OFFLOAD_ECN},
		{VIRTIO_NET_F_GUEST_UFO, OFFLOAD_UFO},
	};
	unsigned accepts = OFFLOAD_CSUM;

	if (!(features & VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (features & VIRTIO_BIT(rows[i].feature))
			accepts |= rows[i].offload;
	/* One offload here, two features there: a receiver takes both or none. */
	if ((features & VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO4)) &&
		(features & VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO6)))
		accepts |= OFFLOAD_USO;
	return accepts;
}
