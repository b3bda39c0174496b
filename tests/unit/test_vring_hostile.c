/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests that break the rules of virtio 1.2 (2.7, 2.8), one by one.  A chain that can be given back
 * is given back with a used length of 0, its drop is counted by name, and the ring goes on; a ring
 * that cannot be followed is marked broken, reported once, and left alone.  Two other guests forward
 * through the same worker all the while.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "lib/clock.h"
#include "tests/unit/vring_side.h"

#define MEMORY_SIZE (UINT64_C(1) << 20)
#define RING_SIZE   128
/* Where things stand in the guest's memory. */
#define START       DRIVER_MEMORY_GPA
#define TABLE       (START + 0x10000)
#define BUF         (START + 0x20000)
#define END         (START + MEMORY_SIZE)

#define FRAME 60
#define WHOLE (VIRTIO_NET_HDR_LEN + FRAME)

#define NEXT     VIRTQ_DESC_F_NEXT
#define WRITE    VIRTQ_DESC_F_WRITE
#define INDIRECT VIRTQ_DESC_F_INDIRECT

#define F(name) VIRTIO_BIT(VIRTIO_##name)

/* A guest that writes its rings by hand; ring 0 receives, ring 1 transmits. */
struct guest {
	struct side side; /* without a driver */
	bool packed;
	struct frontend_ring ring[2];
	uint16_t avail[2]; /* split: index; packed: position */
	bool lap[2];       /* packed */
};

static struct side bystander[2];
static struct burst burst;
static uint8_t frame_bytes[FRAME];

/* ---- the guest ---- */

static void
guest_start_rings(struct guest *g)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frontend_ring *ring = &g->ring[i];
		struct driver_ring_layout layout;
		uint8_t *at = g->side.memory->host + i * 0x4000;

		driver_ring_layout(&layout, ring->size, g->packed);
		memset(at, 0, layout.size);
		ring->desc = at + layout.desc;
		ring->driver = at + layout.driver;
		ring->device = at + layout.device;
		ring->base = DRIVER_RING_START(g->packed);
		ring->call_fd = -1;
		g->avail[i] = 0;
		g->lap[i] = true;
		g->side.vring[i] = side_vring(&g->side, ring);
		vhost_rings_start(&g->side.device, i, g->side.vring[i]);
	}
}

static void
guest_stop_rings(struct guest *g)
{
	struct vring *stopped[VHOST_RINGS_MAX];

	vhost_rings_stop(&g->side.device, 3, stopped);
	vring_destroy(stopped[0]);
	vring_destroy(stopped[1]);
}

static void
guest_open(struct guest *g, uint64_t features, uint64_t bytes)
{
	struct driver_memory_options options = {.size = bytes};
	struct err err = {0};

	memset(g, 0, sizeof(*g));
	port_init(&g->side.device.port, &vhost_rings_ops, "hostile", 1, 1);
	if (driver_memory_create(&g->side.memory, &options, &err))
		fail_msg("%s", err.text);
	g->side.features = features | F(F_VERSION_1);
	g->side.table = side_map(g->side.memory);
	g->packed = features & F(F_RING_PACKED);
	g->ring[0].size = g->ring[1].size = RING_SIZE;
	guest_start_rings(g);
}

static void
guest_close(struct guest *g)
{
	guest_stop_rings(g);
	guest_memory_release(g->side.table);
	driver_memory_destroy(g->side.memory);
}

static void *
guest_at(struct guest *g, uint64_t gpa)
{
	return g->side.memory->host + (gpa - START);
}

/*
 * Writes a chain into the ring; `next` of a split descriptor is the place behind it unless it is
 * given (0 = not given), the id of a packed one is the place of the first.
 */
static void
guest_add(struct guest *g, unsigned ring, const struct virtq_desc *chain, unsigned count)
{
	uint16_t head = g->avail[ring] & (RING_SIZE - 1);

	for (unsigned i = 0; i < count; i++) {
		unsigned at = (head + i) % RING_SIZE;

		if (g->packed) {
			struct virtq_packed_desc *d = g->ring[ring].desc;
			bool lap = head + i >= RING_SIZE ? !g->lap[ring] : g->lap[ring];
			uint16_t flags = lap ? VIRTQ_PACKED_F_AVAIL : VIRTQ_PACKED_F_USED;

			d[at] = (struct virtq_packed_desc){chain[i].addr, chain[i].len, head,
				(uint16_t)(flags | chain[i].flags)};
		} else {
			struct virtq_desc *d = g->ring[ring].desc;

			d[at] = chain[i];
			if (!chain[i].next)
				d[at].next = (uint16_t)((at + 1) % RING_SIZE);
		}
	}
	if (g->packed) {
		g->avail[ring] = (uint16_t)(head + count);
		if (g->avail[ring] >= RING_SIZE) {
			g->avail[ring] -= RING_SIZE;
			g->lap[ring] = !g->lap[ring];
		}
	} else {
		struct virtq_avail *avail = g->ring[ring].driver;

		avail->ring[g->avail[ring] & (RING_SIZE - 1)] = head;
		__atomic_store_n(&avail->idx, ++g->avail[ring], __ATOMIC_RELEASE);
	}
}

/*
 * The used entry number n (split) or at place n (packed): its length, or -1 when there is none or
 * it does not name `id`.
 */
static int64_t
guest_used(struct guest *g, unsigned ring, unsigned n, unsigned id)
{
	if (g->packed) {
		struct virtq_packed_desc *d = (struct virtq_packed_desc *)g->ring[ring].desc + n;
		bool avail = d->flags & VIRTQ_PACKED_F_AVAIL, used = d->flags & VIRTQ_PACKED_F_USED;

		return avail && used && d->id == id ? (int64_t)d->len : -1;
	}
	const struct virtq_used *used = g->ring[ring].device;

	return used->idx > n && used->ring[n].id == id ? (int64_t)used->ring[n].len : -1;
}

static void
bystanders_open(void)
{
	const struct driver_net_options options = {.features = F(F_VERSION_1),
		.rx_size = 8,
		.tx_size = 8,
		.rx_buffer = 2048,
		.tx_buffer = 2048};

	for (unsigned i = 0; i < 2; i++) {
		side_open(&bystander[i], &options, UINT64_C(1) << 18, 1);
		driver_net_fill(bystander[i].net, 0);
	}
	for (unsigned i = 0; i < FRAME; i++)
		frame_bytes[i] = (uint8_t)(i * 7 + 3);
}

static void
bystanders_close(void)
{
	side_close(&bystander[0]);
	side_close(&bystander[1]);
}

/* A frame between the two others. */
static void
bystanders_talk(void)
{
	static uint8_t got[2048];

	assert_int_equal(
		driver_net_send(bystander[0].net, 0, NULL, frame_bytes, sizeof(frame_bytes)), 0);
	driver_net_flush(bystander[0].net, 0);
	assert_int_equal(side_forward(&bystander[0], &bystander[1], &burst), 1);
	assert_int_equal(driver_net_receive(bystander[1].net, 0, NULL, got, sizeof(got)),
		sizeof(frame_bytes));
	assert_memory_equal(got, frame_bytes, sizeof(frame_bytes));
	driver_net_flush(bystander[1].net, 0);
}

/* ---- chains that are given back ---- */

enum outcome { PASS, DROP, EITHER };

struct bad_chain {
	const char *name;
	enum outcome outcome;
	enum drop drop;
	uint64_t features; /* beside VERSION_1 and the ring format */
	unsigned count;
	struct virtq_desc chain[4];
	struct virtq_desc table[4]; /* at TABLE */
	bool split_only, packed_only;
};

#define IND F(RING_F_INDIRECT_DESC)

static const struct bad_chain tx_cases[] = {
	{"a good frame", PASS, 0, 0, 1, {{BUF, WHOLE}}},
	{"address 0", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{0, WHOLE}}},
	{"address behind the memory", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{END, WHOLE}}},
	{"address in front of the memory", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{START - 1, WHOLE}}},
	{"buffer over the end of the memory", DROP, DROP_BAD_DESCRIPTOR, 0, 1,
		{{END - WHOLE + 1, WHOLE}}},
	{"buffer up to the end of the memory", PASS, 0, 0, 1, {{END - WHOLE, WHOLE}}},
	{"address that wraps around", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{UINT64_MAX - 10, WHOLE}}},
	{"length 0", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, 0}}},
	{"length 0 at address 0", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{0, 0}}},
	{"length 2^32 - 1", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, UINT32_MAX}}},
	{"writable", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, WHOLE, WRITE}}},
	{"writable behind readable", DROP, DROP_BAD_DESCRIPTOR, 0, 2,
		{{BUF, 12, NEXT}, {BUF + 12, FRAME, WRITE}}},
	{"readable behind writable", DROP, DROP_BAD_DESCRIPTOR, 0, 2,
		{{BUF, 12, NEXT | WRITE}, {BUF + 12, FRAME}}},
	{"header alone", DROP, DROP_RUNT, 0, 1, {{BUF, 12}}},
	{"header and 13 bytes", DROP, DROP_RUNT, 0, 2, {{BUF, 12, NEXT}, {BUF + 12, 13}}},
	{"header and 14 bytes", PASS, 0, 0, 2, {{BUF, 12, NEXT}, {BUF + 12, 14}}},
	{"less than a header", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, 11}}},
	{"less than a header in two", DROP, DROP_BAD_DESCRIPTOR, 0, 2, {{BUF, 6, NEXT}, {BUF, 5}}},
	{"length 0 inside a chain", DROP, DROP_BAD_DESCRIPTOR, 0, 3,
		{{BUF, 12, NEXT}, {BUF, 0, NEXT}, {BUF + 12, FRAME}}},
	{"bad address inside a chain", DROP, DROP_BAD_DESCRIPTOR, 0, 3,
		{{BUF, 12, NEXT}, {END - 1, 2, NEXT}, {BUF + 12, FRAME}}},
	{"65,553 bytes", PASS, 0, 0, 1, {{BUF, 12 + 65553}}},
	{"65,554 bytes", DROP, DROP_TOO_LONG, 0, 1, {{BUF, 12 + 65554}}},
	{"65,554 bytes in two", DROP, DROP_TOO_LONG, 0, 2, {{BUF, 12, NEXT}, {BUF, 65554}}},

	{"indirect, not negotiated", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{TABLE, 16, INDIRECT}},
		{{BUF, WHOLE}}},
	{"indirect", PASS, 0, IND, 1, {{TABLE, 16, INDIRECT}}, {{BUF, WHOLE}}},
	{"indirect with two", PASS, 0, IND, 1, {{TABLE, 32, INDIRECT}},
		{{BUF, 12, NEXT, 1}, {BUF + 12, FRAME}}},
	{"indirect, length 0", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 0, INDIRECT}}},
	{"indirect, length 1", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 1, INDIRECT}}},
	{"indirect, length 15", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 15, INDIRECT}},
		{{BUF, WHOLE}}},
	{"indirect, length 17", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 17, INDIRECT}},
		{{BUF, WHOLE}}},
	{"indirect, length 2^32 - 16", EITHER, DROP_BAD_DESCRIPTOR, IND, 1,
		{{TABLE, UINT32_MAX - 15, INDIRECT}}, {{BUF, WHOLE}}},
	{"indirect, too many entries", DROP, DROP_BAD_DESCRIPTOR, IND, 1,
		{{TABLE, 16 * 65, INDIRECT}}, .packed_only = true},
	{"indirect and next", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 16, INDIRECT | NEXT}},
		{{BUF, WHOLE}}},
	{"indirect behind another", DROP, DROP_BAD_DESCRIPTOR, IND, 2,
		{{BUF, 12, NEXT}, {TABLE, 16, INDIRECT}}, {{BUF, FRAME}}},
	{"indirect in indirect", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 16, INDIRECT}},
		{{TABLE, 16, INDIRECT}}},
	{"indirect in indirect, second", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 32, INDIRECT}},
		{{BUF, 12, NEXT, 1}, {TABLE, 16, INDIRECT}}},
	{"indirect table nowhere", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{END, 16, INDIRECT}}},
	{"indirect table over the end", DROP, DROP_BAD_DESCRIPTOR, IND, 1,
		{{END - 8, 16, INDIRECT}}},
	{"indirect table wraps around", DROP, DROP_BAD_DESCRIPTOR, IND, 1,
		{{UINT64_MAX - 7, 16, INDIRECT}}},
	{"indirect table at an odd address", EITHER, DROP_BAD_DESCRIPTOR, IND, 1,
		{{TABLE + 1, 16, INDIRECT}}},
	{"writable in an indirect table", DROP, DROP_BAD_DESCRIPTOR, IND, 1,
		{{TABLE, 16, INDIRECT}}, {{BUF, WHOLE, WRITE}}, .split_only = true},
	/* DPDK's driver does this by mistake in packed rings; they are only read. */
	{"writable in an indirect table", PASS, 0, IND, 1, {{TABLE, 32, INDIRECT}},
		{{BUF, 12, WRITE}, {BUF + 12, FRAME, WRITE}}, .packed_only = true},
	{"bad address in an indirect table", DROP, DROP_BAD_DESCRIPTOR, IND, 1,
		{{TABLE, 32, INDIRECT}}, {{BUF, 12, NEXT, 1}, {END, FRAME}}},
	{"next leads out of the indirect table", DROP, DROP_BAD_DESCRIPTOR, IND, 1,
		{{TABLE, 16, INDIRECT}}, {{BUF, 12, NEXT, 1}, {BUF, FRAME}}, .split_only = true},
	{"loop in the indirect table", DROP, DROP_BAD_DESCRIPTOR, IND, 1, {{TABLE, 32, INDIRECT}},
		{{BUF, 12, NEXT, 1}, {BUF, 1, NEXT, 0}}, .split_only = true},

	{"next outside the ring", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, 12, NEXT, RING_SIZE}},
		.split_only = true},
	{"next 65,535", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, 12, NEXT, 65535}},
		.split_only = true},
	/* The case begins at descriptor 1, see run_case(). */
	{"loop of one", DROP, DROP_BAD_DESCRIPTOR, 0, 1, {{BUF, 12, NEXT, 1}}, .split_only = true},
	{"loop of two", DROP, DROP_BAD_DESCRIPTOR, 0, 2, {{BUF, 12, NEXT, 2}, {BUF, 1, NEXT, 1}},
		.split_only = true},
};

static const struct bad_chain rx_cases[] = {
	{"a good buffer", PASS, 0, 0, 1, {{BUF, 2048, WRITE}}},
	{"a buffer that just fits", PASS, 0, 0, 1, {{BUF, WHOLE, WRITE}}},
	{"header over three descriptors", PASS, 0, 0, 4,
		{{BUF, 1, WRITE | NEXT}, {BUF + 1, 5, WRITE | NEXT}, {BUF + 6, 3, WRITE | NEXT},
			{BUF + 9, 2048, WRITE}}},
	{"address 0", DROP, DROP_BAD_BUFFER, 0, 1, {{0, 2048, WRITE}}},
	{"address behind the memory", DROP, DROP_BAD_BUFFER, 0, 1, {{END, 2048, WRITE}}},
	{"buffer over the end of the memory", DROP, DROP_BAD_BUFFER, 0, 1,
		{{END - 2047, 2048, WRITE}}},
	{"address that wraps around", DROP, DROP_BAD_BUFFER, 0, 1,
		{{UINT64_MAX - 10, 2048, WRITE}}},
	{"length 0", DROP, DROP_BAD_BUFFER, 0, 1, {{BUF, 0, WRITE}}},
	{"length 2^32 - 1", DROP, DROP_BAD_BUFFER, 0, 1, {{BUF, UINT32_MAX, WRITE}}},
	{"readable", DROP, DROP_BAD_BUFFER, 0, 1, {{BUF, 2048}}},
	{"readable header", DROP, DROP_BAD_BUFFER, 0, 2,
		{{BUF, 12, NEXT}, {BUF + 12, 2048, WRITE}}},
	{"readable data", DROP, DROP_BAD_BUFFER, 0, 2, {{BUF, 12, NEXT | WRITE}, {BUF + 12, 2048}}},
	{"bad address inside a chain", DROP, DROP_BAD_BUFFER, 0, 2,
		{{BUF, 12, NEXT | WRITE}, {END - 5, 2048, WRITE}}},
	{"indirect, not negotiated", DROP, DROP_BAD_BUFFER, 0, 1, {{TABLE, 16, INDIRECT}},
		{{BUF, 2048, WRITE}}},
	{"indirect", PASS, 0, IND, 1, {{TABLE, 16, INDIRECT}}, {{BUF, 2048, WRITE}}},
	/* 2.7.5.3.2: the WRITE flag beside INDIRECT says nothing. */
	{"indirect and writable", PASS, 0, IND, 1, {{TABLE, 16, INDIRECT | WRITE}},
		{{BUF, 2048, WRITE}}},
	{"indirect, length 15", DROP, DROP_BAD_BUFFER, IND, 1, {{TABLE, 15, INDIRECT}},
		{{BUF, 2048, WRITE}}},
	{"indirect in indirect", DROP, DROP_BAD_BUFFER, IND, 1, {{TABLE, 16, INDIRECT}},
		{{TABLE, 16, INDIRECT}}},
	{"indirect and next", DROP, DROP_BAD_BUFFER, IND, 1, {{TABLE, 16, INDIRECT | NEXT}},
		{{BUF, 2048, WRITE}}},
	{"readable in an indirect table", DROP, DROP_BAD_BUFFER, IND, 1, {{TABLE, 16, INDIRECT}},
		{{BUF, 2048}}},
	{"bad buffer, mergeable", DROP, DROP_BAD_BUFFER, F(NET_F_MRG_RXBUF), 1, {{0, 2048, WRITE}}},
	{"loop of one", DROP, DROP_BAD_BUFFER, 0, 1, {{BUF, 1, WRITE | NEXT, 1}},
		.split_only = true},
	{"loop of two", DROP, DROP_BAD_BUFFER, 0, 2,
		{{BUF, 1, WRITE | NEXT, 2}, {BUF, 1, WRITE | NEXT, 1}}, .split_only = true},
	{"next outside the ring", DROP, DROP_BAD_BUFFER, 0, 1, {{BUF, 12, WRITE | NEXT, RING_SIZE}},
		.split_only = true},
};

/* Sends whatever the guest's transmitq holds to a bystander. */
static unsigned
hostile_forward(struct guest *g)
{
	static uint8_t got[FRAME_LEN_MAX];
	unsigned n = side_forward(&g->side, &bystander[1], &burst);

	while (driver_net_receive(bystander[1].net, 0, NULL, got, sizeof(got)) > 0)
		;
	driver_net_flush(bystander[1].net, 0);
	return n;
}

/* A frame from a bystander to the guest. */
static void
hostile_deliver(struct guest *g)
{
	assert_int_equal(
		driver_net_send(bystander[0].net, 0, NULL, frame_bytes, sizeof(frame_bytes)), 0);
	driver_net_flush(bystander[0].net, 0);
	assert_int_equal(side_forward(&bystander[0], &g->side, &burst), 1);
}

static void
run_tx_case(const struct bad_chain *c, struct guest *g)
{
	const struct virtq_desc good = {.addr = BUF, .len = WHOLE};
	unsigned behind = 1 + c->count, n;
	int64_t used;

	guest_add(g, 1, &good, 1);
	assert_int_equal(hostile_forward(g), 1);
	guest_add(g, 1, c->chain, c->count);
	n = hostile_forward(g);
	used = guest_used(g, 1, 1, 1);
	if (used != 0 || (c->outcome == PASS && n != 1) || (c->outcome == DROP && n != 0))
		fail_msg("%s: %u frames, used length %lld", c->name, n, (long long)used);
	if (!n && (g->side.counters.drops[c->drop] != 1 || side_drops(&g->side) != 1))
		fail_msg("%s: counted as something else than %s", c->name, drop_name(c->drop));
	assert_int_equal(g->side.counters.rx_packets, 2);
	guest_add(g, 1, &good, 1);
	if (hostile_forward(g) != 1 ||
		guest_used(g, 1, g->packed ? behind : 2, g->packed ? behind : 2) != 0)
		fail_msg("%s: the good frame behind it is stuck", c->name);
}

static void
run_rx_case(const struct bad_chain *c, struct guest *g)
{
	const struct virtq_desc good = {.addr = BUF + 4096, .len = 2048, .flags = WRITE};
	unsigned behind = 1 + c->count;
	int64_t used;

	guest_add(g, 0, &good, 1);
	hostile_deliver(g);
	assert_int_equal(guest_used(g, 0, 0, 0), WHOLE);
	guest_add(g, 0, c->chain, c->count);
	hostile_deliver(g);
	used = guest_used(g, 0, 1, 1);
	if (used != (c->outcome == PASS ? WHOLE : 0))
		fail_msg("%s: used length %lld", c->name, (long long)used);
	if (c->outcome == DROP &&
		(g->side.counters.drops[c->drop] != 1 || side_drops(&g->side) != 1))
		fail_msg("%s: counted as something else than %s", c->name, drop_name(c->drop));
	if (c->outcome == PASS && memcmp((uint8_t *)guest_at(g, BUF) + VIRTIO_NET_HDR_LEN,
					  frame_bytes, sizeof(frame_bytes)))
		fail_msg("%s: another frame arrived", c->name);
	guest_add(g, 0, &good, 1);
	hostile_deliver(g);
	if (guest_used(g, 0, g->packed ? behind : 2, g->packed ? behind : 2) != WHOLE)
		fail_msg("%s: the good buffer behind it is stuck", c->name);
}

/* The case's chain stands behind a good one, so it begins at descriptor 1. */
static void
run_cases(const struct bad_chain *cases, unsigned count,
	void (*run)(const struct bad_chain *c, struct guest *g))
{
	static const uint64_t formats[] = {
		0, F(F_IN_ORDER), F(F_RING_PACKED), F(F_RING_PACKED) | F(F_IN_ORDER)};

	bystanders_open();
	broken_reports = 0;
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < 4; k++) {
			bool packed = formats[k] & F(F_RING_PACKED);
			const struct bad_chain *c = &cases[i];
			struct guest g;

			if ((packed && c->split_only) || (!packed && c->packed_only))
				continue;
			guest_open(&g, c->features | formats[k], MEMORY_SIZE);
			memcpy((uint8_t *)guest_at(&g, BUF) + VIRTIO_NET_HDR_LEN, frame_bytes,
				sizeof(frame_bytes));
			memcpy(guest_at(&g, TABLE), c->table, sizeof(c->table));
			if (packed)
				for (unsigned t = 0; t < 4; t++) {
					struct virtq_packed_desc d = {c->table[t].addr,
						c->table[t].len, 0, c->table[t].flags};

					memcpy((uint8_t *)guest_at(&g, TABLE) + 16 * t, &d, 16);
				}
			run(c, &g);
			bystanders_talk();
			assert_int_equal(vring_broken(g.side.vring[0]), VRING_OK);
			assert_int_equal(vring_broken(g.side.vring[1]), VRING_OK);
			guest_close(&g);
		}
	}
	assert_int_equal(broken_reports, 0);
	bystanders_close();
}

static void
test_bad_transmit_chains(void **state)
{
	(void)state;
	run_cases(tx_cases, sizeof(tx_cases) / sizeof(tx_cases[0]), run_tx_case);
}

static void
test_bad_receive_chains(void **state)
{
	(void)state;
	run_cases(rx_cases, sizeof(rx_cases) / sizeof(rx_cases[0]), run_rx_case);
}

/* ---- long chains ---- */

/* `count` one-byte descriptors: taken up to FRAME_CHAIN_MAX, given back beyond. */
static void
run_pieces(uint64_t features, unsigned count)
{
	struct virtq_desc chain[RING_SIZE];
	struct guest g;
	unsigned n;

	guest_open(&g, features, MEMORY_SIZE);
	for (unsigned i = 0; i < count; i++)
		chain[i] = (struct virtq_desc){BUF + i, 1, i + 1 < count ? NEXT : 0, 0};
	memcpy((uint8_t *)guest_at(&g, BUF) + VIRTIO_NET_HDR_LEN, frame_bytes, FRAME);
	guest_add(&g, 1, chain, count);
	n = hostile_forward(&g);
	assert_int_equal(n, count <= FRAME_CHAIN_MAX);
	assert_int_equal(guest_used(&g, 1, 0, 0), 0);
	if (n) {
		assert_int_equal(burst.frames[0].len, count - VIRTIO_NET_HDR_LEN);
		assert_memory_equal(burst.frames[0].data, frame_bytes, count - VIRTIO_NET_HDR_LEN);
	} else {
		assert_int_equal(g.side.counters.drops[DROP_BAD_DESCRIPTOR], 1);
	}
	assert_int_equal(vring_broken(g.side.vring[1]), VRING_OK);
	bystanders_talk();
	guest_close(&g);
}

static void
test_one_byte_pieces(void **state)
{
	static const unsigned counts[] = {26, 63, 64, 65, 127};

	(void)state;
	bystanders_open();
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		run_pieces(0, counts[i]);
		run_pieces(F(F_RING_PACKED), counts[i]);
	}
	bystanders_close();
}

/* Lengths whose sum is 2^32 and more. */
static void
test_length_overflow(void **state)
{
	const struct virtq_desc chain[] = {
		{BUF, 1u << 31, NEXT, 0}, {BUF, 1u << 31, NEXT, 0}, {BUF, WHOLE, 0, 0}};

	(void)state;
	bystanders_open();
	for (unsigned packed = 0; packed < 2; packed++) {
		struct guest g;

		guest_open(&g, packed ? F(F_RING_PACKED) : 0, UINT64_C(3) << 30);
		guest_add(&g, 1, chain, 3);
		assert_int_equal(hostile_forward(&g), 0);
		assert_int_equal(guest_used(&g, 1, 0, 0), 0);
		assert_int_equal(side_drops(&g.side), 1);
		guest_close(&g);
	}
	bystanders_close();
}

/* Mergeable buffers of one byte: a frame may take only so many; it is dropped, not half delivered. */
static void
test_tiny_buffers(void **state)
{
	(void)state;
	bystanders_open();
	for (unsigned packed = 0; packed < 2; packed++) {
		struct guest g;

		guest_open(&g, F(NET_F_MRG_RXBUF) | (packed ? F(F_RING_PACKED) : 0), MEMORY_SIZE);
		for (unsigned i = 0; i < RING_SIZE; i++) {
			struct virtq_desc one = {BUF + i, 1, WRITE, 0};

			guest_add(&g, 0, &one, 1);
		}
		hostile_deliver(&g);
		assert_int_equal(side_drops(&g.side), 1);
		assert_int_equal(g.side.counters.tx_packets, 0);
		bystanders_talk();
		guest_close(&g);
	}
	bystanders_close();
}

/* Without merging, a chain that is too short for the frame stays where it is. */
static void
test_short_buffer(void **state)
{
	(void)state;
	bystanders_open();
	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtq_desc few[] = {
			{BUF, 1, WRITE | NEXT, 0}, {BUF, 2, WRITE | NEXT, 0}, {BUF, 3, WRITE, 0}};
		struct guest g;

		guest_open(&g, packed ? F(F_RING_PACKED) : 0, MEMORY_SIZE);
		guest_add(&g, 0, few, 3);
		for (unsigned i = 1; i <= 3; i++) {
			hostile_deliver(&g);
			assert_int_equal(g.side.counters.drops[DROP_BUFFER_TOO_SMALL], i);
		}
		guest_close(&g);
	}
	bystanders_close();
}

/* ---- rings that cannot be followed ---- */

struct bad_ring {
	const char *name;
	enum vring_broken reason;
	void (*spoil)(struct guest *g, unsigned ring);
	bool packed;
};

static void
spoil_avail_ahead(struct guest *g, unsigned ring)
{
	((struct virtq_avail *)g->ring[ring].driver)->idx = g->avail[ring] + RING_SIZE + 1;
}

static void
spoil_avail_back(struct guest *g, unsigned ring)
{
	((struct virtq_avail *)g->ring[ring].driver)->idx = g->avail[ring] - 1;
}

static void
spoil_avail_half(struct guest *g, unsigned ring)
{
	((struct virtq_avail *)g->ring[ring].driver)->idx = g->avail[ring] + 32768;
}

static void
spoil_head(struct guest *g, unsigned ring)
{
	struct virtq_avail *avail = g->ring[ring].driver;

	avail->ring[g->avail[ring] % RING_SIZE] = RING_SIZE;
	avail->idx = g->avail[ring] + 1;
}

static void
spoil_head_far(struct guest *g, unsigned ring)
{
	struct virtq_avail *avail = g->ring[ring].driver;

	avail->ring[g->avail[ring] % RING_SIZE] = 65535;
	avail->idx = g->avail[ring] + 1;
}

/* Every descriptor has a next one. */
static void
spoil_endless(struct guest *g, unsigned ring)
{
	struct virtq_packed_desc *d = g->ring[ring].desc;
	uint16_t write = ring ? 0 : WRITE;

	for (unsigned i = 0; i < RING_SIZE; i++)
		d[i] = (struct virtq_packed_desc){BUF, 1, 0,
			(uint16_t)(NEXT | write |
				   ((i >= g->avail[ring]) == g->lap[ring] ? VIRTQ_PACKED_F_AVAIL
									  : VIRTQ_PACKED_F_USED))};
}

static const struct bad_ring bad_rings[] = {
	{"available index ahead by more than the ring", VRING_BROKEN_AVAIL, spoil_avail_ahead},
	{"available index goes back", VRING_BROKEN_AVAIL, spoil_avail_back},
	{"available index ahead by 32,768", VRING_BROKEN_AVAIL, spoil_avail_half},
	{"head outside the ring", VRING_BROKEN_HEAD, spoil_head},
	{"head 65,535", VRING_BROKEN_HEAD, spoil_head_far},
	{"chain without end", VRING_BROKEN_CHAIN, spoil_endless, true},
};

static void
run_bad_ring(const struct bad_ring *c, unsigned ring)
{
	const struct virtq_desc good[] = {{BUF, 2048, WRITE, 0}, {BUF, WHOLE, 0, 0}};
	struct guest g;

	guest_open(&g, c->packed ? F(F_RING_PACKED) : 0, MEMORY_SIZE);
	guest_add(&g, ring, &good[ring], 1);
	if (ring)
		assert_int_equal(hostile_forward(&g), 1);
	else
		hostile_deliver(&g);
	assert_int_equal(guest_used(&g, ring, 0, 0), ring ? 0 : WHOLE);
	broken_reports = 0;
	c->spoil(&g, ring);
	for (unsigned i = 0; i < 3; i++) {
		if (ring)
			assert_int_equal(hostile_forward(&g), 0);
		else
			hostile_deliver(&g);
		bystanders_talk();
	}
	if (vring_broken(g.side.vring[ring]) != c->reason)
		fail_msg("%s: the ring says \"%s\"", c->name,
			vring_broken_text(vring_broken(g.side.vring[ring])));
	assert_int_equal(broken_reports, 1);
	assert_false(vhost_rings_ops.rx_arm(&g.side.device.port, 0) && ring);
	if (!ring)
		assert_int_equal(side_drops(&g.side), 3);
	/* The guest resets: everything is well again. */
	guest_stop_rings(&g);
	guest_start_rings(&g);
	guest_add(&g, ring, &good[ring], 1);
	if (ring)
		assert_int_equal(hostile_forward(&g), 1);
	else
		hostile_deliver(&g);
	assert_int_equal(guest_used(&g, ring, 0, 0), ring ? 0 : WHOLE);
	guest_close(&g);
}

static void
test_bad_rings(void **state)
{
	(void)state;
	bystanders_open();
	for (unsigned i = 0; i < sizeof(bad_rings) / sizeof(bad_rings[0]); i++)
		for (unsigned ring = 0; ring < 2; ring++)
			run_bad_ring(&bad_rings[i], ring);
	bystanders_close();
}

/* The same head twice: the guest gets it back twice. */
static void
test_same_head_twice(void **state)
{
	struct virtq_avail *avail;
	struct virtq_desc good = {BUF, WHOLE, 0, 0};
	struct guest g;

	(void)state;
	bystanders_open();
	guest_open(&g, 0, MEMORY_SIZE);
	avail = g.ring[1].driver;
	guest_add(&g, 1, &good, 1);
	avail->ring[1] = 0;
	avail->idx = 2;
	assert_int_equal(hostile_forward(&g), 2);
	assert_int_equal(guest_used(&g, 1, 0, 0), 0);
	assert_int_equal(guest_used(&g, 1, 1, 0), 0);
	guest_close(&g);
	bystanders_close();
}

/* Buffer ids are the driver's business: any value comes back as it was. */
static void
test_packed_any_id(void **state)
{
	struct virtq_packed_desc *d;
	struct guest g;

	(void)state;
	bystanders_open();
	guest_open(&g, F(F_RING_PACKED), MEMORY_SIZE);
	d = g.ring[1].desc;
	d[0] = (struct virtq_packed_desc){BUF, WHOLE, 65535, VIRTQ_PACKED_F_AVAIL};
	assert_int_equal(hostile_forward(&g), 1);
	assert_int_equal(guest_used(&g, 1, 0, 65535), 0);
	guest_close(&g);
	bystanders_close();
}

/*
 * A ring of one descriptor that the guest makes available lap after lap while it is read ahead: the
 * device must not get behind the ring's end.
 */
static void
test_packed_lap_ahead(void **state)
{
	struct virtq_packed_desc *d;
	struct guest g;

	(void)state;
	bystanders_open();
	guest_open(&g, F(F_RING_PACKED), MEMORY_SIZE);
	guest_stop_rings(&g);
	g.ring[0].size = g.ring[1].size = 1;
	guest_start_rings(&g);
	d = g.ring[1].desc;
	for (unsigned lap = 0; lap < 2 * FRAME_BURST - 1; lap++) {
		uint16_t flags = lap % 2 ? VIRTQ_PACKED_F_USED : VIRTQ_PACKED_F_AVAIL;

		d[0] = (struct virtq_packed_desc){BUF, WHOLE, 0, flags};
		/* What would be read as a descriptor if the ring were longer. */
		for (unsigned i = 1; i < FRAME_BURST; i++)
			d[i] = (struct virtq_packed_desc){BUF, WHOLE, 1, flags};
		vhost_rings_ops.rx_peek(&g.side.device.port, 0);
	}
	assert_int_equal(hostile_forward(&g), 1);
	guest_close(&g);
	bystanders_close();
}

/* 2.8.6: the id of a chain stands in its last descriptor; what the others say does not matter. */
static void
test_packed_id_of_last(void **state)
{
	struct virtq_packed_desc *d;
	struct guest g;

	(void)state;
	bystanders_open();
	guest_open(&g, F(F_RING_PACKED), MEMORY_SIZE);
	d = g.ring[1].desc;
	d[1] = (struct virtq_packed_desc){BUF + 12, FRAME, 9, VIRTQ_PACKED_F_AVAIL};
	d[0] = (struct virtq_packed_desc){BUF, 12, 7, VIRTQ_PACKED_F_AVAIL | NEXT};
	assert_int_equal(hostile_forward(&g), 1);
	assert_int_equal(guest_used(&g, 1, 0, 9), 0);
	guest_close(&g);
	bystanders_close();
}

/* A guest that receives onto its own rings harms itself only. */
static void
test_ring_as_buffer(void **state)
{
	(void)state;
	bystanders_open();
	for (unsigned packed = 0; packed < 2; packed++) {
		for (uint64_t at = START; at < START + 0x8000; at += 0x200) {
			struct virtq_desc self = {at, 4096, WRITE, 0};
			struct guest g;

			guest_open(&g, packed ? F(F_RING_PACKED) : 0, MEMORY_SIZE);
			for (unsigned i = 0; i < 5; i++)
				guest_add(&g, 0, &self, 1);
			for (unsigned i = 0; i < 8; i++) {
				hostile_deliver(&g);
				hostile_forward(&g);
			}
			bystanders_talk();
			guest_close(&g);
		}
	}
	bystanders_close();
}

/* ---- rings full of anything, and rings that change meanwhile ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static uint32_t
random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

/* Mostly sensible values: they lead deeper than plain noise. */
static struct virtq_desc
random_desc(void)
{
	static const uint64_t addrs[] = {BUF, TABLE, START, END - 64, END, 0, UINT64_MAX - 100};
	static const uint32_t lens[] = {
		0, 1, 11, 12, 16, 26, 48, WHOLE, 2048, 1024, 70000, UINT32_MAX};
	struct virtq_desc d = {addrs[random_below(random_below(3) ? 2 : 7)] + random_below(32) * 16,
		lens[random_below(12)], 0, (uint16_t)random_below(RING_SIZE + 2)};

	if (!random_below(3))
		d.flags |= NEXT;
	if (!random_below(2))
		d.flags |= WRITE;
	if (!random_below(5))
		d.flags |= INDIRECT;
	if (!random_below(50))
		d.flags = (uint16_t)random_below(65536);
	return d;
}

static void
scribble(struct guest *g, unsigned ring, unsigned most)
{
	struct virtq_avail *avail = g->ring[ring].driver;

	for (unsigned i = 0; i < 64; i++) {
		struct virtq_desc d = random_desc();

		d.next = (uint16_t)random_below(66);
		memcpy((uint8_t *)guest_at(g, TABLE) + 16 * i, &d, sizeof(d));
	}
	for (unsigned i = 0; i < most; i++) {
		struct virtq_desc d = random_desc();

		if (g->packed || random_below(2)) {
			guest_add(g, ring, &d, 1);
		} else {
			((struct virtq_desc *)g->ring[ring].desc)[random_below(RING_SIZE)] = d;
			avail->ring[g->avail[ring]++ % RING_SIZE] =
				(uint16_t)random_below(RING_SIZE + (random_below(100) == 0));
			avail->idx = g->avail[ring];
		}
	}
}

static void
test_random_rings(void **state)
{
	uint64_t passed = 0, dropped = 0, broken = 0;

	(void)state;
	bystanders_open();
	for (unsigned bits = 0; bits < 16; bits++) {
		struct guest g;

		guest_open(&g,
			(bits & 1 ? F(F_RING_PACKED) : 0) | (bits & 2 ? F(F_IN_ORDER) : 0) |
				(bits & 4 ? F(NET_F_MRG_RXBUF) : 0) | (bits & 8 ? IND : 0),
			MEMORY_SIZE);
		for (unsigned round = 0; round < 1500; round++) {
			scribble(&g, 1, random_below(20));
			scribble(&g, 0, random_below(20));
			for (unsigned i = 0; i < 3; i++)
				hostile_deliver(&g);
			for (unsigned i = 0; i < 4; i++)
				passed += hostile_forward(&g);
			if (vring_broken(g.side.vring[0]) || vring_broken(g.side.vring[1])) {
				broken++;
				guest_stop_rings(&g);
				guest_start_rings(&g);
			}
		}
		dropped += side_drops(&g.side);
		bystanders_talk();
		guest_close(&g);
	}
	/* The noise does reach all three ends. */
	assert_true(passed > 1000 && dropped > 1000 && broken > 10);
	bystanders_close();
}

struct flicker {
	struct guest *guest;
	atomic_bool stop;
};

/* Changes everything that the device reads, as fast as it can. */
static void *
flicker_run(void *arg)
{
	struct flicker *f = arg;
	struct guest *g = f->guest;
	uint64_t state = 1;

	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		for (unsigned i = 0; i < 2 * 0x4000 / 8; i++) {
			volatile uint64_t *word = (uint64_t *)(void *)g->side.memory->host + i;
			volatile uint64_t *table = guest_at(g, TABLE + 8 * (i % 128));

			state = state * 6364136223846793005u + 1442695040888963407u;
			*word ^= UINT64_C(1) << (state >> 58);
			*table ^= UINT64_C(1) << (state >> 52 & 63);
		}
	}
	return NULL;
}

/* What was checked is what is used, even when the guest's other CPU changes it in between. */
static void
test_flickering_rings(void **state)
{
	(void)state;
	bystanders_open();
	for (unsigned bits = 0; bits < 8; bits++) {
		uint64_t deadline = clock_ns() + 150000000;
		struct guest g;
		struct flicker f = {.guest = &g};
		pthread_t thread;

		guest_open(&g,
			IND | (bits & 1 ? F(F_RING_PACKED) : 0) | (bits & 2 ? F(F_IN_ORDER) : 0) |
				(bits & 4 ? F(NET_F_MRG_RXBUF) : 0),
			MEMORY_SIZE);
		assert_int_equal(pthread_create(&thread, NULL, flicker_run, &f), 0);
		while (clock_ns() < deadline) {
			scribble(&g, 1, 10);
			scribble(&g, 0, 10);
			for (unsigned i = 0; i < 4; i++) {
				hostile_deliver(&g);
				hostile_forward(&g);
			}
			if (vring_broken(g.side.vring[0]) || vring_broken(g.side.vring[1])) {
				guest_stop_rings(&g);
				guest_start_rings(&g);
			}
			bystanders_talk();
		}
		atomic_store(&f.stop, true);
		pthread_join(thread, NULL);
		guest_close(&g);
	}
	bystanders_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_transmit_chains),
		cmocka_unit_test(test_bad_receive_chains),
		cmocka_unit_test(test_one_byte_pieces),
		cmocka_unit_test(test_length_overflow),
		cmocka_unit_test(test_tiny_buffers),
		cmocka_unit_test(test_short_buffer),
		cmocka_unit_test(test_bad_rings),
		cmocka_unit_test(test_same_head_twice),
		cmocka_unit_test(test_packed_any_id),
		cmocka_unit_test(test_packed_lap_ahead),
		cmocka_unit_test(test_packed_id_of_last),
		cmocka_unit_test(test_ring_as_buffer),
		cmocka_unit_test(test_random_rings),
		cmocka_unit_test(test_flickering_rings),
	};

	return cmocka_run_group_tests_name("vring_hostile", tests, NULL, side_forget);
}
