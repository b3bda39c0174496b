/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings and chains that break the rules: each must make the device ask for a reset. */
#include <linux/virtio_blk.h>
#include <string.h>

#include "launcher/virtio_device.h"
#include "tests/guest/virtio.h"

#define IN       VIRTQ_DESC_F_WRITE
#define NEXT     VIRTQ_DESC_F_NEXT
#define INDIRECT VIRTQ_DESC_F_INDIRECT
#define TABLE    ((uint64_t)buffer + 8192)
#define BUFFER   ((uint64_t)buffer)
#define MEMORY   UINT64_C(0x2000000)

struct chain_row {
	const char *what;
	struct virtq_desc ring[3];  /* descriptors 0, 1, 2 */
	struct virtq_desc table[2]; /* at TABLE */
};

static const struct chain_row rows[] = {
	{"a buffer outside of memory", {{MEMORY, 64, IN, 0}}, {{0}}},
	{"a buffer over the end of memory", {{MEMORY - 32, 64, IN, 0}}, {{0}}},
	{"a buffer around the end of addresses", {{UINT64_MAX - 31, 64, IN, 0}}, {{0}}},
	{"a buffer in configuration space", {{LAYOUT_ECAM, 64, IN, 0}}, {{0}}},
	{"a buffer in the APIC", {{LAYOUT_LAPIC, 64, IN, 0}}, {{0}}},
	{"a buffer of no bytes", {{BUFFER, 0, IN, 0}}, {{0}}},
	{"a buffer of 4 GiB", {{BUFFER, UINT32_MAX, IN, 0}}, {{0}}},
	{"a descriptor that follows itself", {{BUFFER, 64, IN | NEXT, 0}}, {{0}}},
	{"a circle of two", {{BUFFER, 64, IN | NEXT, 1}, {BUFFER, 64, IN | NEXT, 0}}, {{0}}},
	{"a next descriptor that is not there", {{BUFFER, 64, IN | NEXT, RING_SIZE}}, {{0}}},
	{"a next descriptor far away", {{BUFFER, 64, IN | NEXT, 0xffff}}, {{0}}},
	{"to read behind to write", {{BUFFER, 64, IN | NEXT, 1}, {BUFFER, 64, 0, 0}}, {{0}}},
	{"a table of no descriptor", {{TABLE, 0, INDIRECT, 0}}, {{0}}},
	{"a table of half a descriptor", {{TABLE, 24, INDIRECT, 0}}, {{0}}},
	{"a table outside of memory", {{MEMORY, 32, INDIRECT, 0}}, {{0}}},
	{"a table of 4 GiB", {{TABLE, UINT32_MAX - 15, INDIRECT, 0}}, {{0}}},
	{"a table that something follows", {{TABLE, 16, INDIRECT | NEXT, 1}, {BUFFER, 64, IN, 0}},
		{{BUFFER, 64, IN, 0}}},
	{"a table behind a descriptor", {{BUFFER, 64, NEXT, 1}, {TABLE, 16, INDIRECT, 0}},
		{{BUFFER, 64, IN, 0}}},
	{"a table in a table", {{TABLE, 16, INDIRECT, 0}}, {{TABLE, 16, INDIRECT, 0}}},
	{"a table with a circle", {{TABLE, 32, INDIRECT, 0}},
		{{BUFFER, 64, IN | NEXT, 1}, {BUFFER, 64, IN | NEXT, 0}}},
	{"a table with a next descriptor that is not there", {{TABLE, 32, INDIRECT, 0}},
		{{BUFFER, 64, IN | NEXT, 2}}},
	{"a table with a buffer outside of memory", {{TABLE, 16, INDIRECT, 0}},
		{{MEMORY, 64, IN, 0}}},
};

static void
break_chains(struct driver *d)
{
	struct virtq_desc *table = (struct virtq_desc *)(void *)(buffer + 8192);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start_device(d, VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC));
		for (unsigned n = 0; n < 3; n++)
			ring.desc[n] = rows[i].ring[n];
		for (unsigned n = 0; n < 2; n++)
			table[n] = rows[i].table[n];
		offer(d, 0);
		expect(rows[i].what, wants_reset(d), 1);
		/* And it does nothing more until then. */
		part(0, buffer, 64, IN, 0);
		offer(d, 0);
		status_put(d, 0);
	}
}

static void
break_ring(struct driver *d)
{
	start_device(d, 0);
	part(0, buffer, 64, IN, 0);
	avail()->idx = RING_SIZE + 1;
	kick(d, d->queue);
	expect("more available than the ring has", wants_reset(d), 1);
	start_device(d, 0);
	avail()->idx = 0xffff;
	kick(d, d->queue);
	expect("an index that goes back", wants_reset(d), 1);
	start_device(d, 0);
	part(0, buffer, 64, IN, 0);
	avail()->ring[0] = RING_SIZE;
	avail()->idx = 1;
	kick(d, d->queue);
	expect("a head that is not there", wants_reset(d), 1);
	expect("nothing came back", used()->idx, 0);
}

/* A device that is reset while it works has nothing of ours in its hands afterwards. */
static void
reset_under_requests(struct driver *d)
{
	unsigned late = 0;

	for (unsigned n = 0; n < 16; n++) {
		start_device(d, 0);
		*(struct virtio_blk_outhdr *)(void *)buffer =
			(struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN};
		part(0, buffer, sizeof(struct virtio_blk_outhdr), NEXT, 1);
		part(1, buffer + 512, 512 * 32 + 1, IN, 0);
		for (unsigned i = 0; i < RING_SIZE; i++) {
			avail()->ring[i] = 0;
			avail()->idx++;
		}
		kick(d, d->queue);
		negotiate(d, 0);
		memset(ring.device, 0xee, 64);
		for (unsigned i = 0; i < 100; i++)
			late += used()->idx != 0xeeee;
	}
	expect("reset while it works", late, 0);
}

void
run_rings(void)
{
	static const struct {
		const char *name;
		unsigned id;
	} devices[] = {{"rng", VIRTIO_ID_RNG}, {"disk", VIRTIO_ID_BLOCK},
		{"balloon", VIRTIO_ID_BALLOON}, {"console", VIRTIO_ID_CONSOLE}};
	struct driver d;

	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		topic(devices[i].name);
		expect("is there", driver_find(&d, devices[i].id, 0), 1);
		d.queue = d.id == VIRTIO_ID_CONSOLE; /* what it transmits */
		break_ring(&d);
		break_chains(&d);
		if (d.id == VIRTIO_ID_BLOCK)
			reset_under_requests(&d);
		expect_works(&d);
	}
}
