/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mirrors: which frames of a burst are wanted, that a sender cannot change them afterwards, and what
 * becomes of copies in the packet path with ports in memory.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/mirror.h"
#include "lib/clock.h"
#include "tests/unit/check_bench.h"
#include "tests/unit/memory_port.h"

#define WAIT_MS  5000
#define QUIET_MS 20

/* ---- what is wanted ---- */

static struct snapshot_mirror mirrors[MIRROR_MAX];
static struct mirror_counters counters[MIRROR_MAX];
static struct snapshot snapshot = {.mirrors = mirrors, .ports = check_ports, .port_count = 2};

static int
setup_bench(void **state)
{
	memset(mirrors, 0, sizeof(mirrors));
	memset(counters, 0, sizeof(counters));
	check_bench_clear(state);
	check_worker->now = &snapshot;
	for (unsigned n = 0; n < MIRROR_MAX; n++)
		mirrors[n] = (struct snapshot_mirror){
			.all_vlans = true, .port = 1, .vlan = -1, .counters = &counters[n]};
	return 0;
}

/* Frames of VLANs 0, 10, 20, 30; the last one is a BPDU. */
static void
add_frames(void)
{
	static const uint8_t to[] = {0x01, 0x80, 0xc2, 0, 0, 0};
	uint8_t bytes[64] = {0x02};

	for (unsigned n = 0; n < 4; n++) {
		if (n == 3)
			memcpy(bytes, to, sizeof(to));
		check_bench_add(bytes, sizeof(bytes), sizeof(bytes))->vlan = (uint16_t)(10 * n);
	}
}

static void
test_wanted(void **state)
{
	(void)state;
	add_frames();
	/* 0: all; 5: VLANs 10 and 30; 63: all, in a VLAN of its own. */
	mirrors[5].all_vlans = false;
	vlan_set_add(&mirrors[5].vlans, 10);
	vlan_set_add(&mirrors[5].vlans, 30);
	mirrors[63].vlan = 900;
	check_ports[0].mirror_in = UINT64_C(1) | UINT64_C(1) << 5;
	check_ports[1].mirror_out = UINT64_C(1) | UINT64_C(1) << 63;
	/* It refuses nothing, whatever it wants. */
	assert_int_equal(mirror_in(check_worker, &check_ports[0], 0xb), 0xb);
	assert_int_equal(check_worker->mirrored[0], 0xb);
	assert_int_equal(check_worker->mirrored[5], 0xa);
	assert_int_equal(check_worker->mirrored[63], 0);
	/* What is sent is noted with what was received: one copy. */
	assert_int_equal(mirror_out(check_worker, &check_ports[1], 0xe), 0xe);
	assert_int_equal(check_worker->mirrored[0], 0xf);
	assert_int_equal(check_worker->mirrored[5], 0xa);
	assert_int_equal(check_worker->mirrored[63], 0x6);
	assert_int_equal(check_worker->mirrors, 0x21 | UINT64_C(1) << 63);
	/* A burst that is given up: its copies are lost, and nothing is left over. */
	mirror_abandon(check_worker);
	assert_int_equal(check_worker->mirrors, 0);
	assert_int_equal(
		check_worker->mirrored[0] | check_worker->mirrored[5] | check_worker->mirrored[63],
		0);
	assert_int_equal(counters[0].frames, 4);
	assert_int_equal(counters[0].dropped, 4);
	assert_int_equal(counters[5].dropped, 2);
	assert_int_equal(counters[63].dropped, 2);
}

static void
test_nothing_wanted(void **state)
{
	(void)state;
	add_frames();
	mirrors[1].all_vlans = false;
	vlan_set_add(&mirrors[1].vlans, 40);
	check_ports[0].mirror_in = 2;
	assert_int_equal(mirror_in(check_worker, &check_ports[0], 0xf), 0xf);
	assert_int_equal(check_worker->mirrors, 0);
}

/* The sender's memory is read once, before anybody gets the frame. */
static void
test_private(void **state)
{
	uint8_t bytes[3000], truth[3000];
	struct frame *f;

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		truth[i] = bytes[i] = (uint8_t)(i * 7 + i / 256);
	f = check_bench_split(bytes, 128, sizeof(bytes));
	/* Not even by so many pieces that no description of one is left. */
	check_worker->burst.segs_used = FRAME_SEGS;
	check_ports[1].mirror_out = 1;
	mirror_out(check_worker, &check_ports[1], 1);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(f->len, sizeof(truth));
	assert_memory_equal(f->data, truth, 128);
	assert_int_equal(f->seg_count, 1);
	assert_memory_equal(f->segs[0].addr, truth + 128, sizeof(truth) - 128);
	mirror_abandon(check_worker);
}

/* ---- what becomes of copies ---- */

enum { SENDER, RECEIVER, WATCHER, PORTS };

static struct memory_port *ports[PORTS];
static struct port_mirrors roles[PORT_MAX];
static unsigned bridge;

static int
setup_ports(void **state)
{
	static const char *const names[PORTS] = {"sender", "receiver", "watcher"};
	struct bridge_settings b = {.fdb_capacity = 64};

	(void)state;
	assert_int_equal(datapath_bridge_add(&b, &bridge, NULL), 0);
	memset(roles, 0, sizeof(roles));
	for (unsigned p = 0; p < PORTS; p++) {
		struct port_settings s = {.bridge = (int)bridge, .mac_limit = 1};

		ports[p] = memory_port_create(names[p], 1);
		assert_int_equal(datapath_port_add(&ports[p]->port, &s, NULL), 0);
	}
	return 0;
}

static int
teardown_ports(void **state)
{
	(void)state;
	assert_int_equal(datapath_mirror_set(0, NULL, roles, NULL), 0);
	assert_int_equal(memory_ports_del(ports, PORTS, bridge), 0);
	return 0;
}

static void
watch(int vlan)
{
	struct mirror_settings set = {.bridge = bridge, .vlan = vlan};

	roles[ports[SENDER]->port.index].in = 1;
	roles[ports[RECEIVER]->port.index].out = 1;
	roles[ports[WATCHER]->port.index].to = 1;
	roles[ports[WATCHER]->port.index].reserved = vlan < 0;
	assert_int_equal(datapath_mirror_set(0, &set, roles, NULL), 0);
}

static struct memory_frame *
take(unsigned port, uint32_t len)
{
	struct memory_frame *m = memory_port_get(ports[port], WAIT_MS);

	assert_non_null(m);
	assert_int_equal(m->len, len);
	return m;
}

/* A copy that is lost is counted before its loss is. */
static struct mirror_counters
await_copies(uint64_t frames, uint64_t dropped)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	struct mirror_counters c;

	for (;;) {
		datapath_mirror_counters(0, &c);
		if (c.frames >= frames && c.dropped >= dropped)
			return c;
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

/* A frame that is to be cut is whole for the receiver, and cut for a watcher that needs it so. */
static void
test_segments(void **state)
{
	static const uint8_t head[] =
		"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\x00\x45\x00\x0b\xaa\x00\x01\x00"
		"\x00\x40\x06";
	const struct frame meta = {.needs = OFFLOAD_CSUM | OFFLOAD_TSO4,
		.gso_size = 1450,
		.hdr_len = 54,
		.csum_start = 34,
		.csum_offset = 16};
	struct mirror_counters c;
	uint8_t bytes[3000];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 3);
	memcpy(bytes, head, sizeof(head) - 1);
	bytes[46] = 0x50;
	bytes[47] = 0x10;
	atomic_store(&ports[RECEIVER]->port.accepts, OFFLOAD_CSUM | OFFLOAD_TSO4);
	for (int vlan = -1; vlan <= 900; vlan += 901) {
		/* With a VLAN of the mirror's the watcher's port gets the frame itself, too. */
		uint32_t tag = vlan < 0 ? 0 : 4;

		watch(vlan);
		memory_port_put_offload(ports[SENDER], 0, bytes, sizeof(bytes), &meta);
		free(take(RECEIVER, sizeof(bytes)));
		for (unsigned copy = vlan < 0; copy < 2; copy++) {
			uint32_t more = copy ? tag : 0;

			for (uint32_t at = 54; at < sizeof(bytes); at += 1450) {
				uint32_t n = sizeof(bytes) - at < 1450 ? sizeof(bytes) - at : 1450;
				struct memory_frame *m = take(WATCHER, 54 + more + n);

				assert_memory_equal(m->bytes + 54 + more, bytes + at, n);
				assert_int_equal(m->bytes[12], more ? 0x81 : 0x08);
				free(m);
			}
		}
		assert_null(memory_port_get(ports[WATCHER], QUIET_MS));
	}
	c = await_copies(2, 0);
	assert_int_equal(c.frames, 2);
	assert_int_equal(c.bytes, 2 * sizeof(bytes) + 4);
	assert_int_equal(c.dropped, 0);
}

/* The port is an ordinary one before and after; counters begin with the mirror. */
static void
test_comes_and_goes(void **state)
{
	uint8_t bytes[64] = {0x02, 0, 0, 0, 0, 9, 0x02, 0, 0, 0, 0, 8, 0x88, 0xb5};
	struct mirror_counters c;
	struct port_counters drops;

	(void)state;
	watch(-1);
	memory_port_put(ports[RECEIVER], 0, bytes, sizeof(bytes));
	free(take(SENDER, sizeof(bytes)));
	assert_null(memory_port_get(ports[WATCHER], QUIET_MS));
	memory_port_put(ports[WATCHER], 0, bytes, sizeof(bytes));
	assert_null(memory_port_get(ports[SENDER], QUIET_MS));
	datapath_port_counters(&ports[WATCHER]->port, &drops);
	assert_int_equal(drops.drops[DROP_MIRROR_PORT], 1);
	bytes[11] = 7;
	memory_port_put(ports[SENDER], 0, bytes, sizeof(bytes));
	free(take(RECEIVER, sizeof(bytes)));
	free(take(WATCHER, sizeof(bytes)));
	assert_int_equal(await_copies(1, 0).frames, 1);
	/* Down: the receiver notices nothing. */
	atomic_store(&ports[WATCHER]->port.tx_queues, 0);
	memory_port_put(ports[SENDER], 0, bytes, sizeof(bytes));
	free(take(RECEIVER, sizeof(bytes)));
	c = await_copies(2, 1);
	assert_int_equal(c.dropped, 1);
	atomic_store(&ports[WATCHER]->port.tx_queues, 1);

	memset(roles, 0, sizeof(roles));
	assert_int_equal(datapath_mirror_set(0, NULL, roles, NULL), 0);
	memory_port_put(ports[SENDER], 0, bytes, sizeof(bytes));
	free(take(RECEIVER, sizeof(bytes)));
	free(take(WATCHER, sizeof(bytes)));
	watch(-1);
	datapath_mirror_counters(0, &c);
	assert_int_equal(c.frames | c.bytes | c.dropped, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_wanted, setup_bench),
		cmocka_unit_test_setup(test_nothing_wanted, setup_bench),
		cmocka_unit_test_setup(test_private, setup_bench),
		cmocka_unit_test_setup_teardown(test_segments, setup_ports, teardown_ports),
		cmocka_unit_test_setup_teardown(test_comes_and_goes, setup_ports, teardown_ports),
	};

	return cmocka_run_group_tests(tests, check_bench_start, check_bench_stop);
}
