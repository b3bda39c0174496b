/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "bench/device_ring.h"

#define PACKED_FLAGS (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)

void
device_ring_init(struct device_ring *r, const struct guest *g, unsigned index)
{
	const struct frontend_ring *place = &g->places[index];

	memset(r, 0, sizeof(*r));
	r->packed = g->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	r->batch = index == 1 && g->features & VIRTIO_BIT(VIRTIO_F_IN_ORDER);
	r->size = place->size;
	r->desc = place->desc;
	r->avail = place->driver;
	r->used = place->device;
	r->memory = g->memory->host - DRIVER_MEMORY_GPA;
	r->wrap = r->used_wrap = true;
	/* The device polls: no kicks. */
	if (r->packed)
		((struct virtq_packed_event *)place->device)->flags = VIRTQ_EVENT_DISABLE;
	else
		r->used->flags = VIRTQ_USED_F_NO_NOTIFY;
}

/* ---- taking ---- */

static bool
packed_is_available(const struct device_ring *r)
{
	uint16_t flags = __atomic_load_n(&r->packed_desc[r->next].flags, __ATOMIC_ACQUIRE);

	return (bool)(flags & VIRTQ_PACKED_F_AVAIL) == r->wrap &&
	       (bool)(flags & VIRTQ_PACKED_F_USED) != r->wrap;
}

unsigned
device_ring_ready(struct device_ring *r)
{
	if (r->packed)
		return packed_is_available(r);
	if (r->seen == r->next)
		r->seen = __atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE);
	return (uint16_t)(r->seen - r->next);
}

static void
add_segment(struct device_ring *r, struct device_chain *chain, uint64_t address, uint32_t length)
{
	chain->segments[chain->count++] = (struct device_segment){r->memory + address, length};
}

static void
take_split(struct device_ring *r, struct device_chain *chain)
{
	const struct virtq_desc *table = r->desc, *desc;
	uint16_t at = r->avail->ring[r->next++ & (r->size - 1)];

	chain->id = at;
	if (table[at].flags & VIRTQ_DESC_F_INDIRECT) {
		table = (const struct virtq_desc *)(r->memory + table[at].addr);
		at = 0;
	}
	do {
		desc = &table[at];
		add_segment(r, chain, desc->addr, desc->len);
		at = desc->next;
	} while (desc->flags & VIRTQ_DESC_F_NEXT && chain->count < GUEST_CHAIN_MAX);
	chain->descs = 1;
}

static void
take_packed(struct device_ring *r, struct device_chain *chain)
{
	const struct virtq_packed_desc *desc;

	do {
		desc = &r->packed_desc[r->next];
		if (desc->flags & VIRTQ_DESC_F_INDIRECT) {
			const struct virtq_packed_desc *table =
				(const struct virtq_packed_desc *)(r->memory + desc->addr);

			for (unsigned i = 0; i < desc->len / sizeof(*table); i++)
				add_segment(r, chain, table[i].addr, table[i].len);
		} else {
			add_segment(r, chain, desc->addr, desc->len);
		}
		chain->descs++;
		if (++r->next == r->size) {
			r->next = 0;
			r->wrap = !r->wrap;
		}
	} while (desc->flags & VIRTQ_DESC_F_NEXT && chain->count < GUEST_CHAIN_MAX);
	chain->id = desc->id;
}

bool
device_ring_take(struct device_ring *r, struct device_chain *chain)
{
	if (!device_ring_ready(r))
		return false;
	chain->count = 0;
	chain->descs = 0;
	if (r->packed)
		take_packed(r, chain);
	else
		take_split(r, chain);
	return true;
}

void
device_ring_untake(struct device_ring *r, const struct device_chain *chain)
{
	if (!r->packed) {
		r->next--;
		return;
	}
	if (r->next < chain->descs) {
		r->next += r->size;
		r->wrap = !r->wrap;
	}
	r->next -= chain->descs;
}

/* ---- giving ---- */

static void
give_split(struct device_ring *r, uint16_t id, uint32_t length)
{
	r->used->ring[r->used_idx & (r->size - 1)] = (struct virtq_used_elem){id, length};
}

static void
give_packed(struct device_ring *r, uint16_t id, uint32_t length)
{
	uint64_t word =
		length | (uint64_t)id << 32 | (r->used_wrap ? (uint64_t)PACKED_FLAGS << 48 : 0);

	if (r->given == 1 || r->batch) {
		r->held_at = r->used_idx;
		r->held_word = word;
		return;
	}
	__atomic_store_n(
		(uint64_t *)(void *)&r->packed_desc[r->used_idx].len, word, __ATOMIC_RELEASE);
}

static void
advance(struct device_ring *r, uint16_t descs)
{
	r->used_idx += r->packed ? descs : 1;
	if (r->packed && r->used_idx >= r->size) {
		r->used_idx -= r->size;
		r->used_wrap = !r->used_wrap;
	}
}

void
device_ring_give(struct device_ring *r, uint16_t id, uint16_t descs, uint32_t length)
{
	r->given++;
	if (r->batch) {
		r->last_id = id;
		r->last_count += descs;
		return;
	}
	if (r->packed)
		give_packed(r, id, length);
	else
		give_split(r, id, length);
	advance(r, descs);
}

void
device_ring_flush(struct device_ring *r)
{
	if (!r->given)
		return;
	if (r->batch && r->packed) {
		give_packed(r, r->last_id, 0);
		advance(r, r->last_count);
	} else if (r->batch) {
		give_split(r, r->last_id, 0);
		r->used_idx += r->given;
	}
	if (r->packed)
		__atomic_store_n((uint64_t *)(void *)&r->packed_desc[r->held_at].len, r->held_word,
			__ATOMIC_RELEASE);
	else
		__atomic_store_n(&r->used->idx, r->used_idx, __ATOMIC_RELEASE);
	r->given = 0;
	r->last_count = 0;
}
