/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures of ports in memory: what is recorded of frames that are received, sent and dropped, and that
 * nothing else changes.  The test is the control thread and the client.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/capture.h"
#include "lib/capture_reader.h"
#include "lib/clock.h"
#include "tests/unit/memory_port.h"

#define PORTS   3
#define WAIT_MS 60000
#define WHOLE   CAPTURE_BYTES_MAX

static struct memory_port *ports[PORTS];
static unsigned bridge;
static struct capture *capture;
static struct capture_reader reader;
static struct capture_record got;

static struct port_settings
plain_settings(void)
{
	struct port_settings s = {.bridge = (int)bridge, .mac_limit = UINT32_MAX};

	return s;
}

static int
setup(void **state)
{
	(void)state;
	return memory_ports_add(ports, PORTS, &bridge);
}

static void
end_capture(void)
{
	capture_reader_close(&reader);
	capture_stop(capture);
	capture = NULL;
}

static int
teardown(void **state)
{
	(void)state;
	end_capture();
	assert_int_equal(memory_ports_del(ports, PORTS, bridge), 0);
	return 0;
}

/* Of a port, or of the bridge with -1. */
static void
begin_capture(
	int port, unsigned directions, bool drops_only, uint32_t snaplen, const char *expression)
{
	struct capture_settings s = {
		.port = port < 0 ? NULL : &ports[port]->port,
		.bridge = bridge,
		.directions = directions,
		.drops_only = drops_only,
		.snaplen = snaplen,
		.expression = expression,
	};
	int records, progress;
	struct err err;

	if (capture)
		end_capture();
	assert_int_equal(capture_start(&capture, &s, &err), 0);
	capture_descriptors(capture, &records, &progress);
	assert_int_equal(capture_reader_open(&reader, records, progress, &err), 0);
}

/* 52:54:00:00:01:TO from ...:FROM, the local experimental type, bytes that depend on `seed`. */
static void
make(uint8_t *bytes, unsigned to, unsigned from, uint32_t len, unsigned seed)
{
	static const uint8_t begin[14] = {
		0x52, 0x54, 0, 0, 1, 0, 0x52, 0x54, 0, 0, 1, 0, 0x88, 0xb5};

	memcpy(bytes, begin, sizeof(begin));
	bytes[5] = (uint8_t)to;
	bytes[11] = (uint8_t)from;
	for (uint32_t at = 14; at < len; at++)
		bytes[at] = (uint8_t)(seed * 31 + at * 7);
}

static void
learn_in(unsigned port, unsigned vlan)
{
	struct mac mac = {{0x52, 0x54, 0, 0, 1, (uint8_t)port}};

	fdb_learn(datapath_bridge_fdb(bridge), fdb_make_key(mac.b, vlan), ports[port]->port.index,
		datapath_now_s());
}

static void
learn(unsigned port)
{
	learn_in(port, 0);
}

static void
next(void)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	int r;

	while (!(r = capture_reader_next(&reader, UINT64_MAX, &got))) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	assert_int_equal(r, 1);
}

static void
expect(const char *port, unsigned direction, unsigned drop, uint32_t len)
{
	next();
	if (strcmp(got.port, port) != 0 || got.direction != direction || got.drop != drop ||
		got.len != len)
		fail_msg("%s %u %s %u instead of %s %u %s %u", got.port, got.direction,
			drop_name(got.drop), got.len, port, direction, drop_name(drop), len);
}

static void
expect_none(void)
{
	/* What came before the grace period is recorded after it. */
	datapath_synchronize();
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &got), 0);
}

static void
arrives(unsigned port, const uint8_t *bytes, uint32_t len)
{
	struct memory_frame *m = memory_port_get(ports[port], WAIT_MS);

	assert_non_null(m);
	assert_int_equal(m->len, len);
	assert_memory_equal(m->bytes, bytes, len);
	free(m);
}

static void
both_directions_with_all_bytes(void **state)
{
	static const uint32_t lengths[] = {14, 60, 128, 129, 256, 257, 1514, 2100, 9000, 65000};
	uint8_t there[65000], back[65000];

	(void)state;
	learn(0);
	learn(1);
	begin_capture(1, CAPTURE_IN | CAPTURE_OUT, false, WHOLE, "");
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t len = lengths[i];

		make(there, 1, 0, len, i);
		memory_port_put(ports[0], 0, there, len);
		arrives(1, there, len);
		expect("p1", CAPTURE_OUT, CAPTURE_DELIVERED, len);
		assert_int_equal(got.captured, len);
		assert_memory_equal(reader.bytes, there, len);
		make(back, 0, 1, len, i + 100);
		memory_port_put(ports[1], 0, back, len);
		arrives(0, back, len);
		expect("p1", CAPTURE_IN, CAPTURE_DELIVERED, len);
		assert_memory_equal(reader.bytes, back, len);
	}
	expect_none();
}

static void
bridge_shows_a_frame_on_its_way(void **state)
{
	uint8_t bytes[1000];
	uint64_t tsc;

	(void)state;
	learn(2);
	begin_capture(-1, CAPTURE_IN | CAPTURE_OUT, false, 100, "");
	make(bytes, 2, 0, sizeof(bytes), 1);
	memory_port_put(ports[0], 0, bytes, sizeof(bytes));
	arrives(2, bytes, sizeof(bytes));
	expect("p0", CAPTURE_IN, CAPTURE_DELIVERED, sizeof(bytes));
	assert_int_equal(got.captured, 100);
	tsc = got.tsc;
	expect("p2", CAPTURE_OUT, CAPTURE_DELIVERED, sizeof(bytes));
	assert_int_equal(got.captured, 100);
	assert_memory_equal(reader.bytes, bytes, 100);
	assert_true(got.tsc > tsc);
	/* To two ports: one in, two out. */
	make(bytes, 9, 0, 60, 1);
	memory_port_put(ports[0], 0, bytes, 60);
	arrives(1, bytes, 60);
	arrives(2, bytes, 60);
	expect("p0", CAPTURE_IN, CAPTURE_DELIVERED, 60);
	next();
	next();
	expect_none();
}

static void
tags_are_seen_as_on_the_wire(void **state)
{
	struct port_settings access = plain_settings();
	uint8_t bytes[64], tagged[68];

	(void)state;
	access.vlan_mode = VLAN_ACCESS;
	access.tag = 5;
	assert_int_equal(datapath_port_set(&ports[0]->port, &access, NULL), 0);
	begin_capture(-1, CAPTURE_IN | CAPTURE_OUT, false, WHOLE, "");
	make(bytes, 1, 0, sizeof(bytes), 1);
	memcpy(tagged, bytes, 12);
	memcpy(tagged + 12, "\x81\x00\x00\x05", 4);
	memcpy(tagged + 16, bytes + 12, sizeof(bytes) - 12);
	memory_port_put(ports[0], 0, bytes, sizeof(bytes));
	arrives(1, tagged, sizeof(tagged));
	expect("p0", CAPTURE_IN, CAPTURE_DELIVERED, sizeof(bytes));
	assert_memory_equal(reader.bytes, bytes, sizeof(bytes));
	for (unsigned p = 1; p <= 2; p++) {
		next();
		assert_int_equal(got.len, sizeof(tagged));
		assert_memory_equal(reader.bytes, tagged, sizeof(tagged));
	}
	/* To a known address, both ways. */
	learn_in(1, 5);
	learn_in(0, 5);
	memory_port_put(ports[0], 0, bytes, sizeof(bytes));
	arrives(1, tagged, sizeof(tagged));
	expect("p0", CAPTURE_IN, CAPTURE_DELIVERED, sizeof(bytes));
	assert_memory_equal(reader.bytes, bytes, sizeof(bytes));
	expect("p1", CAPTURE_OUT, CAPTURE_DELIVERED, sizeof(tagged));
	assert_memory_equal(reader.bytes, tagged, sizeof(tagged));
	make(bytes, 0, 1, sizeof(bytes), 2);
	memcpy(tagged, bytes, 12);
	memcpy(tagged + 16, bytes + 12, sizeof(bytes) - 12);
	memory_port_put(ports[1], 0, tagged, sizeof(tagged));
	arrives(0, bytes, sizeof(bytes));
	expect("p1", CAPTURE_IN, CAPTURE_DELIVERED, sizeof(tagged));
	assert_memory_equal(reader.bytes, tagged, sizeof(tagged));
	expect("p0", CAPTURE_OUT, CAPTURE_DELIVERED, sizeof(bytes));
	assert_memory_equal(reader.bytes, bytes, sizeof(bytes));
}

static void
an_expression_chooses(void **state)
{
	uint8_t bytes[1500];

	(void)state;
	learn(1);
	begin_capture(1, CAPTURE_OUT, false, WHOLE, "ether[1400] = 0x77");
	for (unsigned i = 0; i < 40; i++) {
		make(bytes, 1, 0, sizeof(bytes), i);
		bytes[1400] = i % 4 ? 0 : 0x77;
		memory_port_put(ports[0], 0, bytes, sizeof(bytes));
		arrives(1, bytes, sizeof(bytes));
	}
	for (unsigned i = 0; i < 40; i += 4) {
		make(bytes, 1, 0, sizeof(bytes), i);
		bytes[1400] = 0x77;
		expect("p1", CAPTURE_OUT, CAPTURE_DELIVERED, sizeof(bytes));
		assert_memory_equal(reader.bytes, bytes, sizeof(bytes));
	}
	expect_none();
	assert_int_equal(capture_reader_lost(&reader), 0);
}

/* Frames that are finished here, for a receiver without offloads, are recorded as they leave. */
static void
completed_frames_are_recorded_as_sent(void **state)
{
	struct frame request = {.needs = OFFLOAD_CSUM, .csum_start = 34, .csum_offset = 6};
	struct memory_frame *m;
	uint8_t bytes[600];

	(void)state;
	learn(1);
	/* Nothing in it is what libpcap would look for: the checksum is asked for. */
	begin_capture(1, CAPTURE_OUT, false, WHOLE, "ether[599] = 0x42 and ether[40:2] != 0");
	make(bytes, 1, 0, sizeof(bytes), 1);
	memset(bytes + 40, 0, 2);
	bytes[599] = 0x42;
	memory_port_put_offload(ports[0], 0, bytes, sizeof(bytes), &request);
	m = memory_port_get(ports[1], WAIT_MS);
	assert_non_null(m);
	expect("p1", CAPTURE_OUT, CAPTURE_DELIVERED, sizeof(bytes));
	assert_memory_equal(reader.bytes, m->bytes, sizeof(bytes));
	assert_memory_not_equal(reader.bytes + 40, "\0\0", 2);
	free(m);
}

static void
received_drops_have_their_reason(void **state)
{
	struct port_settings s = plain_settings();
	uint8_t bytes[60];

	(void)state;
	learn(0);
	learn(1);
	begin_capture(0, CAPTURE_IN, true, WHOLE, "");
	make(bytes, 1, 0, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	arrives(1, bytes, 60);
	make(bytes, 0, 0, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	expect("p0", CAPTURE_IN, DROP_HAIRPIN, 60);
	make(bytes, 1, 0, 60, 0);
	bytes[6] = 1;
	memory_port_put(ports[0], 0, bytes, 60);
	expect("p0", CAPTURE_IN, DROP_BAD_SOURCE, 60);
	assert_memory_equal(reader.bytes, bytes, 60);
	memcpy(bytes, "\x01\x80\xc2\0\0\0", 6);
	bytes[6] = 0x52;
	memory_port_put(ports[0], 0, bytes, 60);
	expect("p0", CAPTURE_IN, DROP_RESERVED_ADDRESS, 60);
	/* A check. */
	s.in_rate.packets = 1;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	make(bytes, 1, 0, 60, 0);
	for (unsigned i = 0; i < RATE_PACKETS_MIN + 10; i++)
		memory_port_put(ports[0], 0, bytes, 60);
	expect("p0", CAPTURE_IN, DROP_RATE_IN, 60);
	s = plain_settings();
	s.vlan_mode = VLAN_ACCESS;
	s.tag = 7;
	begin_capture(0, CAPTURE_IN | CAPTURE_OUT, true, WHOLE, "");
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	memcpy(bytes + 12, "\x81\x00\x00\x05", 4);
	memory_port_put(ports[0], 0, bytes, 60);
	expect("p0", CAPTURE_IN, DROP_VLAN_DENIED, 60);
	s.bridge = -1;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	memory_port_put(ports[0], 0, bytes, 60);
	expect("p0", CAPTURE_IN, DROP_DETACHED, 60);
}

static void
sent_drops_have_their_reason(void **state)
{
	struct port_settings s = plain_settings();
	uint8_t bytes[2000];

	(void)state;
	learn(1);
	begin_capture(1, CAPTURE_OUT, true, WHOLE, "");
	s.mtu = 1000;
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
	make(bytes, 1, 0, 1500, 1);
	memory_port_put(ports[0], 0, bytes, 1500);
	expect("p1", CAPTURE_OUT, DROP_MTU, 1500);
	assert_memory_equal(reader.bytes, bytes, 1500);
	s = plain_settings();
	s.isolated = true;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
	memory_port_put(ports[0], 0, bytes, 60);
	expect("p1", CAPTURE_OUT, DROP_ISOLATED, 60);
	s = plain_settings();
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	atomic_store(&ports[1]->port.tx_queues, 0);
	memory_port_put(ports[0], 0, bytes, 61);
	expect("p1", CAPTURE_OUT, DROP_PORT_DOWN, 61);
}

/* The port itself refuses some frames of a burst: exactly those are shown. */
static void
the_port_refuses(void **state)
{
	uint8_t bytes[60];
	unsigned room = rte_ring_free_count(ports[1]->out), delivered = 0, refused = 0;

	(void)state;
	learn(1);
	begin_capture(1, CAPTURE_OUT, false, 60, "");
	make(bytes, 1, 0, 60, 0);
	/* No more at a time than may be on their way from one worker to the other. */
	for (unsigned i = 0; i < room; i++) {
		if (i % 256 == 0)
			for (unsigned k = i; k < i + 256 && k < room; k++)
				memory_port_put(ports[0], 0, bytes, 60);
		next();
		assert_int_equal(got.drop, CAPTURE_DELIVERED);
		delivered++;
	}
	for (unsigned i = 0; i < 50; i++) {
		memory_port_put(ports[0], 0, bytes, 60);
		expect("p1", CAPTURE_OUT, DROP_NO_BUFFER, 60);
		refused++;
	}
	assert_int_equal(delivered, room);
	assert_int_equal(refused, 50);
	for (unsigned i = 0; i < room; i++)
		arrives(1, bytes, 60);
}

/* Nobody reads: frames pass all the same, what is not recorded is counted. */
static void
a_full_lane_does_not_stop_frames(void **state)
{
	static uint8_t bytes[60000];
	struct port_counters c;
	uint64_t lost;

	(void)state;
	learn(1);
	begin_capture(1, CAPTURE_OUT, false, WHOLE, "");
	make(bytes, 1, 0, sizeof(bytes), 0);
	for (unsigned i = 0; i < 400; i++) {
		memory_port_put(ports[0], 0, bytes, sizeof(bytes));
		arrives(1, bytes, sizeof(bytes));
	}
	datapath_synchronize();
	lost = capture_reader_lost(&reader);
	assert_true(lost > 0);
	assert_true(lost < 400);
	for (unsigned i = 0; i < 400 - lost; i++)
		expect("p1", CAPTURE_OUT, CAPTURE_DELIVERED, sizeof(bytes));
	expect_none();
	datapath_port_counters(&ports[1]->port, &c);
	assert_int_equal(c.tx_packets, 400);
}

static void
ends_with_its_port(void **state)
{
	(void)state;
	begin_capture(1, CAPTURE_IN, false, WHOLE, "");
	assert_int_equal(capture_reader_over(&reader), CAPTURE_GOES_ON);
	datapath_port_del(&ports[0]->port);
	memory_port_destroy(ports[0]);
	ports[0] = NULL;
	assert_int_equal(capture_reader_over(&reader), CAPTURE_GOES_ON);
	datapath_port_del(&ports[1]->port);
	memory_port_destroy(ports[1]);
	ports[1] = NULL;
	assert_int_equal(capture_reader_over(&reader), CAPTURE_TARGET_GONE);
}

static void
ends_with_its_bridge(void **state)
{
	struct bridge_settings b = {.fdb_capacity = 1024, .ageing_s = 300};
	struct port_settings s;
	unsigned first = bridge, second;
	uint8_t bytes[60];

	(void)state;
	assert_int_equal(datapath_bridge_add(&b, &second, NULL), 0);
	bridge = second;
	begin_capture(-1, CAPTURE_IN, false, WHOLE, "");
	bridge = first;
	assert_int_equal(datapath_bridge_del(second), 0);
	assert_int_equal(capture_reader_over(&reader), CAPTURE_TARGET_GONE);
	/* Another bridge that takes its place is not captured. */
	assert_int_equal(datapath_bridge_add(&b, &second, NULL), 0);
	s = plain_settings();
	s.bridge = (int)second;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
	make(bytes, 9, 0, 60, 0);
	memory_port_put(ports[0], 0, bytes, 60);
	arrives(1, bytes, 60);
	expect_none();
	s.bridge = (int)first;
	assert_int_equal(datapath_port_set(&ports[0]->port, &s, NULL), 0);
	assert_int_equal(datapath_port_set(&ports[1]->port, &s, NULL), 0);
	assert_int_equal(datapath_bridge_del(second), 0);
}

static void
bounds_and_refusals(void **state)
{
	struct capture_settings s = {
		.port = &ports[0]->port, .directions = CAPTURE_IN, .snaplen = 64};
	struct capture *all[CAPTURE_MAX], *more = NULL;
	struct err err;

	(void)state;
	s.expression = "tcp port";
	assert_int_equal(capture_start(&more, &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "syntax error"));
	s.expression = "";
	for (unsigned i = 0; i < CAPTURE_MAX; i++)
		assert_int_equal(capture_start(&all[i], &s, &err), 0);
	assert_int_equal(capture_start(&more, &s, &err), -EUSERS);
	for (unsigned i = 0; i < CAPTURE_MAX; i++)
		capture_stop(all[i]);
	assert_int_equal(capture_start(&more, &s, &err), 0);
	capture_stop(more);
	capture_stop(NULL);
}

/* The client can't take the workers' memory away from them, nor write to it. */
static void
the_files_are_sealed(void **state)
{
	int fds[2];

	(void)state;
	begin_capture(0, CAPTURE_IN, false, 64, "");
	capture_descriptors(capture, &fds[0], &fds[1]);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fds[i], 0), -1);
		assert_int_equal(errno, EPERM);
		assert_int_equal(ftruncate(fds[i], 1 << 30), -1);
	}
	assert_int_equal(pwrite(fds[0], "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0), MAP_FAILED);
	assert_int_equal(
		fallocate(fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_directions_with_all_bytes),
		TEST(bridge_shows_a_frame_on_its_way),
		TEST(tags_are_seen_as_on_the_wire),
		TEST(an_expression_chooses),
		TEST(completed_frames_are_recorded_as_sent),
		TEST(received_drops_have_their_reason),
		TEST(sent_drops_have_their_reason),
		TEST(the_port_refuses),
		TEST(a_full_lane_does_not_stop_frames),
		TEST(ends_with_its_port),
		TEST(ends_with_its_bridge),
		TEST(bounds_and_refusals),
		TEST(the_files_are_sealed),
	};

	return cmocka_run_group_tests(tests, memory_port_start, memory_port_stop);
}
