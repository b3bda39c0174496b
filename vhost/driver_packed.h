/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_packed: the driver side of a packed virtqueue (virtio 1.2, 2.8), part of driver_ring.
 *
 * Buffer ids: with IN_ORDER the position of the chain's first descriptor, so that "the last buffer
 * of the batch" (2.8.14) can be counted up to; else from a list of free ids through chains[].next.
 *
 * A descriptor's second eight bytes (length, id, flags) are written in one store.  The head of the
 * first chain after a publish is held back until the next publish: the device follows the ring in
 * order, so nothing behind it is seen earlier.
 */
#ifndef VHOST_DRIVER_PACKED_H
#define VHOST_DRIVER_PACKED_H

#include <errno.h>

#include "vhost/driver_state.h"

#define DRIVER_LAP_FLAGS (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)

static inline uint64_t
driver_packed_word(uint32_t len, uint16_t id, uint16_t flags)
{
	return len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

/* Where the word of a descriptor stands. */
static inline uint64_t *
driver_packed_at(struct virtq_packed_desc *desc)
{
	return (uint64_t *)(void *)&desc->len;
}

static inline void
driver_packed_store_head(struct driver_ring *ring, uint16_t at, uint64_t word)
{
	if (ring->held) {
		__atomic_store_n(driver_packed_at(&ring->packed_desc[at]), word, __ATOMIC_RELEASE);
		return;
	}
	ring->held = true;
	ring->held_at = at;
	ring->held_word = word;
}

static inline uint16_t
driver_packed_take_id(struct driver_ring *ring)
{
	uint16_t id = ring->free_id;

	if (ring->in_order)
		return ring->next;
	ring->free_id = ring->chains[id].next;
	return id;
}

static inline void
driver_packed_advance(struct driver_ring *ring)
{
	if (++ring->next == ring->size) {
		ring->next = 0;
		ring->lap ^= DRIVER_LAP_FLAGS;
	}
}

static inline void
driver_packed_record(
	struct driver_ring *ring, uint16_t id, unsigned count, uint32_t room, void *token)
{
	struct driver_chain *chain = &ring->chains[id];

	chain->token = token;
	chain->room = room;
	chain->count = (uint16_t)count;
	ring->added += (uint16_t)count;
	ring->in_flight++;
	ring->free -= (uint16_t)count;
}

static inline int
driver_packed_add(struct driver_ring *ring, const struct driver_buf *bufs, unsigned out,
	unsigned in, void *token)
{
	unsigned count = out + in;
	uint16_t head = ring->next, id;
	uint64_t head_word = 0;
	uint32_t room = 0;

	if (count > ring->free)
		return -ENOSPC;
	id = driver_packed_take_id(ring);
	for (unsigned i = 0; i < count; i++) {
		struct virtq_packed_desc *desc = &ring->packed_desc[ring->next];
		uint16_t flags = ring->lap;
		uint64_t word;

		if (i + 1 < count)
			flags |= VIRTQ_DESC_F_NEXT;
		if (i >= out) {
			flags |= VIRTQ_DESC_F_WRITE;
			room += bufs[i].len;
		}
		word = driver_packed_word(bufs[i].len, id, flags);
		desc->addr = bufs[i].gpa;
		if (i == 0)
			head_word = word;
		else
			__atomic_store_n(driver_packed_at(desc), word, __ATOMIC_RELAXED);
		driver_packed_advance(ring);
	}
	driver_packed_record(ring, id, count, room, token);
	driver_packed_store_head(ring, head, head_word);
	return 0;
}

/* One descriptor with flags as given (an indirect table); `id` was taken for it. */
static inline void
driver_packed_add_one(struct driver_ring *ring, uint16_t id, const struct driver_buf *buf,
	uint16_t flags, uint32_t room, void *token)
{
	uint16_t head = ring->next;
	uint64_t word = driver_packed_word(buf->len, id, ring->lap | flags);

	ring->packed_desc[head].addr = buf->gpa;
	driver_packed_advance(ring);
	driver_packed_record(ring, id, 1, room, token);
	driver_packed_store_head(ring, head, word);
}

/* Chains of one descriptor each; the state is kept in registers meanwhile. */
static inline unsigned
driver_packed_add_burst(struct driver_ring *ring, const struct driver_buf *bufs,
	void *const *tokens, unsigned count, uint16_t flags)
{
	struct virtq_packed_desc *ring_desc = ring->packed_desc;
	struct driver_chain *chains = ring->chains;
	uint16_t at = ring->next, lap = ring->lap, size = ring->size, free_id = ring->free_id;
	bool in_order = ring->in_order;

	if (count > ring->free)
		count = ring->free;
	for (unsigned i = 0; i < count; i++) {
		uint16_t id = in_order ? at : free_id;
		uint64_t word = driver_packed_word(bufs[i].len, id, lap | flags);
		struct driver_chain *chain = &chains[id];

		ring_desc[at].addr = bufs[i].gpa;
		if (ring->held)
			__atomic_store_n(driver_packed_at(&ring_desc[at]), word, __ATOMIC_RELEASE);
		else
			driver_packed_store_head(ring, at, word);
		free_id = chain->next;
		chain->token = tokens[i];
		chain->room = flags & VIRTQ_DESC_F_WRITE ? bufs[i].len : 0;
		chain->count = 1;
		if (++at == size) {
			at = 0;
			lap ^= DRIVER_LAP_FLAGS;
		}
	}
	ring->next = at;
	ring->lap = lap;
	ring->free_id = free_id;
	ring->added += (uint16_t)count;
	ring->in_flight += (uint16_t)count;
	ring->free -= (uint16_t)count;
	return count;
}

static inline void
driver_packed_publish(struct driver_ring *ring)
{
	if (!ring->held)
		return;
	ring->held = false;
	__atomic_store_n(driver_packed_at(&ring->packed_desc[ring->held_at]), ring->held_word,
		__ATOMIC_RELEASE);
}

static inline bool
driver_packed_needs_kick(struct driver_ring *ring)
{
	uint16_t old_index = ring->next - ring->added, off_wrap, event;
	bool lap = ring->lap & VIRTQ_PACKED_F_AVAIL;
	uint32_t both;

	ring->added = 0;
	/* One load, so that offset and flags belong together. */
	both = __atomic_load_n(
		(const uint32_t *)(const void *)ring->device_event, __ATOMIC_RELAXED);
	if (!ring->event_idx || (both >> 16 & 3) != VIRTQ_EVENT_DESC)
		return (both >> 16 & 3) != VIRTQ_EVENT_DISABLE;
	off_wrap = (uint16_t)both;
	event = off_wrap & (VIRTQ_EVENT_WRAP - 1);
	if ((bool)(off_wrap & VIRTQ_EVENT_WRAP) != lap)
		event -= ring->size;
	return driver_crossed(event, ring->next, old_index);
}

static inline bool
driver_packed_is_used(uint64_t word, bool lap)
{
	unsigned flags = (unsigned)(word >> 48) & DRIVER_LAP_FLAGS;

	return flags == (lap ? DRIVER_LAP_FLAGS : 0u);
}

static inline bool
driver_packed_pending(const struct driver_ring *ring)
{
	uint64_t word;

	if (!ring->in_flight)
		return false;
	if (ring->in_batch)
		return true;
	word = __atomic_load_n(driver_packed_at(&ring->packed_desc[ring->done]), __ATOMIC_ACQUIRE);
	return driver_packed_is_used(word, ring->used_lap);
}

/* Virtio 1.2, 2.8.14: one used descriptor may stand for a batch that ends with its id. */
static inline unsigned
driver_packed_collect_in_order(struct driver_ring *ring, struct driver_used *used, unsigned max)
{
	struct driver_chain *chains = ring->chains;
	uint16_t at = ring->done, size = ring->size;
	uint32_t batch_id = ring->batch_id, batch_len = ring->batch_len;
	bool in_batch = ring->in_batch, lap = ring->used_lap;
	unsigned n = 0, descs = 0;

	if (max > ring->in_flight)
		max = ring->in_flight;
	for (; n < max; n++) {
		struct driver_chain *chain = &chains[at];

		if (!in_batch) {
			uint64_t word = __atomic_load_n(
				driver_packed_at(&ring->packed_desc[at]), __ATOMIC_ACQUIRE);

			if (!driver_packed_is_used(word, lap))
				break;
			batch_id = (uint16_t)(word >> 32);
			batch_len = (uint32_t)word;
			if (batch_id >= size || !chains[batch_id].count) {
				ring->broken = true;
				break;
			}
			in_batch = true;
		}
		used[n].token = chain->token;
		used[n].len = chain->room;
		if (batch_id == at) {
			used[n].len = batch_len;
			in_batch = false;
		}
		descs += chain->count;
		at += chain->count;
		chain->count = 0;
		if (at >= size) {
			at -= size;
			lap = !lap;
		}
	}
	ring->done = at;
	ring->used_lap = lap;
	ring->batch_id = batch_id;
	ring->batch_len = batch_len;
	ring->in_batch = in_batch;
	ring->in_flight -= (uint16_t)n;
	ring->free += (uint16_t)descs;
	return n;
}

static inline unsigned
driver_packed_collect(struct driver_ring *ring, struct driver_used *used, unsigned max)
{
	unsigned n;

	for (n = 0; n < max && ring->in_flight; n++) {
		uint64_t word = __atomic_load_n(
			driver_packed_at(&ring->packed_desc[ring->done]), __ATOMIC_ACQUIRE);
		uint16_t id = (uint16_t)(word >> 32);
		struct driver_chain *chain;

		if (!driver_packed_is_used(word, ring->used_lap))
			break;
		if (id >= ring->size || !ring->chains[id].count) {
			ring->broken = true;
			break;
		}
		chain = &ring->chains[id];
		used[n].token = chain->token;
		used[n].len = (uint32_t)word;
		ring->done += chain->count;
		if (ring->done >= ring->size) {
			ring->done -= ring->size;
			ring->used_lap = !ring->used_lap;
		}
		ring->free += chain->count;
		ring->in_flight--;
		chain->count = 0;
		chain->next = ring->free_id;
		ring->free_id = id;
	}
	return n;
}

/* Virtio 1.2, 2.8.10: the offset stands before the flags that make it valid. */
static inline void
driver_packed_set_event(struct driver_ring *ring, uint16_t off_wrap, uint16_t flags)
{
	__atomic_store_n(&ring->driver_event->off_wrap, off_wrap, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->driver_event->flags, flags, __ATOMIC_RELEASE);
}

#endif
