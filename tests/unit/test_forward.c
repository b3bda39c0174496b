/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path with ports in memory: two workers (one where the machine has one CPU), the test
 * being the control thread.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/mbuf.h"
#include "datapath/port_eth.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "tests/unit/memory_port.h"

#define PORTS    4
#define WAIT_MS  5000
#define QUIET_MS 20 /* how long nothing must come to be sure that nothing comes */

static struct memory_port *ports[PORTS];
static unsigned bridge;

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac group = {{0x33, 0x33, 0, 0, 0, 1}};

static struct mac
host(unsigned i)
{
	return (struct mac){{0x52, 0x54, 0, 0, 1, (uint8_t)i}};
}

static struct port_settings
plain_settings(void)
{
	struct port_settings s = {.bridge = (int)bridge, .mac_limit = UINT32_MAX};

	return s;
}

/* A frame of `len` bytes whose payload depends on `seed`; tci 0xffff = untagged. */
static uint32_t
make(uint8_t *bytes, struct mac to, struct mac from, unsigned tci, uint32_t len, uint32_t seed)
{
	uint32_t at = 12;

	memcpy(bytes, &to, 6);
	memcpy(bytes + 6, &from, 6);
	if (tci != 0xffff) {
		bytes[at++] = 0x81;
		bytes[at++] = 0x00;
		bytes[at++] = (uint8_t)(tci >> 8);
		bytes[at++] = (uint8_t)tci;
	}
	bytes[at++] = 0x88;
	bytes[at++] = 0xb5; /* IEEE 802 local experimental */
	memcpy(bytes + at, &seed, 4);
	for (at += 4; at < len; at++)
		bytes[at] = (uint8_t)(seed * 31 + at * 7);
	return len;
}

/* Lets the control thread do what workers asked for, until the MAC table holds `n` addresses. */
static void
await_entries(uint32_t n)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	struct fdb_counts counts;

	for (;;) {
		struct pollfd fd = {.fd = datapath_event_fd(), .events = POLLIN};

		fdb_get_counts(datapath_bridge_fdb(bridge), &counts);
		if (counts.entries >= n)
			return;
		assert_true(clock_ns() < end);
		poll(&fd, 1, 10);
		datapath_dispatch();
	}
}

static void
expect(unsigned port, const uint8_t *bytes, uint32_t len)
{
	struct memory_frame *m = memory_port_get(ports[port], WAIT_MS);

	assert_non_null(m);
	assert_int_equal(m->len, len);
	assert_memory_equal(m->bytes, bytes, len);
	free(m);
}

static void
expect_nothing(unsigned port)
{
	struct memory_frame *m = memory_port_get(ports[port], QUIET_MS);

	assert_null(m);
}

static uint64_t
dropped(unsigned port, enum drop drop)
{
	struct port_counters c;

	datapath_port_counters(&ports[port]->port, &c);
	return c.drops[drop];
}

static void
await_drop(unsigned port, enum drop drop, uint64_t count)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);

	while (dropped(port, drop) != count) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

static void
await_received(unsigned port, uint64_t count)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	struct port_counters c;

	do {
		assert_true(clock_ns() < end);
		sched_yield();
		datapath_port_counters(&ports[port]->port, &c);
	} while (c.rx_packets != count);
}

static int
setup(void **state)
{
	(void)state;
	return memory_ports_add(ports, PORTS, &bridge);
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(memory_ports_del(ports, PORTS, bridge), 0);
	return 0;
}

/* Makes every host known behind the port of its number. */
static void
introduce(void)
{
	uint8_t bytes[64];

	for (unsigned p = 0; p < PORTS; p++) {
		make(bytes, group, host(p), 0xffff, 60, p);
		memory_port_put(ports[p], 0, bytes, 60);
		for (unsigned q = 0; q < PORTS; q++)
			if (q != p)
				expect(q, bytes, 60);
	}
	await_entries(PORTS);
}

static void
test_learn(void **state)
{
	uint8_t bytes[2000];

	(void)state;
	make(bytes, host(1), host(0), 0xffff, 60, 1);
	memory_port_put(ports[0], 0, bytes, 60);
	for (unsigned p = 1; p < PORTS; p++)
		expect(p, bytes, 60);
	expect_nothing(0);

	introduce();
	for (uint32_t len = 14; len < 2000; len += 97) {
		make(bytes, host(1), host(0), 0xffff, len < 20 ? 20 : len, len);
		memory_port_put(ports[0], 0, bytes, len);
		expect(1, bytes, len);
	}
	for (unsigned p = 0; p < PORTS; p++)
		expect_nothing(p);

	/* A host that moves is found at its new place. */
	make(bytes, group, host(1), 0xffff, 60, 2);
	memory_port_put(ports[3], 0, bytes, 60);
	for (unsigned p = 0; p < 3; p++)
		expect(p, bytes, 60);
	for (uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);;) {
		struct fdb_counts counts;

		datapath_dispatch();
		fdb_get_counts(datapath_bridge_fdb(bridge), &counts);
		if (counts.moved)
			break;
		assert_true(clock_ns() < end);
	}
	make(bytes, host(1), host(0), 0xffff, 60, 3);
	memory_port_put(ports[0], 0, bytes, 60);
	expect(3, bytes, 60);
	expect_nothing(1);
}

/* The zero address is nobody's: it is flooded, also behind a known one in the same burst. */
static void
test_zero_destination(void **state)
{
	static const struct mac zero;
	uint8_t known[60], unknown[60];

	(void)state;
	introduce();
	make(known, host(1), host(2), 0xffff, 60, 1);
	make(unknown, zero, host(2), 0xffff, 60, 2);
	for (unsigned i = 0; i < 200; i++) {
		memory_port_put(ports[2], 0, known, 60);
		memory_port_put(ports[2], 0, unknown, 60);
	}
	for (unsigned i = 0; i < 200; i++) {
		expect(1, known, 60);
		expect(1, unknown, 60);
		expect(0, unknown, 60);
		expect(3, unknown, 60);
	}
	expect_nothing(0);
}

static void
test_drops(void **state)
{
	struct port_settings s = plain_settings();
	static const struct mac bpdu = {{0x01, 0x80, 0xc2, 0, 0, 0}}, zero;
	uint8_t bytes[2000];

	(void)state;
	introduce();
	make(bytes, host(1), group, 0xffff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(0, DROP_BAD_SOURCE, 1);
	make(bytes, host(1), zero, 0xffff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(0, DROP_BAD_SOURCE, 2);
	make(bytes, bpdu, host(0), 0xffff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(0, DROP_RESERVED_ADDRESS, 1);
	make(bytes, host(0), host(0), 0xffff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(0, DROP_HAIRPIN, 1);
	make(bytes, host(1), host(0), 0xfff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(0, DROP_VLAN_MALFORMED, 1);
	make(bytes, host(1), host(0), 5, 60, 0);
	memory_port_put(ports[0], 0, bytes, 16);
	await_drop(0, DROP_VLAN_MALFORMED, 2);

	s.mac_lock = true;
	s.mac = host(0);
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	make(bytes, host(1), host(9), 0xffff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(0, DROP_MAC_LOCK, 1);

	s = plain_settings();
	s.mtu = 1500;
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
	make(bytes, host(1), host(0), 0xffff, 1514, 0);
	memory_port_put(ports[0], 0, bytes, 1514);
	expect(1, bytes, 1514);
	make(bytes, host(1), host(0), 0xffff, 1515, 0);
	memory_port_put(ports[0], 0, bytes, 1515);
	await_drop(1, DROP_MTU, 1);

	atomic_store(&ports[1]->port.tx_queues, 0);
	memory_port_put(ports[0], 0, bytes, 100);
	await_drop(1, DROP_PORT_DOWN, 1);

	s = plain_settings();
	s.bridge = -1;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	memory_port_put(ports[0], 0, bytes, 100);
	await_drop(0, DROP_DETACHED, 1);
	for (unsigned p = 0; p < PORTS; p++)
		expect_nothing(p);
}

static void
test_storm(void **state)
{
	struct port_settings s = plain_settings();
	struct port_counters c;
	uint8_t bytes[64];
	unsigned got = 0;

	(void)state;
	s.storm_pps[STORM_MULTICAST] = 100; /* and up to 200 saved */
	s.storm_pps[STORM_BROADCAST] = 100;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	make(bytes, group, host(0), 0xffff, 60, 0);
	for (unsigned i = 0; i < 2000; i++)
		memory_port_put(ports[0], 0, bytes, 60);
	for (;;) {
		struct memory_frame *m = memory_port_get(ports[1], QUIET_MS);

		if (!m)
			break;
		free(m);
		got++;
	}
	datapath_port_counters(&ports[0]->port, &c);
	assert_int_equal(c.rx_flooded, got);
	assert_int_equal(c.drops[DROP_STORM_MULTICAST], 2000 - got);
	assert_in_range(got, 200, 1000);

	/* Other classes have buckets, or none, of their own. */
	make(bytes, broadcast, host(0), 0xffff, 60, 0);
	for (unsigned i = 0; i < 200; i++) {
		memory_port_put(ports[0], 0, bytes, 60);
		expect(1, bytes, 60);
	}
	make(bytes, host(99), host(0), 0xffff, 60, 0);
	for (unsigned i = 0; i < 2000; i++) {
		memory_port_put(ports[0], 0, bytes, 60);
		expect(1, bytes, 60);
	}
	assert_int_equal(dropped(0, DROP_STORM_BROADCAST), 0);
	assert_int_equal(dropped(0, DROP_STORM_UNKNOWN), 0);
	s.storm_pps[STORM_UNKNOWN] = 100;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	for (unsigned i = 0; i < 2000; i++)
		memory_port_put(ports[0], 0, bytes, 60);
	await_received(0, 6200);
	assert_in_range(dropped(0, DROP_STORM_UNKNOWN), 1000, 1800);
}

/*
 * Frames to a guest that has just spoken are not unknown, though the control thread, which is this
 * test, has not come to learn its address; whichever workers the two guests are on.
 */
static void
test_sighting(void **state)
{
	struct port_settings s = plain_settings();
	uint8_t hello[60], bytes[60];
	struct port_counters c;

	(void)state;
	for (unsigned n = 0; n < STORM_CLASSES; n++)
		s.storm_pps[n] = 100;
	for (unsigned p = 0; p < PORTS; p++)
		assert_int_equal(datapath_port_set(&ports[p]->port, &s, NULL), 0);
	for (unsigned to = 1; to < PORTS; to++) {
		make(hello, group, host(to), 0xffff, 60, to);
		memory_port_put(ports[to], 0, hello, 60);
		expect(0, hello, 60);
		make(bytes, host(to), host(0), 0xffff, 60, to);
		for (unsigned i = 0; i < 600; i++)
			memory_port_put(ports[0], 0, bytes, 60);
		await_received(0, 600 * to);
	}
	assert_int_equal(dropped(0, DROP_STORM_UNKNOWN), 0);
	/* A machine that pauses for longer than a sighting is believed makes some of them unknown. */
	datapath_port_counters(&ports[0]->port, &c);
	assert_in_range(c.rx_forwarded, 1600, 1800);
}

/* Reserved addresses: dropped, unless bridge or port say otherwise; never to a port that drops. */
static void
test_reserved(void **state)
{
	static const struct mac addresses[] = {{{0x01, 0x80, 0xc2, 0, 0, 0}},
		{{0x01, 0x80, 0xc2, 0, 0, 0x0e}}, {{0x01, 0x80, 0xc2, 0, 0, 0x0f}},
		{{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}}, {{0x00, 0xe0, 0x2b, 0, 0, 0}}};
	static const struct mac free_ones[] = {{{0x01, 0x80, 0xc2, 0, 0, 0x10}},
		{{0x01, 0x00, 0x0c, 0xcc, 0xcd, 0xcc}}, {{0x01, 0x80, 0xc3, 0, 0, 0}}};
	struct bridge_settings b = {.fdb_capacity = 1024, .ageing_s = 300};
	struct port_settings s = plain_settings();
	uint8_t bytes[60];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		make(bytes, addresses[i], host(0), 0xffff, 60, i);
		memory_port_put(ports[0], 0, bytes, 60);
		await_drop(0, DROP_RESERVED_ADDRESS, i + 1);
	}
	for (unsigned i = 0; i < 3; i++) {
		make(bytes, free_ones[i], host(0), 0xffff, 60, i);
		memory_port_put(ports[0], 0, bytes, 60);
		for (unsigned p = 1; p < PORTS; p++)
			expect(p, bytes, 60);
	}
	b.forward_bpdu = true;
	assert_int_equal(datapath_bridge_set(bridge, &b, NULL), 0);
	s.drop_reserved = true;
	assert_int_equal(datapath_port_set(&ports[2]->port, &s, NULL), 0);
	make(bytes, addresses[0], host(0), 0xffff, 60, 9);
	memory_port_put(ports[0], 0, bytes, 60);
	expect(1, bytes, 60);
	expect(3, bytes, 60);
	expect_nothing(2);
	make(bytes, addresses[0], host(2), 0xffff, 60, 9);
	memory_port_put(ports[2], 0, bytes, 60);
	await_drop(2, DROP_RESERVED_ADDRESS, 1);
	/* By the port's own wish. */
	b.forward_bpdu = false;
	assert_int_equal(datapath_bridge_set(bridge, &b, NULL), 0);
	s.drop_reserved = false;
	s.forward_reserved = true;
	assert_int_equal(datapath_port_set(&ports[2]->port, &s, NULL), 0);
	memory_port_put(ports[2], 0, bytes, 60);
	expect(1, bytes, 60);
}

/* A port that is not to be learnt from. */
static void
test_no_learning(void **state)
{
	struct port_settings s = plain_settings();
	uint8_t bytes[60];

	(void)state;
	s.no_learning = true;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	make(bytes, host(1), host(0), 0xffff, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	for (unsigned p = 1; p < PORTS; p++)
		expect(p, bytes, 60);
	make(bytes, host(0), host(1), 0xffff, 60, 0);
	memory_port_put(ports[1], 0, bytes, 60);
	expect(0, bytes, 60);
	expect(2, bytes, 60);
	expect(3, bytes, 60);
	await_entries(1);
	assert_int_equal(fdb_port_entries(datapath_bridge_fdb(bridge), ports[0]->port.index), 0);
}

/* Isolated ports reach the others, and nobody of their kind; not even by a flood. */
static void
test_isolated(void **state)
{
	uint8_t bytes[64];

	(void)state;
	introduce();
	for (unsigned p = 0; p < 2; p++) {
		struct port_settings s = plain_settings();

		s.isolated = true;
		assert_int_equal(datapath_port_set(&ports[p]->port, &s, NULL), 0);
	}
	make(bytes, group, host(0), 0xffff, 60, 1);
	memory_port_put(ports[0], 0, bytes, 60);
	expect(2, bytes, 60);
	expect(3, bytes, 60);
	make(bytes, host(1), host(0), 0xffff, 60, 2);
	memory_port_put(ports[0], 0, bytes, 60);
	await_drop(1, DROP_ISOLATED, 2);
	make(bytes, host(2), host(0), 0xffff, 60, 3);
	memory_port_put(ports[0], 0, bytes, 60);
	expect(2, bytes, 60);
	make(bytes, host(1), host(2), 0xffff, 60, 4);
	memory_port_put(ports[2], 0, bytes, 60);
	expect(1, bytes, 60);
	for (unsigned p = 0; p < PORTS; p++)
		expect_nothing(p);
}

/*
 * Of a burst of runs some frames are over the limit: those that pass go where they should, and what
 * is refused is not learnt.
 */
static void
test_policed(void **state)
{
	struct port_settings s = plain_settings();
	struct fdb_counts counts;
	struct port_counters c;
	uint8_t bytes[1500];
	unsigned got = 0, first = 0;
	uint64_t end = clock_ns() + 2 * WAIT_MS * UINT64_C(1000000);

	(void)state;
	introduce();
	s.in_rate = (struct port_rate){.bits = 8, .packets = 0};
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	/* The bucket holds 131072 bytes, and gets one more in a second. */
	for (unsigned i = 0; i < 120; i++) {
		make(bytes, host(1 + i / 2 % 3), host(0), 0xffff, 1500, i);
		memory_port_put(ports[0], 0, bytes, 1500);
	}
	await_drop(0, DROP_RATE_IN, 120 - RATE_BURST_MIN / 1500);
	make(bytes, host(1), host(99), 0xffff, 1500, 1);
	memory_port_put(ports[0], 0, bytes, 1500);
	await_drop(0, DROP_RATE_IN, 121 - RATE_BURST_MIN / 1500);
	for (unsigned p = 1; got < RATE_BURST_MIN / 1500; p = p % 3 + 1) {
		struct memory_frame *m = memory_port_get(ports[p], 1);

		assert_true(clock_ns() < end);
		if (!m)
			continue;
		assert_memory_equal(m->bytes, host(p).b, MAC_LEN);
		got++;
		first += p == 1;
		free(m);
	}
	for (unsigned p = 0; p < PORTS; p++)
		expect_nothing(p);
	assert_in_range(first, got / 3 - 2, got / 3 + 2);
	datapath_port_counters(&ports[0]->port, &c);
	assert_int_equal(c.rx_packets, c.rx_forwarded + c.rx_flooded + c.drops[DROP_RATE_IN]);
	datapath_dispatch();
	await_entries(PORTS);
	fdb_get_counts(datapath_bridge_fdb(bridge), &counts);
	assert_int_equal(counts.entries, PORTS);
}

#define SHAPED_LEN 1500

/* Port 1 receives 100,000 bytes a second; beyond its bucket, up to `queue` bytes may wait. */
static void
shape(uint64_t queue)
{
	struct port_settings s = plain_settings();

	s.out_rate.bits = 800000;
	s.shape_bytes = queue;
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
}

static void
put_numbered(unsigned count)
{
	uint8_t bytes[SHAPED_LEN];

	for (unsigned i = 0; i < count; i++) {
		make(bytes, host(1), host(0), 0xffff, SHAPED_LEN, i);
		memory_port_put(ports[0], 0, bytes, SHAPED_LEN);
	}
}

/* The number of the next frame, which is whole; -1 = none comes. */
static int
get_numbered(unsigned ms)
{
	struct memory_frame *m = memory_port_get(ports[1], ms);
	uint8_t bytes[SHAPED_LEN];
	uint32_t seed;

	if (!m)
		return -1;
	memcpy(&seed, m->bytes + 14, 4);
	make(bytes, host(1), host(0), 0xffff, SHAPED_LEN, seed);
	assert_int_equal(m->len, SHAPED_LEN);
	assert_memory_equal(m->bytes, bytes, SHAPED_LEN);
	free(m);
	return (int)seed;
}

/* What is over the rate waits, as much as may, and comes late, in order. */
static void
test_shaped(void **state)
{
	const unsigned at_once = RATE_BURST_MIN / SHAPED_LEN, waiting = 66000 / SHAPED_LEN;
	uint64_t start = clock_ns(), waited;
	int last = -1, number;
	unsigned got = 0;

	(void)state;
	introduce();
	shape(66000);
	put_numbered(400);
	while (got + dropped(1, DROP_QUEUE_FULL) < 400) {
		number = get_numbered(1);
		assert_true(clock_ns() - start < 4 * WAIT_MS * UINT64_C(1000000));
		if (number < 0)
			continue;
		assert_true(number > last);
		last = number;
		got++;
	}
	waited = clock_ns() - start;
	/* More only where this test was slow. */
	assert_in_range(got, at_once + waiting, at_once + waiting + waited / 15000000 + 1);
	assert_true(waited > UINT64_C(400) * 1000000);
}

/* Nothing is lost or overtaken when the limit is lifted, or the queue moves. */
static void
test_shaped_changes(void **state)
{
	struct port_settings s = plain_settings();
	const unsigned count = 120;
	uint8_t bytes[60];

	(void)state;
	introduce();
	for (unsigned round = 0; round < 4; round++) {
		shape(66000);
		put_numbered(count);
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(get_numbered(WAIT_MS), i);
		if (round % 2 && datapath_worker_count() > 1)
			for (unsigned m = 0; m < 4; m++)
				assert_int_equal(
					datapath_queue_move(&ports[1]->port, 0, m % 2, NULL), 0);
		assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
		make(bytes, host(1), host(2), 0xffff, 60, 1);
		for (unsigned i = 10; i < count; i++)
			assert_int_equal(get_numbered(WAIT_MS), i);
		memory_port_put(ports[2], 0, bytes, 60);
		expect(1, bytes, 60);
		/* The next round finds a full bucket. */
		datapath_port_del(&ports[1]->port);
		assert_int_equal(datapath_port_add(&ports[1]->port, &s, NULL), 0);
		introduce();
	}
	assert_int_equal(dropped(1, DROP_QUEUE_FULL), 0);
}

/* A port that goes takes its frames along, and gives back their buffers. */
static void
test_shaped_end(void **state)
{
	struct rte_mempool *pool = mbuf_pool_waiting(0, NULL);
	struct port_settings s = plain_settings();
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	unsigned full;

	(void)state;
	assert_non_null(pool);
	full = rte_mempool_avail_count(pool);
	introduce();
	shape(66000);
	put_numbered(120);
	while (rte_mempool_avail_count(pool) == full) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	datapath_port_del(&ports[1]->port);
	assert_int_equal(rte_mempool_avail_count(pool), full);
	while (get_numbered(0) >= 0)
		;
	assert_int_equal(datapath_port_add(&ports[1]->port, &s, NULL), 0);
	/* A receiver that goes down: what waits for it ends by that name. */
	introduce();
	shape(66000);
	put_numbered(120);
	while (rte_mempool_avail_count(pool) == full) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	atomic_store(&ports[1]->port.tx_queues, 0);
	while (!dropped(1, DROP_PORT_DOWN) || rte_mempool_avail_count(pool) != full) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	atomic_store(&ports[1]->port.tx_queues, 1);
	while (get_numbered(QUIET_MS) >= 0)
		;
}

/* What a port of a mode makes of a frame: VLAN rows after ovs-vswitchd.conf.db(5), "vlan_mode". */
#define NONE 0xffff /* untagged */
#define LOST 0xfffe /* does not arrive */
struct vlan_row {
	enum vlan_mode in_mode;
	unsigned in_tag, in_trunk; /* trunk 0 = all */
	unsigned tci;              /* sent */
	enum vlan_mode out_mode;
	unsigned out_tag, out_trunk;
	unsigned expected; /* tci received */
};

static const struct vlan_row vlan_rows[] = {
	/* access to access: same VLAN only, never tagged */
	{VLAN_ACCESS, 10, 0, NONE, VLAN_ACCESS, 10, 0, NONE},
	{VLAN_ACCESS, 10, 0, NONE, VLAN_ACCESS, 11, 0, LOST},
	{VLAN_ACCESS, 10, 0, 10, VLAN_ACCESS, 10, 0, LOST},
	{VLAN_ACCESS, 10, 0, 0x6000, VLAN_ACCESS, 10, 0, NONE},
	/* access to trunk: gets the tag, keeps the priority */
	{VLAN_ACCESS, 10, 0, NONE, VLAN_TRUNK, 0, 0, 10},
	{VLAN_ACCESS, 10, 0, 0x6000, VLAN_TRUNK, 0, 0, 0x600a},
	{VLAN_ACCESS, 10, 0, NONE, VLAN_TRUNK, 0, 10, 10},
	{VLAN_ACCESS, 10, 0, NONE, VLAN_TRUNK, 0, 11, LOST},
	/* trunk to access: loses the tag */
	{VLAN_TRUNK, 0, 0, 10, VLAN_ACCESS, 10, 0, NONE},
	{VLAN_TRUNK, 0, 0, 0x600a, VLAN_ACCESS, 10, 0, NONE},
	{VLAN_TRUNK, 0, 0, 11, VLAN_ACCESS, 10, 0, LOST},
	{VLAN_TRUNK, 0, 11, 10, VLAN_ACCESS, 10, 0, LOST},
	{VLAN_TRUNK, 0, 0, NONE, VLAN_ACCESS, 10, 0, LOST},
	/* trunk to trunk: as it is; untagged is VLAN 0 */
	{VLAN_TRUNK, 0, 0, 10, VLAN_TRUNK, 0, 0, 10},
	{VLAN_TRUNK, 0, 0, 0xe00a, VLAN_TRUNK, 0, 0, 0xe00a},
	{VLAN_TRUNK, 0, 0, NONE, VLAN_TRUNK, 0, 0, NONE},
	{VLAN_TRUNK, 0, 10, NONE, VLAN_TRUNK, 0, 0, LOST},
	/* native modes: untagged belongs to the native VLAN */
	{VLAN_NATIVE_TAGGED, 10, 0, NONE, VLAN_ACCESS, 10, 0, NONE},
	{VLAN_NATIVE_UNTAGGED, 10, 0, NONE, VLAN_TRUNK, 0, 0, 10},
	{VLAN_ACCESS, 10, 0, NONE, VLAN_NATIVE_TAGGED, 10, 0, 10},
	{VLAN_ACCESS, 10, 0, NONE, VLAN_NATIVE_UNTAGGED, 10, 0, NONE},
	{VLAN_ACCESS, 11, 0, NONE, VLAN_NATIVE_UNTAGGED, 10, 0, 11},
	{VLAN_ACCESS, 11, 0, NONE, VLAN_NATIVE_UNTAGGED, 10, 12, LOST},
	{VLAN_TRUNK, 0, 0, 0x200a, VLAN_NATIVE_UNTAGGED, 10, 0, NONE},
	{VLAN_NATIVE_TAGGED, 10, 11, 11, VLAN_ACCESS, 11, 0, NONE},
	{VLAN_NATIVE_TAGGED, 10, 11, 12, VLAN_ACCESS, 12, 0, LOST},
	/* VLAN 0 would leave untagged, and come back in the native VLAN */
	{VLAN_TRUNK, 0, 0, NONE, VLAN_NATIVE_UNTAGGED, 10, 0, LOST},
	{VLAN_TRUNK, 0, 0, 0xe000, VLAN_NATIVE_TAGGED, 10, 0, LOST},
	{VLAN_TRUNK, 0, 0, NONE, VLAN_NATIVE_UNTAGGED, 0, 0, NONE},
	/* an access port sends no tag, not even a customer's */
	{VLAN_DOT1Q_TUNNEL, 10, 0, NONE, VLAN_ACCESS, 10, 0, NONE},
	{VLAN_DOT1Q_TUNNEL, 10, 0, 300, VLAN_ACCESS, 10, 0, LOST},
	/* tunnel: the customer's tag is payload of VLAN 10 */
	{VLAN_DOT1Q_TUNNEL, 10, 0, 300, VLAN_DOT1Q_TUNNEL, 10, 0, 300},
	{VLAN_DOT1Q_TUNNEL, 10, 0, NONE, VLAN_DOT1Q_TUNNEL, 10, 0, NONE},
	{VLAN_DOT1Q_TUNNEL, 10, 0, 300, VLAN_DOT1Q_TUNNEL, 11, 0, LOST},
};

static void
set_vlan(unsigned port, enum vlan_mode mode, unsigned tag, unsigned trunk)
{
	struct port_settings s = plain_settings();

	s.vlan_mode = mode;
	s.tag = (uint16_t)tag;
	if (trunk)
		vlan_set_add(&s.trunks, trunk);
	assert_int_equal(datapath_port_set(&ports[port]->port, &s, NULL), 0);
}

static void
test_vlan_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vlan_rows) / sizeof(vlan_rows[0]); i++) {
		const struct vlan_row *r = &vlan_rows[i];
		uint8_t sent[400], wanted[400];
		struct port_counters before;

		set_vlan(0, r->in_mode, r->in_tag, r->in_trunk);
		set_vlan(1, r->out_mode, r->out_tag, r->out_trunk);
		/* A receiver in another form: what it is given must not change what port 1 sees. */
		set_vlan(2, VLAN_TRUNK, 0, 0);
		for (unsigned untagged = 60; untagged <= 360; untagged += 300) {
			uint32_t len = untagged + (r->tci != NONE ? 4 : 0);

			make(sent, group, host(0), r->tci, len, 7);
			/* The payload starts behind the tag: the same bytes, with another tag. */
			memcpy(wanted, sent, 12);
			if (r->expected < LOST)
				make(wanted, group, host(0), r->expected, 18, 7);
			memcpy(wanted + (r->expected < LOST ? 16 : 12),
				sent + (r->tci != NONE ? 16 : 12), untagged - 12);
			datapath_port_counters(&ports[0]->port, &before);
			memory_port_put(ports[0], 0, sent, len);
			/* Before the modes change again. */
			await_received(0, before.rx_packets + 1);
			if (r->expected == LOST)
				expect_nothing(1);
			else
				expect(1, wanted, untagged + (r->expected != NONE ? 4 : 0));
			for (struct memory_frame *m; (m = memory_port_get(ports[2], QUIET_MS));)
				free(m);
		}
	}
}

/* Frames that follow each other at once, in part alike as far as VLANs go. */
#define ROW_FRAMES 40

static uint32_t
make_of_row(uint8_t *bytes, const struct vlan_row *r, unsigned k)
{
	uint32_t len = make(bytes, host(1), host(0), r->tci, k % 10 == 7 ? 360 : 60 + k, k);

	/* Now and then another tag behind the first, and few bytes. */
	if (k % 8 > 5) {
		uint32_t at = r->tci != NONE ? 16 : 12;

		memcpy(bytes + at, k % 16 > 7 ? "\x81\x00\x00\x05" : "\x88\xa8\x00\x07", 4);
	}
	return k % 20 == 19 ? 18 : len;
}

/* What the receiver gets of them all; one by one, or as they come. */
static unsigned
send_row(const struct vlan_row *r, bool one_by_one, struct memory_frame **got)
{
	const struct frame meta = {.needs = OFFLOAD_CSUM, .csum_start = 34, .csum_offset = 6};
	struct port_counters before;
	unsigned n = 0;
	uint8_t bytes[400];

	datapath_port_counters(&ports[0]->port, &before);
	for (unsigned k = 0; k < ROW_FRAMES; k++) {
		uint32_t len = make_of_row(bytes, r, k);

		if (k % 9 == 4)
			memory_port_put_offload(ports[0], 0, bytes, len, &meta);
		else
			memory_port_put(ports[0], 0, bytes, len);
		if (one_by_one)
			await_received(0, before.rx_packets + k + 1);
	}
	await_received(0, before.rx_packets + ROW_FRAMES);
	while ((got[n] = memory_port_get(ports[1], QUIET_MS)) != NULL)
		assert_true(++n <= ROW_FRAMES);
	return n;
}

/* Whether frames come alone or together makes no difference to their tags. */
static void
test_vlan_bursts(void **state)
{
	static const uint16_t vlans[] = {0, 10, 11, 12};

	(void)state;
	for (unsigned v = 0; v < sizeof(vlans) / sizeof(vlans[0]); v++)
		assert_int_equal(fdb_add_static(datapath_bridge_fdb(bridge),
					 fdb_make_key(host(1).b, vlans[v]), 1),
			0);
	atomic_store(&ports[1]->port.accepts, OFFLOAD_CSUM);
	for (size_t i = 0; i < sizeof(vlan_rows) / sizeof(vlan_rows[0]); i++) {
		const struct vlan_row *r = &vlan_rows[i];
		struct memory_frame *alone[ROW_FRAMES + 1], *together[ROW_FRAMES + 1];
		unsigned n;

		set_vlan(0, r->in_mode, r->in_tag, r->in_trunk);
		set_vlan(1, r->out_mode, r->out_tag, r->out_trunk);
		n = send_row(r, true, alone);
		assert_int_equal(send_row(r, false, together), n);
		for (unsigned k = 0; k < n; k++) {
			assert_int_equal(alone[k]->len, together[k]->len);
			assert_memory_equal(alone[k]->bytes, together[k]->bytes, alone[k]->len);
			assert_int_equal(alone[k]->meta.needs, together[k]->meta.needs);
			assert_int_equal(alone[k]->meta.csum_start, together[k]->meta.csum_start);
			assert_int_equal(alone[k]->meta.tag, together[k]->meta.tag);
			free(alone[k]);
			free(together[k]);
		}
	}
}

static void
test_tunnel_tags(void **state)
{
	uint8_t sent[64], wanted[68];

	(void)state;
	/* A tunnel port's frames get the service tag in front of the customer's. */
	set_vlan(0, VLAN_DOT1Q_TUNNEL, 10, 0);
	set_vlan(1, VLAN_TRUNK, 0, 0);
	make(sent, group, host(0), 300, 64, 7);
	memcpy(wanted, sent, 12);
	memcpy(wanted + 12, "\x88\xa8\x00\x0a", 4);
	memcpy(wanted + 16, sent + 12, 52);
	memory_port_put(ports[0], 0, sent, 64);
	expect(1, wanted, 68);
	/* And lose it on the way back. */
	memory_port_put(ports[1], 0, wanted, 68);
	expect(0, sent, 64);
}

static void
test_offload_shift(void **state)
{
	struct frame meta = {.needs = OFFLOAD_CSUM, .csum_start = 34, .csum_offset = 6};
	struct memory_frame *m;
	uint8_t bytes[100];

	(void)state;
	set_vlan(0, VLAN_ACCESS, 10, 0);
	set_vlan(1, VLAN_TRUNK, 0, 0);
	atomic_store(&ports[1]->port.accepts, OFFLOAD_CSUM);
	make(bytes, group, host(0), NONE, 100, 7);
	memory_port_put_offload(ports[0], 0, bytes, 100, &meta);
	m = memory_port_get(ports[1], WAIT_MS);
	assert_non_null(m);
	assert_int_equal(m->len, 104);
	assert_int_equal(m->meta.needs, OFFLOAD_CSUM);
	assert_int_equal(m->meta.csum_start, 38);
	assert_int_equal(m->meta.csum_offset, 6);
	free(m);
}

/* Pieces that a receiver without offloads would get are held to its port's MTU one by one. */
static void
test_segments_mtu(void **state)
{
	const struct frame meta = {.needs = OFFLOAD_CSUM | OFFLOAD_TSO4,
		.gso_size = 1450,
		.hdr_len = 66,
		.csum_start = 34,
		.csum_offset = 16};
	struct frame large = meta;
	struct port_settings s = plain_settings();
	struct memory_frame *m;
	struct port_counters c;
	uint8_t bytes[3000];

	(void)state;
	s.mtu = 1500;
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
	make(bytes, group, host(0), 0xffff, sizeof(bytes), 7);
	/* Ethernet, IPv4 with 20 bytes of header, TCP with 20 and 12 of options that say nothing. */
	memcpy(bytes + 12, "\x08\x00\x45\x00\x0b\xaa\x00\x01\x00\x00\x40\x06", 12);
	bytes[46] = 0x80;
	bytes[47] = 0x10;
	memset(bytes + 54, 1, 12);
	memory_port_put_offload(ports[0], 0, bytes, sizeof(bytes), &meta);
	/* 1,450 bytes of payload twice, then 34. */
	m = memory_port_get(ports[1], WAIT_MS);
	assert_non_null(m);
	assert_int_equal(m->len, 66 + 34);
	assert_memory_equal(m->bytes + 66, bytes + sizeof(bytes) - 34, 34);
	free(m);
	await_drop(1, DROP_MTU, 2);
	/* Where no piece can fit, none is made. */
	large.gso_size = 1500;
	memory_port_put_offload(ports[0], 0, bytes, sizeof(bytes), &large);
	await_drop(1, DROP_MTU, 3);
	datapath_port_counters(&ports[1]->port, &c);
	assert_int_equal(c.tx_segmented, 2);
}

/* Received = forwarded + flooded + dropped; copies sent = delivered + dropped at the receiver. */
static void
test_counters_add_up(void **state)
{
	uint64_t in = 0, wanted_out = 0, out = 0;
	uint8_t bytes[256];

	(void)state;
	introduce();
	srand(7);
	atomic_store(&ports[3]->port.tx_queues, 0);
	for (unsigned i = 0; i < 5000; i++) {
		unsigned from = (unsigned)rand() % PORTS, to = (unsigned)rand() % (PORTS + 2);
		unsigned tci = rand() % 8 ? 0xffff : (unsigned)rand() % 4096;
		uint32_t len = 60 + (uint32_t)rand() % 190;

		make(bytes,
			to < PORTS    ? host(to)
			: to == PORTS ? group
				      : host(200),
			rand() % 16 ? host(from) : group, tci, len, i);
		memory_port_put(ports[from], 0, bytes, len);
		for (unsigned p = 0; p < PORTS; p++)
			for (struct memory_frame *m; rte_ring_count(ports[p]->out) > 1000 &&
						     (m = memory_port_get(ports[p], 0));)
				free(m);
	}
	for (unsigned p = 0; p < PORTS; p++)
		for (struct memory_frame *m; (m = memory_port_get(ports[p], QUIET_MS));)
			free(m);
	for (unsigned p = 0; p < PORTS; p++) {
		struct port_counters c;
		uint64_t drops_in = 0, drops_out = 0;

		datapath_port_counters(&ports[p]->port, &c);
		for (unsigned d = 0; d < DROP_COUNT; d++)
			*(drop_direction((enum drop)d) == DROP_IN ? &drops_in : &drops_out) +=
				c.drops[d];
		assert_int_equal(c.rx_packets, c.rx_forwarded + c.rx_flooded + drops_in);
		in += c.rx_packets;
		wanted_out += c.rx_forwarded + c.rx_copies;
		out += c.tx_packets + drops_out - c.tx_segmented;
	}
	assert_int_equal(in, 5000 + PORTS);
	assert_int_equal(wanted_out, out);
}

/* Traffic between ports of two workers, in order and whole, while queues change their worker. */
static void
test_move_queues(void **state)
{
	uint32_t sent = 0, got = 0, moves = 0;
	uint8_t bytes[3000];

	(void)state;
	if (datapath_worker_count() < 2) {
		print_message("skipped: needs two CPUs\n");
		skip();
	}
	introduce();
	while (got < 20000) {
		if (sent < 20000 && sent - got < 200) {
			uint32_t len = 60 + sent % 2900;

			make(bytes, host(1), host(0), 0xffff, len, sent);
			memory_port_put(ports[0], 0, bytes, len);
			sent++;
		}
		if (sent % 500 == 0 && sent / 500 > moves) {
			moves++;
			assert_int_equal(datapath_queue_move(
						 &ports[moves % 2]->port, 0, moves / 2 % 2, NULL),
				0);
		}
		for (struct memory_frame *m;
			(m = memory_port_get(ports[1], sent == 20000 ? WAIT_MS : 0));) {
			make(bytes, host(1), host(0), 0xffff, 60 + got % 2900, got);
			assert_int_equal(m->len, 60 + got % 2900);
			assert_memory_equal(m->bytes, bytes, m->len);
			free(m);
			if (++got == 20000)
				break;
		}
	}
	assert_true(moves >= 39);
}

/* Ports and bridges come and go; the others lose nothing. */
static void
test_bystanders(void **state)
{
	uint32_t sent = 0, got = 0;
	uint8_t bytes[256];

	(void)state;
	introduce();
	for (unsigned round = 0; round < 300; round++) {
		struct port_settings s = plain_settings();
		struct memory_port *guest = memory_port_create("guest", 2);

		s.bridge = round % 2 ? (int)bridge : -1;
		assert_int_equal(datapath_port_add(&guest->port, &s, NULL), 0);
		for (unsigned i = 0; i < 20; i++, sent++) {
			make(bytes, host(1), host(0), 0xffff, 100, sent);
			memory_port_put(ports[0], 0, bytes, 100);
			make(bytes, group, host(77), 0xffff, 100, sent);
			memory_port_put(guest, round % 2, bytes, 100);
		}
		datapath_port_del(&guest->port);
		memory_port_destroy(guest);
		datapath_dispatch();
		while (got < sent) {
			struct memory_frame *m = memory_port_get(ports[1], WAIT_MS);

			assert_non_null(m);
			/* Floods of the guest arrive in between. */
			if (m->bytes[11] == 0) {
				make(bytes, host(1), host(0), 0xffff, 100, got);
				assert_memory_equal(m->bytes, bytes, 100);
				got++;
			}
			free(m);
		}
	}
}

static void
test_flow_spread(void **state)
{
	struct memory_port *wide = memory_port_create("wide", 4);
	struct port_settings s = plain_settings();
	struct mac w = host(50);
	unsigned per_queue[4] = {0}, flow_queue[64];
	uint8_t bytes[64];

	(void)state;
	assert_int_equal(datapath_port_add(&wide->port, &s, NULL), 0);
	introduce();
	for (unsigned p = 0; p < PORTS; p++)
		free(memory_port_get(wide, WAIT_MS));
	memset(flow_queue, 0xff, sizeof(flow_queue));
	for (unsigned i = 0; i < 640; i++) {
		struct memory_frame *m;

		/* IPv4 UDP, source port = flow */
		make(bytes, w, host(0), 0xffff, 60, 0);
		memset(bytes + 12, 0, 48);
		bytes[12] = 8;
		bytes[14] = 0x45;
		bytes[23] = 17;
		bytes[35] = (uint8_t)(i % 64);
		memory_port_put(ports[0], 0, bytes, 60);
		m = memory_port_get(wide, WAIT_MS);
		assert_non_null(m);
		if (i < 64)
			flow_queue[i] = m->queue;
		assert_int_equal(m->queue, flow_queue[i % 64]);
		per_queue[m->queue]++;
		free(m);
	}
	for (unsigned q = 0; q < 4; q++)
		assert_true(per_queue[q] > 0);
	datapath_port_del(&wide->port);
	memory_port_destroy(wide);
}

/* A port that only ever brings what is no frame. */
static struct rubbish {
	struct port port;
	atomic_uint waiting, flushed;
} rubbish;

static bool
rubbish_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	(void)port;
	(void)queue;
	(void)burst;
	if (!atomic_load(&rubbish.waiting))
		return false;
	counters->drops[DROP_BAD_DESCRIPTOR] += 1;
	atomic_fetch_sub(&rubbish.waiting, 1);
	return true;
}

static void
rubbish_flush(struct port *port, unsigned queue)
{
	(void)port;
	(void)queue;
	atomic_fetch_add(&rubbish.flushed, 1);
}

/* Whose buffers are given back is told so, frames or not. */
static void
test_rubbish_is_flushed(void **state)
{
	static const struct port_ops ops = {
		.type = "rubbish", .rx = rubbish_rx, .rx_flush = rubbish_flush};
	struct port_settings s = plain_settings();
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);

	(void)state;
	port_init(&rubbish.port, &ops, "rubbish", 1, 1);
	rubbish.port.poll_us = 100;
	assert_int_equal(datapath_port_add(&rubbish.port, &s, NULL), 0);
	atomic_store(&rubbish.waiting, 3);
	while (atomic_load(&rubbish.flushed) < 3) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	datapath_port_del(&rubbish.port);
	assert_int_equal(atomic_load(&rubbish.flushed), 3);
}

/* Ports whose operations the test watches; `asked` frames are still to be brought. */
static struct watched {
	struct port port;
	uint8_t frame[60];
	atomic_uint asked, sent, failed;
	atomic_bool peeks, open, misused, armed;
	const uint8_t *_Atomic lost; /* memory of the port that is gone, NULL = none */
	atomic_int where;            /* it is met: */
} watched[3];

enum { IN_PEEK, IN_TX, BORROWED };

static unsigned
watched_rx_peek(struct port *port, unsigned queue)
{
	(void)queue;
	return atomic_load(&((struct watched *)port)->peeks);
}

static void
watched_tx_peek(struct port *port, unsigned queue, unsigned count)
{
	struct watched *p = (struct watched *)port;
	const volatile uint8_t *lost = atomic_load(&p->lost);

	(void)queue;
	(void)count;
	if (lost && atomic_load(&p->where) == IN_PEEK)
		(void)*lost;
}

static bool
watched_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	struct watched *p = (struct watched *)port;
	struct frame *f = &burst->frames[0];

	(void)queue;
	(void)counters;
	if (!atomic_load(&p->asked))
		return false;
	atomic_fetch_sub(&p->asked, 1);
	frame_clear(f);
	f->data = burst->slots[0].bytes;
	f->len = f->head_len = sizeof(p->frame);
	memcpy(f->data, p->frame, sizeof(p->frame));
	if (atomic_load(&p->lost) && atomic_load(&p->where) == BORROWED) {
		burst->segs[0].addr = atomic_load(&p->lost);
		burst->segs[0].len = 100;
		f->segs = burst->segs;
		f->seg_count = 1;
		f->len += 100;
	}
	burst->count = 1;
	atomic_store(&p->open, true);
	return true;
}

static void
watched_rx_done(struct port *port, unsigned queue, struct burst *burst)
{
	struct watched *p = (struct watched *)port;

	(void)queue;
	(void)burst;
	if (!atomic_exchange(&p->open, false))
		atomic_store(&p->misused, true);
}

static void
watched_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct watched *p = (struct watched *)port;
	const volatile uint8_t *lost = atomic_load(&p->lost);

	(void)queue;
	(void)frames;
	(void)list;
	if (lost && atomic_load(&p->where) == IN_TX)
		(void)*lost;
	counters->tx_packets += count;
	atomic_fetch_add(&p->sent, count);
}

static bool
watched_rx_arm(struct port *port, unsigned queue)
{
	struct watched *p = (struct watched *)port;

	(void)queue;
	atomic_store(&p->armed, true);
	return atomic_load(&p->asked) > 0;
}

static void
watched_rx_disarm(struct port *port, unsigned queue)
{
	(void)queue;
	atomic_store(&((struct watched *)port)->armed, false);
}

static bool
watched_owns(struct port *port, const void *address)
{
	return address == atomic_load(&((struct watched *)port)->lost);
}

static void
watched_fail(struct port *port)
{
	struct watched *p = (struct watched *)port;

	atomic_store(&p->lost, NULL);
	atomic_fetch_add(&p->failed, 1);
}

static void
await_count(const atomic_uint *counter, unsigned least)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);

	while (atomic_load(counter) < least) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

static void
await_armed(const struct watched *p, bool armed)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);

	while (atomic_load(&p->armed) != armed) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

static void *lost_page;

/* Three ports that send to the third, all on one worker. */
static void
watched_open(void)
{
	static const struct port_ops ops = {.type = "watched",
		.rx_peek = watched_rx_peek,
		.tx_peek = watched_tx_peek,
		.rx = watched_rx,
		.rx_done = watched_rx_done,
		.tx = watched_tx,
		.rx_arm = watched_rx_arm,
		.rx_disarm = watched_rx_disarm,
		.owns = watched_owns,
		.fail = watched_fail};
	int fd = memfd_create("lost", MFD_CLOEXEC);
	struct port_settings s = plain_settings();
	struct mac mac = host(12);

	lost_page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(lost_page, MAP_FAILED);
	close(fd);
	assert_int_equal(fault_install(), 0);
	memset(watched, 0, sizeof(watched));
	for (unsigned i = 0; i < 3; i++) {
		port_init(&watched[i].port, &ops, "watched", 1, 1);
		watched[i].port.poll_us = 100;
		make(watched[i].frame, mac, host(10 + i), 0xffff, 60, i);
		assert_int_equal(datapath_port_add(&watched[i].port, &s, NULL), 0);
		assert_int_equal(datapath_queue_move(&watched[i].port, 0, 0, NULL), 0);
		atomic_store(&watched[i].port.tx_queues, 1);
	}
	assert_int_equal(fdb_add_static(datapath_bridge_fdb(bridge), fdb_make_key(mac.b, 0),
				 watched[2].port.index),
		0);
}

static void
watched_close(void)
{
	for (unsigned i = 0; i < 3; i++) {
		datapath_port_del(&watched[i].port);
		assert_false(atomic_load(&watched[i].misused));
	}
	munmap(lost_page, 4096);
}

/*
 * The memory of a receiver is gone when it is looked at for a port that has brought nothing yet: that
 * port is not asked to take back the burst of the one before it.
 */
static void
test_lost_while_peeking(void **state)
{
	(void)state;
	watched_open();
	/* Both learn where their frames usually go. */
	atomic_store(&watched[0].asked, 1);
	atomic_store(&watched[1].asked, 1);
	await_count(&watched[2].sent, 2);
	atomic_store(&watched[1].peeks, true);
	atomic_store(&watched[0].asked, 1000);
	for (unsigned round = 1; round < 20; round++) {
		atomic_store(&watched[2].lost, lost_page);
		await_count(&watched[2].failed, round);
	}
	await_count(&watched[2].sent, 1000);
	watched_close();
}

/* A queue that was left asking for wake-ups asks for none where it is polled. */
static void
test_move_armed(void **state)
{
	(void)state;
	if (datapath_worker_count() < 2) {
		print_message("skipped: needs two CPUs\n");
		skip();
	}
	watched_open();
	for (unsigned i = 1; i < 3; i++)
		assert_int_equal(datapath_queue_move(&watched[i].port, 0, 1, NULL), 0);
	/* One worker has more to do than the test lasts, the other nothing. */
	atomic_store(&watched[1].asked, UINT32_MAX);
	await_count(&watched[2].sent, 100);
	await_armed(&watched[0], true);
	assert_int_equal(datapath_queue_move(&watched[0].port, 0, 1, NULL), 0);
	await_armed(&watched[0], false);
	watched_close();
}

/* Loses the memory of a port `rounds` times, with one frame from 0 each time. */
static void
lose(struct watched *p, int where, unsigned rounds)
{
	unsigned before = atomic_load(&p->failed);

	atomic_store(&p->where, where);
	for (unsigned round = 1; round <= rounds; round++) {
		atomic_store(&p->lost, lost_page);
		atomic_store(&watched[0].asked, 1);
		await_count(&p->failed, before + round);
	}
	assert_int_equal(datapath_synchronize(), 0);
}

/* Copies for an interface or for another worker come back when one end's memory fails. */
static void
test_lost_while_copying(void **state)
{
	struct port_eth_options options = {.type = "null", .name = "null"};
	struct port_settings s = plain_settings();
	struct mac mac = host(12), sink = host(13);
	struct rte_mempool *pool = mbuf_pool(NULL);
	struct port *null;
	unsigned before;

	(void)state;
	watched_open();
	assert_int_equal(port_eth_create(&options, &null, NULL), 0);
	assert_int_equal(datapath_port_add(null, &s, NULL), 0);
	assert_int_equal(datapath_queue_move(null, 0, 0, NULL), 0);
	assert_int_equal(
		fdb_add_static(datapath_bridge_fdb(bridge), fdb_make_key(sink.b, 0), null->index),
		0);
	before = rte_mempool_avail_count(pool);

	memcpy(watched[0].frame, &sink, MAC_LEN);
	lose(&watched[0], BORROWED, 20);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	memcpy(watched[0].frame, &mac, MAC_LEN);
	if (datapath_worker_count() > 1) {
		assert_int_equal(datapath_queue_move(&watched[2].port, 0, 1, NULL), 0);
		lose(&watched[0], BORROWED, 20);
		assert_int_equal(rte_mempool_avail_count(pool), before);
		lose(&watched[2], IN_TX, 20);
		assert_int_equal(rte_mempool_avail_count(pool), before);
	}
	datapath_port_del(null);
	null->ops->destroy(null);
	watched_close();
}

static void
test_inject(void **state)
{
	uint8_t bytes[60];

	(void)state;
	make(bytes, group, host(7), 0xffff, 60, 0);
	assert_int_equal(datapath_inject(&ports[2]->port, bytes, 13), -EINVAL);
	assert_int_equal(datapath_inject(&ports[2]->port, bytes, DATAPATH_INJECT_MAX + 1), -EINVAL);
	assert_int_equal(datapath_inject(&ports[2]->port, bytes, 60), 0);
	for (unsigned p = 0; p < PORTS; p++)
		if (p != 2)
			expect(p, bytes, 60);
	await_entries(1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_learn),
		TEST(test_zero_destination),
		TEST(test_drops),
		TEST(test_storm),
		TEST(test_sighting),
		TEST(test_reserved),
		TEST(test_no_learning),
		TEST(test_isolated),
		TEST(test_policed),
		TEST(test_shaped),
		TEST(test_shaped_changes),
		TEST(test_shaped_end),
		TEST(test_vlan_modes),
		TEST(test_vlan_bursts),
		TEST(test_tunnel_tags),
		TEST(test_offload_shift),
		TEST(test_segments_mtu),
		TEST(test_counters_add_up),
		TEST(test_move_queues),
		TEST(test_bystanders),
		TEST(test_flow_spread),
		TEST(test_inject),
		TEST(test_rubbish_is_flushed),
		TEST(test_lost_while_peeking),
		TEST(test_lost_while_copying),
		TEST(test_move_armed),
	};

	return cmocka_run_group_tests(tests, memory_port_start, memory_port_stop);
}
