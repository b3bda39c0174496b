/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that a front end shares is truncated under a running switch: its port fails, the process
 * lives, the other ports lose nothing.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/datapath.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "vhost/dirty.h"
#include "vhost/driver_net.h"
#include "vhost/inflight.h"
#include "vhost/memory.h"
#include "vhost/port_vhost.h"

#define GUESTS  4
#define MEMORY  (8u << 20)
#define ENTRIES 64 /* of a ring */
#define WAIT_MS 5000
#define LEN     9000 /* more than is copied into the worker's scratch, and than a page */

/* 0 and 1 talk to each other, and 2 and 3. */
static struct guest {
	struct vhost_rings device;
	struct driver_memory *memory;
	struct driver_net *net;
	struct guest_memory *table;
	struct vring *vring[2];
	int log_fd, inflight_fd;
	struct dirty_log *log;
	struct inflight_region inflight;
} guests[GUESTS];

static unsigned bridge;
static struct port *broken_port;
static unsigned broken_reason;

static void
on_broken(struct port *port, unsigned queue, unsigned reason)
{
	(void)queue;
	broken_port = port;
	broken_reason = reason;
}

static void *
host_of(const struct guest *g, const void *driver)
{
	return guest_memory_from_guest(g->table, driver_memory_gpa(g->memory, driver), 1);
}

/* The two other files that a front end shares. */
static void
guest_share(struct guest *g, bool packed)
{
	uint64_t bits = (DRIVER_MEMORY_GPA + MEMORY) / DIRTY_PAGE / 8;
	struct vhost_inflight given = {.mmap_size = 2 * inflight_queue_bytes(ENTRIES, packed),
		.num_queues = 2,
		.queue_size = ENTRIES};
	struct err err = {0};

	g->log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_int_equal(ftruncate(g->log_fd, (off_t)bits), 0);
	assert_int_equal(dirty_log_create(&g->log, g->log_fd, 0, bits, &err), 0);
	g->inflight_fd = memfd_create("inflight", MFD_CLOEXEC);
	assert_int_equal(ftruncate(g->inflight_fd, (off_t)given.mmap_size), 0);
	assert_int_equal(
		inflight_region_map(&g->inflight, &given, packed, g->inflight_fd, &err), 0);
}

static void
guest_open(struct guest *g, bool packed)
{
	struct driver_memory_options memory = {.size = MEMORY, .unsealed = true};
	/* Of two pairs of queues one is used. */
	struct driver_net_options net = {.pairs = 1,
		.rx_size = ENTRIES,
		.tx_size = ENTRIES,
		.polling = true,
		.features = VIRTIO_BIT(VIRTIO_F_VERSION_1) |
			    (packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0),
		.rx_buffer = LEN + 64};
	struct port_settings settings = {.bridge = (int)bridge, .mac_limit = UINT32_MAX};
	struct err err = {0};

	memset(g, 0, sizeof(*g));
	port_init(&g->device.port, &vhost_rings_ops, "guest", 2, 2);
	assert_int_equal(driver_memory_create(&g->memory, &memory, &err), 0);
	net.memory = g->memory;
	assert_int_equal(driver_net_create(&g->net, &net, &err), 0);
	assert_int_equal(
		guest_memory_create(&g->table, g->memory->regions, &g->memory->fd, 1, &err), 0);
	assert_int_equal(datapath_port_add(&g->device.port, &settings, &err), 0);
	driver_net_fill(g->net, 0);
	guest_share(g, packed);
	for (unsigned i = 0; i < 2; i++) {
		struct frontend_ring ring;
		struct vring_setup setup = {.features = net.features,
			.memory = g->table,
			.log = g->log,
			.log_used = true,
			.call_fd = -1,
			.next_wrap = true};

		driver_net_ring(g->net, i, &ring);
		setup.size = ring.size;
		setup.desc = host_of(g, ring.desc);
		setup.avail = host_of(g, ring.driver);
		setup.used = host_of(g, ring.device);
		setup.used_gpa = driver_memory_gpa(g->memory, packed ? ring.desc : ring.device);
		setup.inflight = inflight_region_queue(&g->inflight, i, ring.size, packed);
		assert_int_equal(vring_create(&g->vring[i], &setup), 0);
		vhost_rings_start(&g->device, i, g->vring[i]);
		if (i)
			assert_int_equal(datapath_port_watch(&g->device.port, 0, ring.kick_fd), 0);
	}
	atomic_store(&g->device.port.tx_queues, 1);
}

static void
guest_close(struct guest *g)
{
	struct vring *stopped[VHOST_RINGS_MAX];

	vhost_rings_stop(&g->device, 3, stopped);
	datapath_port_del(&g->device.port);
	vring_destroy(stopped[0]);
	vring_destroy(stopped[1]);
	dirty_log_destroy(g->log);
	inflight_region_unmap(&g->inflight);
	close(g->log_fd);
	close(g->inflight_fd);
	guest_memory_release(g->table);
	driver_net_destroy(g->net);
	driver_memory_destroy(g->memory);
}

static void
frame_make(uint8_t *frame, unsigned from, unsigned to, unsigned seed)
{
	memset(frame, (int)seed, LEN);
	memcpy(frame, (uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)to}, 6);
	memcpy(frame + 6, (uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)from}, 6);
}

static void
exchange(unsigned from, unsigned to, unsigned seed)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);
	uint8_t sent[LEN], got[LEN + 1];
	int n;

	frame_make(sent, from, to, seed);
	assert_int_equal(driver_net_send(guests[from].net, 0, NULL, sent, LEN), 0);
	driver_net_flush(guests[from].net, 0);
	while (!(n = driver_net_receive(guests[to].net, 0, NULL, got, sizeof(got))))
		assert_true(clock_ns() < end);
	assert_int_equal(n, LEN);
	assert_memory_equal(got, sent, LEN);
	driver_net_flush(guests[to].net, 0);
}

/* Waits for the report about guests[victim]. */
static void
await_broken(unsigned victim)
{
	uint64_t end = clock_ns() + WAIT_MS * UINT64_C(1000000);

	while (!broken_port) {
		struct pollfd fd = {.fd = datapath_event_fd(), .events = POLLIN};

		assert_true(clock_ns() < end);
		poll(&fd, 1, 10);
		datapath_dispatch();
	}
	assert_ptr_equal(broken_port, &guests[victim].device.port);
	assert_int_equal(broken_reason, VRING_BROKEN_MEMORY);
	assert_int_equal(vring_broken(guests[victim].vring[0]), VRING_BROKEN_MEMORY);
	assert_int_equal(vring_broken(guests[victim].vring[1]), VRING_BROKEN_MEMORY);
}

/* Bytes up to the end of a guest's rings, in whole pages; transmit buffers stand behind them. */
static uint64_t
rings_end(const struct guest *g)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct frontend_ring ring;

		driver_net_ring(g->net, i, &ring);
		if ((uint64_t)((uint8_t *)ring.device - g->memory->host) > end)
			end = (uint64_t)((uint8_t *)ring.device - g->memory->host);
	}
	return (end + 1024 + 4095) / 4096 * 4096;
}

static void
open_all(bool packed)
{
	/* cmocka catches SIGBUS itself, anew for each test. */
	assert_int_equal(fault_install(), 0);
	for (unsigned i = 0; i < GUESTS; i++) {
		const uint8_t mac[] = {0x52, 0x54, 0, 0, 0, (uint8_t)i};

		guest_open(&guests[i], packed);
		assert_int_equal(fdb_add_static(datapath_bridge_fdb(bridge), fdb_make_key(mac, 0),
					 guests[i].device.port.index),
			0);
	}
	exchange(0, 1, 1);
	exchange(2, 3, 2);
	broken_port = NULL;
}

/* Guests 2 and 3 have noticed nothing. */
static void
close_all(void)
{
	for (unsigned i = 0; i < 100; i++) {
		exchange(2, 3, i);
		exchange(3, 2, i);
	}
	for (unsigned i = 0; i < GUESTS; i++)
		guest_close(&guests[i]);
}

/* Cuts the victim's file behind its rings, or at 0, while frames are on their way from 0 to 1. */
static void
cut(bool packed, unsigned victim, bool keep_rings)
{
	uint8_t frame[LEN];
	uint64_t keep;

	open_all(packed);
	frame_make(frame, 0, 1, 3);
	keep = keep_rings ? rings_end(&guests[victim]) : 0;
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(driver_net_send(guests[0].net, 0, NULL, frame, LEN), 0);
	assert_int_equal(ftruncate(guests[victim].memory->fd, (off_t)keep), 0);
	driver_net_flush(guests[0].net, 0);
	await_broken(victim);
	close_all();
}

static void
test_receiver(void **state)
{
	(void)state;
	cut(false, 1, false);
	cut(true, 1, false);
}

static void
test_sender(void **state)
{
	(void)state;
	cut(false, 0, true);
	cut(true, 0, true);
}

/* The head of the frame is there when it is taken; what is borrowed is gone when it is delivered. */
static void
test_borrowed(void **state)
{
	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		const struct driver_memory *memory;
		uint8_t frame[LEN], *at;

		open_all(packed);
		memory = guests[0].memory;
		frame_make(frame, 0, 1, 0x5a);
		assert_int_equal(driver_net_send(guests[0].net, 0, NULL, frame, LEN), 0);
		at = memmem(memory->host, MEMORY, frame, LEN);
		assert_non_null(at);
		assert_int_equal(
			ftruncate(memory->fd, (at - memory->host + FRAME_PREFIX + 4095) & ~4095l),
			0);
		driver_net_flush(guests[0].net, 0);
		await_broken(0);
		close_all();
	}
}

/* One frame from 0 to 1, and the victim's file is empty. */
static void
empty(bool packed, unsigned victim, bool log)
{
	uint8_t frame[LEN];
	int fd;

	open_all(packed);
	fd = log ? guests[victim].log_fd : guests[victim].inflight_fd;
	frame_make(frame, 0, 1, 4);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(driver_net_send(guests[0].net, 0, NULL, frame, LEN), 0);
	driver_net_flush(guests[0].net, 0);
	await_broken(victim);
	close_all();
}

/* The dirty log, and the inflight region that packed rings use. */
static void
test_other_files(void **state)
{
	(void)state;
	for (unsigned victim = 0; victim < 2; victim++) {
		empty(false, victim, true);
		empty(true, victim, true);
		empty(true, victim, false);
	}
}

static void
test_guard(void **state)
{
	uint8_t *volatile page = NULL;
	struct fault_guard guard = {0};
	int fd = memfd_create("cut", MFD_CLOEXEC);
	volatile unsigned caught = 0;

	(void)state;
	assert_int_equal(fault_install(), 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	page[0] = 1;
	assert_int_equal(ftruncate(fd, 0), 0);
	while (FAULT_CAUGHT(&guard)) {
		assert_ptr_equal(guard.address, page + 5);
		caught++;
	}
	if (caught < 3)
		page[5] = 1;
	fault_end(&guard);
	assert_int_equal(caught, 3);
	munmap(page, 4096);
	close(fd);
}

static int
start(void **state)
{
	struct bridge_settings settings = {.fdb_capacity = 64, .ageing_s = 300};
	struct datapath_options options = {0};
	struct err err;

	(void)state;
	if (datapath_start(&options, &err) || datapath_bridge_add(&settings, &bridge, &err)) {
		print_error("%s\n", err.text);
		return -1;
	}
	datapath_on_broken(on_broken);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	datapath_bridge_del(bridge);
	datapath_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_receiver),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_borrowed),
		cmocka_unit_test(test_other_files),
	};

	return cmocka_run_group_tests_name("fault", tests, start, stop);
}
