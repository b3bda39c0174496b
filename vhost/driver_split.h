/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_split: the driver side of a split virtqueue (virtio 1.2, 2.7), part of driver_ring.
 *
 * Free descriptors are a list through chains[].next.  With IN_ORDER the list is the ring order
 * itself and never changes (2.7.5.1: next is x + 1, after the last 0): chains are freed in the
 * order in which they were added.
 */
#ifndef VHOST_DRIVER_SPLIT_H
#define VHOST_DRIVER_SPLIT_H

#include <errno.h>

#include "vhost/driver_state.h"

static inline void
driver_split_write(
	struct virtq_desc *desc, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	driver_store64(&desc->addr, gpa);
	driver_store64(&desc->len, len | (uint64_t)flags << 32 | (uint64_t)next << 48);
}

/* Records a chain whose descriptors stand, and puts its head into the available ring. */
static inline void
driver_split_record(
	struct driver_ring *ring, uint16_t head, unsigned count, uint32_t room, void *token)
{
	struct driver_chain *chain = &ring->chains[head];
	uint16_t *entry = &ring->avail->ring[ring->avail_idx & ring->mask];

	chain->token = token;
	chain->room = room;
	chain->count = (uint16_t)count;
	if (*entry != head)
		*entry = head;
	ring->avail_idx++;
	ring->added++;
	ring->in_flight++;
	ring->free -= (uint16_t)count;
}

static inline int
driver_split_add(struct driver_ring *ring, const struct driver_buf *bufs, unsigned out, unsigned in,
	void *token)
{
	unsigned count = out + in;
	uint16_t head = ring->next, at = head;
	uint32_t room = 0;

	if (count > ring->free)
		return -ENOSPC;
	for (unsigned i = 0; i < count; i++) {
		bool more = i + 1 < count;
		uint16_t next = ring->chains[at].next;
		uint16_t flags = more ? VIRTQ_DESC_F_NEXT : 0;

		if (i >= out) {
			flags |= VIRTQ_DESC_F_WRITE;
			room += bufs[i].len;
		}
		driver_split_write(
			&ring->desc[at], bufs[i].gpa, bufs[i].len, flags, more ? next : 0);
		at = next;
	}
	ring->next = at;
	driver_split_record(ring, head, count, room, token);
	return 0;
}

/* One descriptor with flags as given (an indirect table). */
static inline void
driver_split_add_one(struct driver_ring *ring, const struct driver_buf *buf, uint16_t flags,
	uint32_t room, void *token)
{
	uint16_t head = ring->next;

	ring->next = ring->chains[head].next;
	driver_split_write(&ring->desc[head], buf->gpa, buf->len, flags, 0);
	driver_split_record(ring, head, 1, room, token);
}

/* Chains of one descriptor each; the state is kept in registers meanwhile. */
static inline unsigned
driver_split_add_burst(struct driver_ring *ring, const struct driver_buf *bufs, void *const *tokens,
	unsigned count, uint16_t flags)
{
	struct driver_chain *chains = ring->chains;
	struct virtq_desc *desc = ring->desc;
	uint16_t *entries = ring->avail->ring;
	uint16_t at = ring->next, idx = ring->avail_idx, mask = ring->mask;

	if (count > ring->free)
		count = ring->free;
	for (unsigned i = 0; i < count; i++) {
		struct driver_chain *chain = &chains[at];
		uint16_t *entry = &entries[idx++ & mask];

		driver_split_write(&desc[at], bufs[i].gpa, bufs[i].len, flags, 0);
		chain->token = tokens[i];
		chain->room = flags & VIRTQ_DESC_F_WRITE ? bufs[i].len : 0;
		chain->count = 1;
		if (*entry != at)
			*entry = at;
		at = chain->next;
	}
	ring->next = at;
	ring->avail_idx = idx;
	ring->added += (uint16_t)count;
	ring->in_flight += (uint16_t)count;
	ring->free -= (uint16_t)count;
	return count;
}

static inline void
driver_split_publish(struct driver_ring *ring)
{
	__atomic_store_n(&ring->avail->idx, ring->avail_idx, __ATOMIC_RELEASE);
}

static inline bool
driver_split_needs_kick(struct driver_ring *ring)
{
	uint16_t new_index = ring->avail_idx;
	uint16_t old_index = new_index - ring->added;

	ring->added = 0;
	if (ring->event_idx) {
		const uint16_t *event = (const uint16_t *)&ring->used->ring[ring->size];

		return driver_crossed(
			__atomic_load_n(event, __ATOMIC_RELAXED), new_index, old_index);
	}
	return !(__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) & VIRTQ_USED_F_NO_NOTIFY);
}

static inline bool
driver_split_pending(const struct driver_ring *ring)
{
	return __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_idx;
}

/* Virtio 1.2, 2.7.8: one used entry may stand for a batch that ends with its id. */
static inline unsigned
driver_split_collect_in_order(struct driver_ring *ring, struct driver_used *used, unsigned max)
{
	const struct virtq_used_elem *entries = ring->used->ring;
	struct driver_chain *chains = ring->chains;
	uint16_t used_idx = ring->used_idx, at = ring->done, mask = ring->mask;
	uint16_t ready = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) - used_idx;
	uint32_t batch_id = ring->batch_id, batch_len = ring->batch_len;
	bool in_batch = ring->in_batch;
	unsigned n = 0, descs = 0;

	if (ready > ring->in_flight) {
		ring->broken = true;
		return 0;
	}
	if (max > ready)
		max = ready;
	for (; n < max; n++) {
		struct driver_chain *chain = &chains[at];
		uint16_t count = chain->count;

		if (!in_batch) {
			const struct virtq_used_elem *entry = &entries[used_idx & mask];

			batch_id = entry->id;
			batch_len = entry->len;
			in_batch = true;
			if (batch_id != at && (batch_id > mask || !chains[batch_id].count)) {
				ring->broken = true;
				break;
			}
		}
		used[n].token = chain->token;
		used[n].len = chain->room;
		if (batch_id == at) {
			used[n].len = batch_len;
			in_batch = false;
		}
		chain->count = 0;
		at = (at + count) & mask;
		descs += count;
		used_idx++;
	}
	/* A batch ends with the used index at the latest. */
	if (in_batch && n == ready)
		ring->broken = true;
	ring->used_idx = used_idx;
	ring->done = at;
	ring->batch_id = batch_id;
	ring->batch_len = batch_len;
	ring->in_batch = in_batch;
	ring->in_flight -= (uint16_t)n;
	ring->free += (uint16_t)descs;
	return n;
}

/* Gives the descriptors of a chain back to the free list. */
static inline void
driver_split_free(struct driver_ring *ring, uint16_t head)
{
	struct driver_chain *chains = ring->chains;
	uint16_t tail = head, count = chains[head].count;

	for (uint16_t i = 1; i < count; i++)
		tail = chains[tail].next;
	chains[tail].next = ring->next;
	chains[head].count = 0;
	ring->next = head;
	ring->free += count;
	ring->in_flight--;
}

static inline unsigned
driver_split_collect(struct driver_ring *ring, struct driver_used *used, unsigned max)
{
	uint16_t ready = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) - ring->used_idx;
	unsigned n;

	if (ready > ring->in_flight) {
		ring->broken = true;
		return 0;
	}
	for (n = 0; n < max && n < ready; n++) {
		const struct virtq_used_elem *entry =
			&ring->used->ring[ring->used_idx & ring->mask];
		uint32_t id = entry->id;

		if (id >= ring->size || !ring->chains[id].count) {
			ring->broken = true;
			break;
		}
		used[n].token = ring->chains[id].token;
		used[n].len = entry->len;
		driver_split_free(ring, (uint16_t)id);
		ring->used_idx++;
	}
	return n;
}

/* Virtio 1.2, 2.7.7: by used_event when EVENT_IDX is negotiated (flags stay 0), else by flags. */
static inline void
driver_split_set_event(struct driver_ring *ring, uint16_t event, uint16_t flags)
{
	if (ring->event_idx)
		__atomic_store_n(&ring->avail->ring[ring->size], event, __ATOMIC_RELAXED);
	else if (ring->avail->flags != flags)
		__atomic_store_n(&ring->avail->flags, flags, __ATOMIC_RELAXED);
}

#endif
