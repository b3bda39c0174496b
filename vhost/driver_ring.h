/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_ring: the driver side of one virtqueue, split or packed (virtio 1.2, 2.7 and 2.8), for
 * launcher, bench and tests.
 *
 * The caller lays out guest memory; the ring writes descriptors into it and keeps its own state in
 * private memory.  Nothing here allocates or makes a system call after driver_ring_create(); kick
 * and call descriptors are the caller's business:
 *
 *	driver_ring_add(...); driver_ring_add(...);	any number of chains, invisible so far
 *	driver_ring_publish(ring);			the device sees them all
 *	if (driver_ring_needs_kick(ring))
 *		eventfd_write(kick, 1);
 *	n = driver_ring_collect(ring, used, 64);	chains that came back
 *
 * To sleep until chains come back: driver_ring_enable(), and only when that says that none are
 * there, wait for the call descriptor; after waking driver_ring_disable(), collect, and so on.
 *
 * What the device gives back is checked (ids in use, indexes within the ring).  After a violation
 * driver_ring_broken() is true and collect returns nothing any more, until driver_ring_reset().
 *
 * Threads: a ring belongs to one thread at a time.
 */
#ifndef VHOST_DRIVER_RING_H
#define VHOST_DRIVER_RING_H

#include <stddef.h>

#include "vhost/driver_packed.h"
#include "vhost/driver_split.h"

/* Where the three parts stand, as offsets from a 64-byte aligned start, and the bytes in all. */
struct driver_ring_layout {
	size_t desc, driver, device, size;
};

/* Virtio 1.2, 2.7 and 2.8: size 1..32768, for split rings a power of two. */
void driver_ring_layout(struct driver_ring_layout *layout, unsigned size, bool packed);

struct driver_ring_setup {
	void *desc;   /* descriptor table / descriptor ring, 16-byte aligned */
	void *driver; /* available ring / driver event suppression, 4-byte aligned */
	void *device; /* used ring / device event suppression, 4-byte aligned */
	uint16_t size;
	uint64_t features; /* negotiated: RING_PACKED, IN_ORDER, EVENT_IDX, INDIRECT_DESC count */
	/*
	 * Where to start: split: the available and used index; packed: position, and the wrap
	 * counter in bit 15.  DRIVER_RING_START() is what a device assumes after a reset.
	 */
	uint16_t start;
	/* Guest memory for indirect tables: size * table_max * 16 bytes.  NULL = none. */
	void *tables;
	uint64_t tables_gpa;
	uint16_t table_max;
};

#define DRIVER_RING_START(packed) ((uint16_t)((packed) ? VIRTQ_EVENT_WRAP : 0))

/* Writes an empty ring into guest memory.  -EINVAL (size, start, alignment), -ENOMEM. */
int driver_ring_create(struct driver_ring **ring, const struct driver_ring_setup *setup);
/* NULL is fine.  Guest memory is not touched. */
void driver_ring_destroy(struct driver_ring *ring);
/* Forgets all chains and writes an empty ring again, as after a device reset. */
void driver_ring_reset(struct driver_ring *ring, uint16_t start);
/* Calls fn for each chain that did not come back, in no particular order. */
void driver_ring_each(
	const struct driver_ring *ring, void (*fn)(void *token, void *arg), void *arg);

/*
 * The value for SET_VRING_BASE that continues this ring at a device that lost its own position: the
 * first chain that has not come back.  Exact when the device completes in order.  Split: an index;
 * packed: position and wrap counter, twice.  Chains that came back must have been collected.
 */
uint32_t driver_ring_base(const struct driver_ring *ring);

/*
 * Adds a chain as one descriptor that leads to an indirect table (2.7.5.3, 2.8.8).  The ring needs
 * INDIRECT_DESC and tables of at least out + in entries.  0, -ENOSPC, or -EINVAL without them.
 */
int driver_ring_add_indirect(struct driver_ring *ring, const struct driver_buf *bufs, unsigned out,
	unsigned in, void *token);

/*
 * Adds a chain of `out` buffers to be read and then `in` buffers to be written by the device;
 * out + in >= 1.  `token` comes back with the chain.  0, or -ENOSPC: nothing was added.
 */
static inline int
driver_ring_add(struct driver_ring *ring, const struct driver_buf *bufs, unsigned out, unsigned in,
	void *token)
{
	if (ring->packed)
		return driver_packed_add(ring, bufs, out, in, token);
	return driver_split_add(ring, bufs, out, in, token);
}

/* Adds chains of one buffer each, as many as there is room for, and returns how many. */
static inline unsigned
driver_ring_add_burst(struct driver_ring *ring, const struct driver_buf *bufs, void *const *tokens,
	unsigned count, bool writable)
{
	uint16_t flags = writable ? VIRTQ_DESC_F_WRITE : 0;

	if (ring->packed)
		return driver_packed_add_burst(ring, bufs, tokens, count, flags);
	return driver_split_add_burst(ring, bufs, tokens, count, flags);
}

/* Makes everything added so far visible to the device. */
static inline void
driver_ring_publish(struct driver_ring *ring)
{
	if (ring->packed)
		driver_packed_publish(ring);
	else
		driver_split_publish(ring);
}

/*
 * After publish: must the device be told?  Covers everything published since the last call
 * (2.7.10, 2.8.10); costs a full memory barrier.
 */
static inline bool
driver_ring_needs_kick(struct driver_ring *ring)
{
	if (!ring->added)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->packed ? driver_packed_needs_kick(ring) : driver_split_needs_kick(ring);
}

/* The same where a full memory barrier stands between the publication and this call. */
static inline bool
driver_ring_needs_kick_fenced(struct driver_ring *ring)
{
	if (!ring->added)
		return false;
	return ring->packed ? driver_packed_needs_kick(ring) : driver_split_needs_kick(ring);
}

/* Takes back up to max chains that the device has finished with. */
static inline unsigned
driver_ring_collect(struct driver_ring *ring, struct driver_used *used, unsigned max)
{
	if (ring->broken)
		return 0;
	if (ring->packed)
		return ring->in_order ? driver_packed_collect_in_order(ring, used, max)
				      : driver_packed_collect(ring, used, max);
	return ring->in_order ? driver_split_collect_in_order(ring, used, max)
			      : driver_split_collect(ring, used, max);
}

/* Is there something to collect? */
static inline bool
driver_ring_pending(const struct driver_ring *ring)
{
	return ring->packed ? driver_packed_pending(ring) : driver_split_pending(ring);
}

/* Asks for no calls from the device; a hint: one may still come (2.7.7, 2.8.10). */
static inline void
driver_ring_disable(struct driver_ring *ring)
{
	if (ring->packed)
		driver_packed_set_event(ring, 0, VIRTQ_EVENT_DISABLE);
	else
		driver_split_set_event(ring, ring->used_idx - 1, VIRTQ_AVAIL_F_NO_INTERRUPT);
}

/*
 * Asks for a call when chains come back: with EVENT_IDX once, at the `after`-th one (1 = the next;
 * at most the ring size; packed rings count descriptors), without it at each.  Returns true when
 * there is something to collect already: then no call may follow for it.
 */
static inline bool
driver_ring_enable(struct driver_ring *ring, unsigned after)
{
	if (ring->packed) {
		uint32_t at = ring->done + after - 1;
		bool lap = ring->used_lap;

		if (at >= ring->size) {
			at -= ring->size;
			lap = !lap;
		}
		driver_packed_set_event(ring, (uint16_t)(at | (lap ? VIRTQ_EVENT_WRAP : 0)),
			ring->event_idx ? VIRTQ_EVENT_DESC : VIRTQ_EVENT_ENABLE);
	} else {
		driver_split_set_event(ring, (uint16_t)(ring->used_idx + after - 1), 0);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return driver_ring_pending(ring);
}

/* Free descriptors; a chain takes one per buffer, an indirect one takes one. */
static inline unsigned
driver_ring_free(const struct driver_ring *ring)
{
	return ring->free;
}

/* Chains added and not yet collected. */
static inline unsigned
driver_ring_in_flight(const struct driver_ring *ring)
{
	return ring->in_flight;
}

static inline bool
driver_ring_broken(const struct driver_ring *ring)
{
	return ring->broken;
}

#endif
