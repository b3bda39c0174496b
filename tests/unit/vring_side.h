/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_side: one guest of the ring tests: a virtio-net driver (vhost/driver_net.h) and the device
 * side of its rings (vhost/port_vhost.h) over the same memory, mapped twice.  No daemon: the tests
 * play the worker.
 */
#ifndef TESTS_UNIT_VRING_SIDE_H
#define TESTS_UNIT_VRING_SIDE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/datapath.h"
#include "vhost/driver_net.h"
#include "vhost/memory.h"
#include "vhost/port_vhost.h"
#include "vhost/vring_level.h"

struct side {
	struct driver_memory *memory;
	struct driver_net *net;
	struct guest_memory *table;
	struct vhost_rings device;
	struct vring *vring[2]; /* 0 receives (the port's tx), 1 transmits (the port's rx) */
	struct port_counters counters;
	const struct dirty_log *log; /* see side_log() */
	uint64_t features;
	uint64_t bytes; /* of memory */
	unsigned regions;
};

/* What the datapath would be told; the tests stand in for it. */
static unsigned broken_reports;

void
datapath_report_broken(struct port *port, unsigned queue, unsigned reason)
{
	(void)port;
	(void)queue;
	assert_int_not_equal(reason, VRING_OK);
	broken_reports++;
}

int
datapath_synchronize(void)
{
	return 0;
}

/* Maps the driver's memory as a back end does. */
static inline struct guest_memory *
side_map(const struct driver_memory *memory)
{
	struct guest_memory *table = NULL, *more;
	struct err err = {0};

	for (unsigned i = 0; i < memory->count; i++) {
		assert_int_equal(
			guest_memory_add(&more, table, &memory->regions[i], memory->fd, &err), 0);
		guest_memory_release(table);
		table = more;
	}
	return table;
}

/* The device side of a ring that the driver laid out. */
static inline struct vring *
side_vring(struct side *side, const struct frontend_ring *ring)
{
	struct vring_setup setup = {.size = ring->size,
		.features = side->features,
		.memory = side->table,
		.call_fd = ring->call_fd};
	bool packed = side->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	struct vring *vring;
	uint64_t reach;

	setup.desc =
		guest_memory_at(side->table, driver_memory_gpa(side->memory, ring->desc), &reach);
	setup.avail =
		guest_memory_at(side->table, driver_memory_gpa(side->memory, ring->driver), &reach);
	setup.used =
		guest_memory_at(side->table, driver_memory_gpa(side->memory, ring->device), &reach);
	setup.next = packed ? ring->base & 0x7fff : (uint16_t)ring->base;
	setup.next_wrap = ring->base >> 15 & 1;
	setup.log = side->log;
	setup.log_used = side->log != NULL;
	setup.used_gpa = driver_memory_gpa(side->memory, packed ? ring->desc : ring->device);
	setup.event_gpa = driver_memory_gpa(side->memory, ring->device);
	assert_int_equal(vring_create(&vring, &setup), 0);
	return vring;
}

/* Memory of sides that were closed: touched pages are what most of the time goes into. */
#define SIDE_KEPT 16

static struct {
	uint64_t bytes;
	unsigned regions;
	struct driver_memory *memory;
	struct guest_memory *table;
} side_kept[SIDE_KEPT];

static inline void
side_take_memory(struct side *side, uint64_t bytes, unsigned regions)
{
	struct driver_memory_options options = {.size = bytes, .regions = regions};
	struct err err = {0};

	for (unsigned i = 0; i < SIDE_KEPT; i++) {
		if (!side_kept[i].memory || side_kept[i].bytes != bytes ||
			side_kept[i].regions != regions)
			continue;
		side->memory = side_kept[i].memory;
		side->table = side_kept[i].table;
		side_kept[i].memory = NULL;
		driver_memory_rewind(side->memory, 0);
		return;
	}
	if (driver_memory_create(&side->memory, &options, &err))
		fail_msg("%s", err.text);
	side->table = side_map(side->memory);
}

static inline void
side_keep_memory(struct side *side, uint64_t bytes, unsigned regions)
{
	for (unsigned i = 0; i < SIDE_KEPT; i++) {
		if (side_kept[i].memory)
			continue;
		side_kept[i].bytes = bytes;
		side_kept[i].regions = regions;
		side_kept[i].memory = side->memory;
		side_kept[i].table = side->table;
		return;
	}
	guest_memory_release(side->table);
	driver_memory_destroy(side->memory);
}

/* At the end of the program. */
static inline int
side_forget(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIDE_KEPT; i++) {
		if (!side_kept[i].memory)
			continue;
		guest_memory_release(side_kept[i].table);
		driver_memory_destroy(side_kept[i].memory);
		side_kept[i].memory = NULL;
	}
	return 0;
}

/* The level of vectors that the environment asks for, if this processor has it. */
static inline void
side_choose_level(void)
{
	const char *name = getenv("VECTORS");
	struct err err;
	int rc = name ? vring_level_select(name, &err) : 0;

	if (rc == -ENOTSUP) {
		print_message("%s\n", err.text);
		skip();
	}
	assert_int_equal(rc, 0);
}

/* options->memory is made here, of `bytes` in `regions` adjacent regions. */
static inline void
side_open(struct side *side, const struct driver_net_options *options, uint64_t bytes,
	unsigned regions)
{
	struct driver_net_options o = *options;
	struct err err = {0};

	side_choose_level();
	memset(side, 0, sizeof(*side));
	port_init(&side->device.port, &vhost_rings_ops, "side", 1, 1);
	side->bytes = bytes;
	side->regions = regions;
	side_take_memory(side, bytes, regions);
	o.memory = side->memory;
	o.pairs = 1;
	side->features = o.features;
	if (driver_net_create(&side->net, &o, &err))
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < 2; i++) {
		struct frontend_ring ring;

		driver_net_ring(side->net, i, &ring);
		side->vring[i] = side_vring(side, &ring);
		vhost_rings_start(&side->device, i, side->vring[i]);
	}
}

/* Starts the rings anew with a dirty log, where they begin. */
static inline void
side_log(struct side *side, const struct dirty_log *log)
{
	struct vring *stopped[VHOST_RINGS_MAX];

	side->log = log;
	vhost_rings_stop(&side->device, 3, stopped);
	for (unsigned i = 0; i < 2; i++) {
		struct frontend_ring ring;

		vring_destroy(stopped[i]);
		driver_net_ring(side->net, i, &ring);
		side->vring[i] = side_vring(side, &ring);
		vhost_rings_start(&side->device, i, side->vring[i]);
	}
}

static inline void
side_close(struct side *side)
{
	struct vring *stopped[VHOST_RINGS_MAX];

	vhost_rings_stop(&side->device, 3, stopped);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(stopped[i], side->vring[i]);
		vring_destroy(stopped[i]);
	}
	driver_net_destroy(side->net);
	side_keep_memory(side, side->bytes, side->regions);
}

static inline uint64_t
side_drops(const struct side *side)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		sum += side->counters.drops[i];
	return sum;
}

/*
 * One visit of from's transmitq as a worker pays it that has no other queue; everything goes to `to`.
 * Returns the frames forwarded.
 */
static inline unsigned
side_forward(struct side *from, struct side *to, struct burst *burst)
{
	uint8_t all[FRAME_BURST];
	bool consumed;
	unsigned n = vhost_rings_ops.rx_peek(&from->device.port, 0);

	if (n)
		vhost_rings_ops.tx_peek(&to->device.port, 0, n);
	burst->count = 0;
	burst->segs_used = 0;
	burst->bytes = 0;
	consumed = vhost_rings_ops.rx(&from->device.port, 0, burst, &from->counters);
	if (burst->count) {
		for (unsigned i = 0; i < burst->count; i++)
			all[i] = (uint8_t)i;
		from->counters.rx_packets += burst->count;
		from->counters.rx_bytes += burst->bytes;
		/* The next queue of its list is this one again. */
		vhost_rings_ops.rx_peek(&from->device.port, 0);
		vhost_rings_ops.tx(
			&to->device.port, 0, burst->frames, all, burst->count, &to->counters);
		vhost_rings_ops.rx_done(&from->device.port, 0, burst);
		vhost_rings_ops.tx_flush(&to->device.port, 0);
	}
	if (consumed)
		vhost_rings_ops.rx_flush(&from->device.port, 0);
	return burst->count;
}

#endif
