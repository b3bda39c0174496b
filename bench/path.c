/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * path: what the packet path costs, without control plane, sockets or guests.
 *
 * One worker on one CPU, two vhost ports whose rings this process drives itself from another CPU:
 * every frame received is sent back with its addresses swapped, in place.  Reports the worker's
 * cycles per packet over many short windows: the lowest tenth tells what the code costs when nothing
 * else disturbs it.  For figures against other switches see `patchbay bench`.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "datapath/datapath.h"
#include "lib/clock.h"
#include "vhost/driver_memory.h"
#include "vhost/driver_ring.h"
#include "vhost/memory.h"
#include "vhost/port_vhost.h"

#define BURST     32
#define BUFFER    2048
#define WINDOWS   200
#define WINDOW_US 5000
#define DIE(...)  (fprintf(stderr, "path: " __VA_ARGS__), fputc('\n', stderr), exit(1))

struct side {
	struct vhost_rings device;
	struct driver_ring *rx, *tx;
	uint64_t gpa; /* of the buffers */
	uint8_t *host;
};

static struct {
	unsigned size, ring, flight;
	bool packed, in_order, mergeable, big, huge;
} options = {.size = 64, .ring = 1024, .flight = 1024};

static struct driver_memory *memory;
static struct guest_memory *table;
static uint64_t features;

static struct driver_ring *
ring_open(struct side *side, unsigned index)
{
	struct driver_ring_layout layout;
	struct driver_ring_setup driver = {.size = (uint16_t)options.ring,
		.features = features,
		.start = DRIVER_RING_START(options.packed)};
	struct vring_setup device = {.size = (uint16_t)options.ring,
		.next_wrap = true,
		.features = features,
		.memory = table,
		.call_fd = -1};
	struct driver_ring *ring;
	struct vring *vring;
	uint8_t *at;

	driver_ring_layout(&layout, options.ring, options.packed);
	at = driver_memory_alloc(memory, layout.size, 4096, NULL);
	driver.desc = at + layout.desc;
	driver.driver = at + layout.driver;
	driver.device = at + layout.device;
	if (driver_ring_create(&ring, &driver))
		DIE("no ring");
	driver_ring_disable(ring);
	device.desc = guest_memory_from_user(table, (uintptr_t)driver.desc, 1);
	device.avail = guest_memory_from_user(table, (uintptr_t)driver.driver, 1);
	device.used = guest_memory_from_user(table, (uintptr_t)driver.device, 1);
	if (vring_create(&vring, &device))
		DIE("no device ring");
	vhost_rings_start(&side->device, index, vring);
	return ring;
}

static void
buffers_add(struct driver_ring *ring, const struct driver_used *used, unsigned n, bool writable,
	const struct side *side, uint32_t len)
{
	struct driver_buf bufs[BURST * 8];
	void *tokens[BURST * 8];

	for (unsigned i = 0; i < n; i++) {
		tokens[i] = used[i].token;
		bufs[i].gpa = side->gpa + (uint64_t)((uint8_t *)tokens[i] - side->host);
		bufs[i].len = len;
	}
	driver_ring_add_burst(ring, bufs, tokens, n, writable);
	driver_ring_publish(ring);
}

static void
frame_write(uint8_t *buffer, unsigned from, unsigned to, unsigned size)
{
	memset(buffer, 0, VIRTIO_NET_HDR_LEN + size);
	buffer += VIRTIO_NET_HDR_LEN;
	memcpy(buffer, (uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)to}, 6);
	memcpy(buffer + 6, (uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)from}, 6);
	buffer[12] = 0x08;
}

static void
side_open(struct side *side, unsigned number)
{
	uint32_t stride = options.big ? 65536 + 256 : BUFFER;

	port_init(&side->device.port, &vhost_rings_ops, number ? "b" : "a", 1, 1);
	side->device.port.poll_us = 1000;
	side->rx = ring_open(side, 0);
	side->tx = ring_open(side, 1);
	side->host = driver_memory_alloc(
		memory, (uint64_t)stride * (options.ring + options.flight), 64, &side->gpa);
	if (!side->host)
		DIE("no memory");
	for (unsigned i = 0; i < options.ring; i++) {
		struct driver_used u = {.token = side->host + (uint64_t)i * stride};

		buffers_add(side->rx, &u, 1, true, side, stride);
	}
	atomic_store(&side->device.port.accepts, vhost_accepts(features));
	atomic_store(&side->device.port.tx_queues, 1);
}

/* The frames that go round. */
static void
side_fill(struct side *side, unsigned number)
{
	uint32_t stride = options.big ? 65536 + 256 : BUFFER;

	for (unsigned i = 0; i < options.flight; i++) {
		struct driver_used u = {
			.token = side->host + (uint64_t)(options.ring + i) * stride};

		frame_write(u.token, number, !number, options.size);
		buffers_add(side->tx, &u, 1, false, side, VIRTIO_NET_HDR_LEN + options.size);
	}
}

/* Received frames go back where they came from; sent ones' buffers are posted again. */
static unsigned
side_turn(struct side *side)
{
	uint32_t stride = options.big ? 65536 + 256 : BUFFER;
	struct driver_used used[BURST];
	unsigned n = driver_ring_collect(side->rx, used, BURST);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = (uint8_t *)used[i].token + VIRTIO_NET_HDR_LEN;
		uint64_t a, b;

		memcpy(&a, frame, 8);
		memcpy(&b, frame + 4, 8);
		b >>= 16;
		memcpy(frame + 6, &a, 6);
		memcpy(frame, &b, 6);
	}
	if (n)
		buffers_add(side->tx, used, n, false, side, VIRTIO_NET_HDR_LEN + options.size);
	{
		unsigned back = driver_ring_collect(side->tx, used, BURST);

		if (back)
			buffers_add(side->rx, used, back, true, side, stride);
	}
	return n;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
measure(struct side sides[2])
{
	static double cycles[WINDOWS], own[WINDOWS], rate[WINDOWS];
	struct worker_stats before, after;

	for (unsigned w = 0; w < WINDOWS; w++) {
		uint64_t end = clock_ns() + WINDOW_US * 1000u, start = __rdtsc(), frames = 0,
			 busy = 0;

		datapath_worker_stats(0, &before);
		while (clock_ns() < end)
			for (unsigned i = 0; i < 16; i++) {
				uint64_t t = __rdtsc();
				unsigned n = side_turn(&sides[0]) + side_turn(&sides[1]);

				frames += n;
				if (n)
					busy += __rdtsc() - t;
			}
		datapath_worker_stats(0, &after);
		cycles[w] = (double)(after.busy_cycles - before.busy_cycles) /
			    (double)(after.packets - before.packets + 1);
		own[w] = (double)busy / (double)(frames + 1);
		rate[w] = (double)(after.packets - before.packets) /
			  ((double)(__rdtsc() - start) / (double)after.tsc_hz) / 1e6;
		datapath_dispatch();
	}
	datapath_worker_stats(0, &after);
	printf("packets %lu frames per turn %.1f  ", (unsigned long)after.packets, (double)after.packets / (double)(after.turns + 1));
	qsort(cycles, WINDOWS, sizeof(cycles[0]), compare);
	qsort(own, WINDOWS, sizeof(own[0]), compare);
	qsort(rate, WINDOWS, sizeof(rate[0]), compare);
	printf("%5u B %-6s %s%s switch %6.1f cycles/packet (median %.1f)  traffic side %.1f  "
	       "rate %.2f Mpps (best tenth %.2f)\n",
		options.size, options.packed ? "packed" : "split",
		options.in_order ? "in-order " : "", options.mergeable ? "mrg" : "",
		cycles[WINDOWS / 10], cycles[WINDOWS / 2], own[WINDOWS / 10], rate[WINDOWS / 2],
		rate[WINDOWS * 9 / 10]);
}

static void
parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "s:r:f:pimbH")) != -1) {
		switch (c) {
		case 's':
			options.size = (unsigned)atoi(optarg);
			break;
		case 'r':
			options.ring = (unsigned)atoi(optarg);
			break;
		case 'f':
			options.flight = (unsigned)atoi(optarg);
			break;
		case 'p':
			options.packed = true;
			break;
		case 'i':
			options.in_order = true;
			break;
		case 'm':
			options.mergeable = true;
			break;
		case 'H':
			options.huge = true;
			break;
		case 'b':
			options.big = true;
			break;
		default:
			DIE("-s SIZE -r RING -f FRAMES_IN_FLIGHT -p(acked) -i(n order) -m(ergeable) -H(ugepages) -b(ig "
			    "buffers)");
		}
	}
	features = VIRTIO_BIT(VIRTIO_F_VERSION_1) |
		   (options.packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
		   (options.in_order ? VIRTIO_BIT(VIRTIO_F_IN_ORDER) : 0) |
		   (options.mergeable ? VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) : 0);
}

int
main(int argc, char **argv)
{
	struct datapath_options datapath = {.cpus = {0}, .cpu_count = 1, .busy_poll = true};
	struct bridge_settings bridge = {.fdb_capacity = 65536, .ageing_s = 300};
	struct port_settings settings = {
		.mac_limit = 256, .drop_reserved = true, .storm_pps = 1000};
	struct driver_memory_options size = {.size = 64u << 20};
	static struct side sides[2];
	unsigned number;
	cpu_set_t cpu;
	struct err err;

	parse(argc, argv);
	size.hugepages = options.huge;
	if (options.big)
		size.size = 400u << 20;
	if (datapath_start(&datapath, &err) || driver_memory_create(&memory, &size, &err) ||
		guest_memory_create(&table, memory->regions, &memory->fd, 1, &err) ||
		datapath_bridge_add(&bridge, &number, &err))
		DIE("%s", err.text);
	CPU_ZERO(&cpu);
	CPU_SET(1, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	settings.bridge = (int)number;
	for (unsigned i = 0; i < 2; i++) {
		side_open(&sides[i], i);
		if (datapath_port_add(&sides[i].device.port, &settings, &err))
			DIE("%s", err.text);
	}
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t mac[] = {0x52, 0x54, 0, 0, 0, (uint8_t)i};

		fdb_add_static(datapath_bridge_fdb(number), fdb_make_key(mac, 0),
			sides[i].device.port.index);
	}
	side_fill(&sides[0], 0);
	side_fill(&sides[1], 1);
	for (uint64_t end = clock_ns() + 200000000; clock_ns() < end;) {
		side_turn(&sides[0]);
		side_turn(&sides[1]);
		datapath_dispatch();
	}
	measure(sides);
	for (unsigned i = 0; i < 2; i++) {
		struct port_counters c;
		datapath_port_counters(&sides[i].device.port, &c);
		for (unsigned d = 0; d < DROP_COUNT; d++)
			if (c.drops[d])
				printf("%s: %s %llu\n", sides[i].device.port.name,
					drop_name((enum drop)d), (unsigned long long)c.drops[d]);
	}
	return 0;
}
