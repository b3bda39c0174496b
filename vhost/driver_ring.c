/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "vhost/driver_ring.h"
#include "vhost/protocol.h"

static size_t
align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static size_t
driver_area_size(unsigned size, bool packed)
{
	if (packed)
		return sizeof(struct virtq_packed_event);
	return sizeof(struct virtq_avail) + (size + 1) * sizeof(uint16_t);
}

static size_t
device_area_size(unsigned size, bool packed)
{
	if (packed)
		return sizeof(struct virtq_packed_event);
	return sizeof(struct virtq_used) + size * sizeof(struct virtq_used_elem) + sizeof(uint16_t);
}

void
driver_ring_layout(struct driver_ring_layout *layout, unsigned size, bool packed)
{
	layout->desc = 0;
	layout->driver = align_up(size * sizeof(struct virtq_desc), 64);
	layout->device = align_up(layout->driver + driver_area_size(size, packed), 64);
	layout->size = align_up(layout->device + device_area_size(size, packed), 64);
}

static int
setup_check(const struct driver_ring_setup *setup)
{
	bool packed = setup->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);

	if (!setup->size || setup->size > VHOST_RING_SIZE_MAX)
		return -EINVAL;
	if (!packed && (setup->size & (setup->size - 1)))
		return -EINVAL;
	if (packed && (setup->start & (VIRTQ_EVENT_WRAP - 1)) >= setup->size)
		return -EINVAL;
	if (((uintptr_t)setup->desc & 15) || ((uintptr_t)setup->driver & 3) ||
		((uintptr_t)setup->device & 3) || ((uintptr_t)setup->tables & 15))
		return -EINVAL;
	return 0;
}

int
driver_ring_create(struct driver_ring **out, const struct driver_ring_setup *setup)
{
	struct driver_ring *ring;
	int rc = setup_check(setup);

	if (rc)
		return rc;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->chains = aligned_alloc(64, align_up(setup->size * sizeof(*ring->chains), 64));
	if (!ring->chains) {
		free(ring);
		return -ENOMEM;
	}
	ring->desc = setup->desc;
	ring->avail = setup->driver;
	ring->used = setup->device;
	ring->size = setup->size;
	ring->mask = setup->size - 1;
	ring->packed = setup->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	ring->in_order = setup->features & VIRTIO_BIT(VIRTIO_F_IN_ORDER);
	ring->event_idx = setup->features & VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX);
	if (setup->features & VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) && setup->tables) {
		ring->tables = setup->tables;
		ring->tables_gpa = setup->tables_gpa;
		ring->table_max = setup->table_max;
	}
	driver_ring_reset(ring, setup->start);
	*out = ring;
	return 0;
}

void
driver_ring_destroy(struct driver_ring *ring)
{
	if (!ring)
		return;
	free(ring->chains);
	free(ring);
}

/* With IN_ORDER descriptors are used in ring order; a split ring begins where its index stands. */
static void
reset_split(struct driver_ring *ring, uint16_t start)
{
	memset(ring->avail, 0, driver_area_size(ring->size, false));
	memset(ring->used, 0, device_area_size(ring->size, false));
	ring->avail_idx = start;
	ring->used_idx = start;
	ring->next = start & ring->mask;
	ring->avail->idx = start;
	ring->used->idx = start;
	/* Where chains have one descriptor each (driver_burst.h), these entries stay as they are. */
	for (unsigned i = 0; ring->in_order && i < ring->size; i++)
		ring->avail->ring[i] = (uint16_t)i;
}

/* Every descriptor looks as if it had been used in the lap before the one that comes to it. */
static void
reset_packed(struct driver_ring *ring, uint16_t start)
{
	bool lap = start & VIRTQ_EVENT_WRAP;

	for (unsigned i = 0; i < ring->size; i++) {
		bool before = i >= (start & (VIRTQ_EVENT_WRAP - 1u)) ? !lap : lap;

		ring->packed_desc[i].flags = before ? DRIVER_LAP_FLAGS : 0;
	}
	memset(ring->driver_event, 0, sizeof(*ring->driver_event));
	memset(ring->device_event, 0, sizeof(*ring->device_event));
	ring->next = start & (VIRTQ_EVENT_WRAP - 1);
	ring->lap = lap ? VIRTQ_PACKED_F_AVAIL : VIRTQ_PACKED_F_USED;
	ring->used_lap = lap;
	ring->free_id = 0;
	ring->held = false;
}

void
driver_ring_reset(struct driver_ring *ring, uint16_t start)
{
	memset(ring->desc, 0, ring->size * sizeof(*ring->desc));
	memset(ring->chains, 0, ring->size * sizeof(*ring->chains));
	for (unsigned i = 0; i < ring->size; i++)
		ring->chains[i].next = (uint16_t)(i + 1 < ring->size ? i + 1 : 0);
	if (ring->packed)
		reset_packed(ring, start);
	else
		reset_split(ring, start);
	ring->done = ring->next;
	ring->free = ring->size;
	ring->added = 0;
	ring->in_flight = 0;
	ring->in_batch = false;
	ring->broken = false;
}

void
driver_ring_each(const struct driver_ring *ring, void (*fn)(void *token, void *arg), void *arg)
{
	for (unsigned i = 0; i < ring->size; i++)
		if (ring->chains[i].count)
			fn(ring->chains[i].token, arg);
}

uint32_t
driver_ring_base(const struct driver_ring *ring)
{
	uint32_t at;

	if (!ring->packed)
		return ring->used_idx;
	at = ring->done | (ring->used_lap ? (uint32_t)VIRTQ_EVENT_WRAP : 0);
	return at | at << 16;
}

static uint32_t
fill_split_table(
	struct virtq_desc *table, const struct driver_buf *bufs, unsigned out, unsigned count)
{
	uint32_t room = 0;

	for (unsigned i = 0; i < count; i++) {
		uint16_t flags = i >= out ? VIRTQ_DESC_F_WRITE : 0;

		if (i >= out)
			room += bufs[i].len;
		if (i + 1 < count)
			flags |= VIRTQ_DESC_F_NEXT;
		table[i] = (struct virtq_desc){.addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = flags,
			.next = (uint16_t)(i + 1 < count ? i + 1 : 0)};
	}
	return room;
}

/* 2.8.8: the order is the table's; of the flags only WRITE has a meaning. */
static uint32_t
fill_packed_table(struct virtq_packed_desc *table, const struct driver_buf *bufs, unsigned out,
	unsigned count)
{
	uint32_t room = 0;

	for (unsigned i = 0; i < count; i++) {
		table[i] = (struct virtq_packed_desc){.addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = i >= out ? VIRTQ_DESC_F_WRITE : 0};
		if (i >= out)
			room += bufs[i].len;
	}
	return room;
}

int
driver_ring_add_indirect(struct driver_ring *ring, const struct driver_buf *bufs, unsigned out,
	unsigned in, void *token)
{
	unsigned count = out + in;
	struct virtq_desc *table;
	struct driver_buf buf;
	uint16_t id;
	uint32_t room;

	if (!ring->tables || count > ring->table_max)
		return -EINVAL;
	if (!ring->free)
		return -ENOSPC;
	id = ring->packed ? driver_packed_take_id(ring) : ring->next;
	table = ring->tables + (size_t)id * ring->table_max;
	buf.gpa = ring->tables_gpa + (size_t)id * ring->table_max * sizeof(*table);
	buf.len = (uint32_t)(count * sizeof(*table));
	if (ring->packed) {
		room = fill_packed_table((struct virtq_packed_desc *)table, bufs, out, count);
		driver_packed_add_one(ring, id, &buf, VIRTQ_DESC_F_INDIRECT, room, token);
	} else {
		room = fill_split_table(table, bufs, out, count);
		driver_split_add_one(ring, &buf, VIRTQ_DESC_F_INDIRECT, room, token);
	}
	return 0;
}
