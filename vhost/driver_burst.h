/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_burst: many chains of one descriptor at a time, part of driver_ring, for traffic generators:
 * loops without branches over the part of a ring up to its end, and nothing read or written that
 * IN_ORDER makes superfluous.
 *
 * Tokens are the buffers' addresses; a buffer's guest physical address is its token plus a constant.
 *
 * A ring that buffers were collected from here is used through these functions from then on, until
 * it is reset; of driver_ring.h driver_ring_publish(), driver_ring_needs_kick() and what tells
 * numbers go with them.
 */
#ifndef VHOST_DRIVER_BURST_H
#define VHOST_DRIVER_BURST_H

#include "vhost/driver_ring.h"

/* Positions from `at` on that can be walked without coming to the end of the ring. */
static inline unsigned
driver_burst_run(const struct driver_ring *ring, unsigned at, unsigned count)
{
	unsigned left = ring->size - at;

	return count < left ? count : left;
}

static inline unsigned
driver_burst_after(const struct driver_ring *ring, unsigned at, unsigned count)
{
	at += count;
	return at >= ring->size ? at - ring->size : at;
}

static inline void
driver_burst_put_tokens(struct driver_chain *chains, uint8_t *const *tokens, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		chains[i].token = tokens[i];
}

static inline void
driver_burst_get_tokens(const struct driver_chain *chains, uint8_t **tokens, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tokens[i] = chains[i].token;
}

static inline void
driver_burst_write_word(uint32_t *at, uint64_t word)
{
	__builtin_memcpy(at, &word, sizeof(word));
}

/* ---- split, in order: position, id and entry of the available ring are the same number ---- */

static inline void
driver_burst_add_split_in_order(struct driver_ring *ring, uint8_t *const *tokens,
	const uint32_t *lens, unsigned count, uint64_t to_gpa, uint64_t word)
{
	unsigned at = ring->next;

	ring->avail_idx += (uint16_t)count;
	ring->next = (uint16_t)driver_burst_after(ring, at, count);
	while (count) {
		unsigned run = driver_burst_run(ring, at, count);
		struct virtq_desc *desc = &ring->desc[at];

		for (unsigned i = 0; i < run; i++) {
			desc[i].addr = (uintptr_t)tokens[i] + to_gpa;
			driver_burst_write_word(&desc[i].len, lens ? word | lens[i] : word);
		}
		driver_burst_put_tokens(&ring->chains[at], tokens, run);
		tokens += run;
		lens = lens ? lens + run : NULL;
		count -= run;
		at = 0;
	}
}

/*
 * The used index says it all when lengths do not matter.  Entries with lengths stand one per buffer:
 * 5.1.6.4 needs them all.
 */
static inline unsigned
driver_burst_collect_split_in_order(
	struct driver_ring *ring, uint8_t **tokens, uint32_t *lens, unsigned count)
{
	unsigned at = ring->done, left = count;

	ring->done = (uint16_t)driver_burst_after(ring, at, count);
	while (left) {
		unsigned run = driver_burst_run(ring, at, left), wrong = 0;
		const struct virtq_used_elem *entries = &ring->used->ring[at];

		driver_burst_get_tokens(&ring->chains[at], tokens, run);
		if (lens) {
			for (unsigned i = 0; i < run; i++) {
				wrong |= entries[i].id ^ (at + i);
				lens[i] = entries[i].len;
			}
			if (wrong) {
				ring->broken = true;
				return 0;
			}
			lens += run;
		}
		tokens += run;
		left -= run;
		at = 0;
	}
	return count;
}

/* ---- split ---- */

static inline void
driver_burst_add_split(struct driver_ring *ring, uint8_t *const *tokens, const uint32_t *lens,
	unsigned count, uint64_t to_gpa, uint64_t word)
{
	struct driver_chain *chains = ring->chains;
	struct virtq_desc *desc = ring->desc;
	uint16_t *entries = ring->avail->ring;
	unsigned at = ring->next, idx = ring->avail_idx, mask = ring->mask;

	for (unsigned i = 0; i < count; i++) {
		uint16_t *entry = &entries[idx++ & mask];

		desc[at].addr = (uintptr_t)tokens[i] + to_gpa;
		driver_store64(&desc[at].len, lens ? word | lens[i] : word);
		chains[at].token = tokens[i];
		chains[at].count = 1;
		if (*entry != at)
			*entry = (uint16_t)at;
		at = chains[at].next;
	}
	ring->next = (uint16_t)at;
	ring->avail_idx = (uint16_t)idx;
}

static inline unsigned
driver_burst_collect_split(
	struct driver_ring *ring, uint8_t **tokens, uint32_t *lens, unsigned count)
{
	const struct virtq_used_elem *entries = ring->used->ring;
	struct driver_chain *chains = ring->chains;
	unsigned used_idx = ring->used_idx, mask = ring->mask, next = ring->next, n;

	for (n = 0; n < count; n++) {
		const struct virtq_used_elem *entry = &entries[used_idx++ & mask];
		uint32_t id = entry->id;

		if (id > mask || !chains[id].count) {
			ring->broken = true;
			break;
		}
		if (lens)
			lens[n] = entry->len;
		tokens[n] = chains[id].token;
		chains[id].count = 0;
		chains[id].next = (uint16_t)next;
		next = id;
	}
	ring->next = (uint16_t)next;
	return n;
}

/* ---- packed ---- */

/* Writes descriptors up to the end of the ring; all but the first become visible at once. */
static inline void
driver_burst_write_packed(struct driver_ring *ring, unsigned at, uint8_t *const *tokens,
	const uint32_t *lens, unsigned count, uint64_t to_gpa, uint64_t word)
{
	struct virtq_packed_desc *desc = &ring->packed_desc[at];
	struct driver_chain *chains = ring->chains;
	unsigned free_id = ring->free_id;
	const bool in_order = ring->in_order;

	if (in_order)
		driver_burst_put_tokens(&chains[at], tokens, count);
	for (unsigned i = 0; i < count; i++) {
		unsigned id = in_order ? at + i : free_id;
		uint64_t own = word | (uint64_t)id << 32 | (lens ? lens[i] : 0);

		desc[i].addr = (uintptr_t)tokens[i] + to_gpa;
		if (!in_order) {
			chains[id].token = tokens[i];
			chains[id].count = 1;
			free_id = chains[id].next;
		}
		if (i == 0)
			driver_packed_store_head(ring, (uint16_t)at, own);
		else
			__atomic_store_n(driver_packed_at(&desc[i]), own, __ATOMIC_RELEASE);
	}
	ring->free_id = (uint16_t)free_id;
}

static inline void
driver_burst_add_packed(struct driver_ring *ring, uint8_t *const *tokens, const uint32_t *lens,
	unsigned count, uint64_t to_gpa, uint32_t len, uint16_t flags)
{
	unsigned at = ring->next;

	ring->next = (uint16_t)driver_burst_after(ring, at, count);
	while (count) {
		unsigned run = driver_burst_run(ring, at, count);

		driver_burst_write_packed(ring, at, tokens, lens, run, to_gpa,
			driver_packed_word(len, 0, ring->lap | flags));
		tokens += run;
		lens = lens ? lens + run : NULL;
		count -= run;
		at += run;
		if (at == ring->size) {
			at = 0;
			ring->lap ^= DRIVER_LAP_FLAGS;
		}
	}
}

/* One used descriptor per buffer. */
static inline unsigned
driver_burst_collect_packed(struct driver_ring *ring, uint8_t **tokens, uint32_t *lens,
	unsigned max, const bool in_order)
{
	struct virtq_packed_desc *desc = ring->packed_desc;
	struct driver_chain *chains = ring->chains;
	unsigned at = ring->done, size = ring->size, free_id = ring->free_id, n;
	bool lap = ring->used_lap;

	for (n = 0; n < max; n++) {
		uint64_t word = __atomic_load_n(driver_packed_at(&desc[at]), __ATOMIC_ACQUIRE);
		unsigned id = (uint16_t)(word >> 32);

		if (!driver_packed_is_used(word, lap))
			break;
		if (in_order ? id != at : id >= size || !chains[id].count) {
			ring->broken = true;
			break;
		}
		if (lens)
			lens[n] = (uint32_t)word;
		tokens[n] = chains[id].token;
		if (!in_order) {
			chains[id].count = 0;
			chains[id].next = (uint16_t)free_id;
			free_id = id;
		}
		if (++at == size) {
			at = 0;
			lap = !lap;
		}
	}
	ring->done = (uint16_t)at;
	ring->used_lap = lap;
	ring->free_id = (uint16_t)free_id;
	return n;
}

/* Virtio 1.2, 2.8.14: a used descriptor stands for all up to its id. */
static inline unsigned
driver_burst_collect_packed_batch(struct driver_ring *ring, uint8_t **tokens, unsigned max)
{
	unsigned at = ring->done, n = 0;

	while (n < max) {
		unsigned run;

		if (!ring->in_batch) {
			uint64_t word = __atomic_load_n(
				driver_packed_at(&ring->packed_desc[at]), __ATOMIC_ACQUIRE);

			if (!driver_packed_is_used(word, ring->used_lap))
				break;
			ring->batch_id = (uint16_t)(word >> 32);
			ring->in_batch = true;
		}
		run = ring->batch_id >= at ? ring->batch_id - at + 1 : ring->size - at;
		if (ring->batch_id >= ring->size || run > ring->in_flight - n) {
			ring->broken = true;
			break;
		}
		run = run < max - n ? run : max - n;
		driver_burst_get_tokens(&ring->chains[at], tokens + n, run);
		n += run;
		ring->in_batch = at + run != ring->batch_id + 1;
		at += run;
		if (at == ring->size) {
			at = 0;
			ring->used_lap = !ring->used_lap;
		}
	}
	ring->done = (uint16_t)at;
	return n;
}

/* ---- all ---- */

/*
 * The next `count` descriptors will be written: their lines are fetched from the device's cache
 * meanwhile.
 */
static inline void
driver_burst_prefetch(const struct driver_ring *ring, unsigned count)
{
	unsigned at = ring->next;

	for (unsigned i = 0; i < count; i += 64 / sizeof(struct virtq_desc))
		__builtin_prefetch(&ring->desc[driver_burst_after(ring, at, i)], 1);
}

/*
 * Adds buffers of lens[i] bytes, or of `len` bytes each when lens is NULL; as many as there is room
 * for, and returns how many.
 */
static inline unsigned
driver_burst_add(struct driver_ring *ring, uint8_t *const *tokens, const uint32_t *lens,
	unsigned count, uint64_t to_gpa, uint32_t len, bool writable)
{
	uint16_t flags = writable ? VIRTQ_DESC_F_WRITE : 0;
	uint64_t word = (uint64_t)flags << 32;

	if (lens)
		len = 0;
	if (count > ring->free)
		count = ring->free;
	if (ring->packed)
		driver_burst_add_packed(ring, tokens, lens, count, to_gpa, len, flags);
	else if (ring->in_order)
		driver_burst_add_split_in_order(ring, tokens, lens, count, to_gpa, word | len);
	else
		driver_burst_add_split(ring, tokens, lens, count, to_gpa, word | len);
	ring->added += (uint16_t)count;
	ring->in_flight += (uint16_t)count;
	ring->free -= (uint16_t)count;
	return count;
}

/*
 * Takes back up to max buffers.  With lens NULL the lengths do not matter (transmit rings), and a
 * device that uses IN_ORDER may report batches.
 */
static inline unsigned
driver_burst_collect(struct driver_ring *ring, uint8_t **tokens, uint32_t *lens, unsigned max)
{
	unsigned n;

	if (ring->broken)
		return 0;
	if (max > ring->in_flight)
		max = ring->in_flight;
	if (!ring->packed) {
		uint16_t ready =
			__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) - ring->used_idx;

		if (ready > ring->in_flight) {
			ring->broken = true;
			return 0;
		}
		if (max > ready)
			max = ready;
		n = ring->in_order ? driver_burst_collect_split_in_order(ring, tokens, lens, max)
				   : driver_burst_collect_split(ring, tokens, lens, max);
		ring->used_idx += (uint16_t)n;
	} else if (ring->in_order && !lens) {
		n = driver_burst_collect_packed_batch(ring, tokens, max);
	} else {
		n = driver_burst_collect_packed(ring, tokens, lens, max, ring->in_order);
	}
	ring->in_flight -= (uint16_t)n;
	ring->free += (uint16_t)n;
	return n;
}

#endif
