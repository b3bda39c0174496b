/* SPDX-License-Identifier: BSD-3-Clause */
/* backend: what well-behaved front ends do, in the orders they do it. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/unit/backend_side.h"

/* ---- the good ---- */

static void
test_handshake(void **state)
{
	shake_all();
	for (unsigned q = 0; q < 2; q++)
		assert_int_equal(fakes.watched[q], t.backend.ring[2 * q + 1].kick_fd);
	for (unsigned i = 0; i < PEER_RINGS; i++) {
		const struct vring_setup *s = &t.backend.ring[i].vring->setup;
		uint64_t offset = i * UINT64_C(0x10000);

		assert_int_equal(s->size, PEER_SIZE);
		*(uint64_t *)(void *)(t.peer.memory + offset) = 0x1234 + i;
		assert_int_equal(*(uint64_t *)s->desc, 0x1234 + i);
		assert_null(s->log);
		assert_non_null(s->inflight);
	}
	assert_int_equal(t.backend.memory->count, 3);
}

static void
test_answers(void **state)
{
	uint64_t features = ask(peer_plain(VHOST_GET_FEATURES));
	uint64_t protocol = ask(peer_plain(VHOST_GET_PROTOCOL_FEATURES));

	assert_true(features & VIRTIO_BIT(VIRTIO_F_RING_PACKED));
	assert_true(features & VIRTIO_BIT(VIRTIO_NET_F_MTU));
	assert_true(features & VIRTIO_BIT(VHOST_F_LOG_ALL));
	assert_false(features & VIRTIO_BIT(VIRTIO_F_NOTIFY_ON_EMPTY));
	assert_false(features & VIRTIO_BIT(VIRTIO_NET_F_MAC));
	assert_false(protocol & VIRTIO_BIT(VHOST_PROTOCOL_F_BACKEND_REQ));
	say_ok(peer_u64(VHOST_SET_PROTOCOL_FEATURES, protocol));
	assert_int_equal(ask(peer_plain(VHOST_GET_QUEUE_NUM)), 2);
	assert_int_equal(ask(peer_plain(VHOST_GET_MAX_MEM_SLOTS)), VHOST_MEM_SLOTS);
	say_ok(peer_u64(VHOST_SET_FEATURES, t.peer.features));
	say_ok(peer_u64(VHOST_SET_STATUS, 11));
	assert_int_equal(ask(peer_plain(VHOST_GET_STATUS)), 11);
	silence();
}

/* Every prefix of the handshake, then the front end is gone; also in the middle of a message. */
static void
test_prefixes(void **state)
{
	bool packed = state == NULL;
	unsigned steps;

	backend_begin(packed);
	steps = shake(UINT32_MAX);
	backend_end();
	for (unsigned n = 0; n <= steps; n++) {
		struct peer_message m;

		backend_begin(packed);
		shake(n);
		if (peer_handshake(&t.peer, n, &m)) {
			/* Header, half of the rest, and the descriptors. */
			m.message.header.size /= 2;
			assert_int_equal(message_write(t.theirs, &m.message, m.fds, m.fd_count), 0);
			m.message.header.size = 0;
			(void)message_read(t.ours, &t.reader, &t.err);
		}
		backend_end();
	}
}

static void
test_prefixes_packed(void **state)
{
	test_prefixes(NULL);
}

/* QEMU's order: enabled before the features are set; kicked last. */
static void
test_order_enable_first(void **state)
{
	struct peer_message m;

	say_ok(peer_u64(VHOST_SET_PROTOCOL_FEATURES, VIRTIO_BIT(VHOST_PROTOCOL_F_MQ)));
	say_ok(peer_state(VHOST_SET_VRING_ENABLE, 0, 1));
	say_ok(peer_vring_fd(VHOST_SET_VRING_CALL, 0, t.peer.call[0]));
	say_ok(peer_u64(VHOST_SET_FEATURES, t.peer.features));
	say_ok(peer_mem_table(&t.peer));
	say_ok(peer_state(VHOST_SET_VRING_NUM, 0, PEER_SIZE));
	say_ok(peer_state(VHOST_SET_VRING_BASE, 0, 0));
	m = peer_vring_addr(&t.peer, 0);
	say_ok(m);
	assert_int_equal(fakes.published, 0);
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 0, t.peer.kick[0]));
	assert_int_equal(fakes.published, 1);
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 1);
}

/* Without protocol features a ring runs without being enabled. */
static void
test_order_no_protocol_features(void **state)
{
	say_ok(peer_u64(VHOST_SET_FEATURES, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	say_ok(peer_mem_table(&t.peer));
	say_ok(peer_state(VHOST_SET_VRING_NUM, 1, PEER_SIZE));
	say_ok(peer_vring_addr(&t.peer, 1));
	say_ok(peer_state(VHOST_SET_VRING_BASE, 1, 0));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
	assert_int_equal(fakes.published, 1);
	assert_int_equal(fakes.watched[0], t.backend.ring[1].kick_fd);
}

/* "No descriptor comes": the ring runs and a timer wakes its worker. */
static void
test_no_kick_descriptor(void **state)
{
	uint64_t ticks;
	int fd;

	shake_all();
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, -1));
	assert_int_equal(fakes.published, PEER_RINGS);
	fd = fakes.watched[0];
	assert_true(fd >= 0);
	usleep(20000);
	assert_int_equal(read(fd, &ticks, sizeof(ticks)), sizeof(ticks));
	assert_true(ticks >= 1);
	say_ok(peer_vring_fd(VHOST_SET_VRING_CALL, 1, -1));
	assert_int_equal(t.backend.ring[1].vring->call_fd, -1);
}

/* ---- stopping, moving, starting again ---- */

static void
test_vring_base(void **state)
{
	shake_all();
	t.backend.ring[1].vring->setup.next = 77;
	assert_int_equal(ask(peer_state(VHOST_GET_VRING_BASE, 1, 0)) >> 32, 77);
	assert_int_equal(fakes.published, PEER_RINGS - 1);
	assert_int_equal(fakes.watched[0], -1);
	assert_int_equal(t.backend.ring[1].kick_fd, -1);
	/* Again, and for a ring nobody spoke of. */
	assert_int_equal(ask(peer_state(VHOST_GET_VRING_BASE, 1, 0)) >> 32, 77);
	/* It starts with a kick, where the used ring says: 100, whatever the front end believes. */
	*(uint16_t *)(void *)(t.peer.memory + 0x18002) = 100;
	say_ok(peer_state(VHOST_SET_VRING_BASE, 1, 90));
	assert_int_equal(fakes.published, PEER_RINGS - 1);
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(t.backend.ring[1].vring->setup.next, 100);
	/* The receive side gone: the port is down for senders. */
	ask(peer_state(VHOST_GET_VRING_BASE, 0, 0));
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 0);
}

static void
test_vring_base_never_set_up(void **state)
{
	assert_int_equal(ask(peer_state(VHOST_GET_VRING_BASE, 3, 0)), 3);
}

static void
test_vring_base_packed(void **state)
{
	shake_all();
	t.backend.ring[1].vring->setup.next = 5;
	t.backend.ring[1].vring->setup.next_wrap = false;
	assert_int_equal(ask(peer_state(VHOST_GET_VRING_BASE, 1, 0)) >> 32, 0x00050005);
	t.backend.ring[0].vring->setup.next = 255;
	t.backend.ring[0].vring->setup.next_wrap = true;
	assert_int_equal(ask(peer_state(VHOST_GET_VRING_BASE, 0, 0)) >> 32, 0x80ff80ff);
	/* Back as it was given; and with an upper half of 0, as DPDK's virtio-user sends it. */
	say_ok(peer_state(VHOST_SET_VRING_BASE, 1, 0x00050005));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
	assert_int_equal(t.backend.ring[1].vring->setup.next, 5);
	assert_false(t.backend.ring[1].vring->setup.next_wrap);
	say_ok(peer_state(VHOST_SET_VRING_BASE, 0, 0x000080ff));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 0, t.peer.kick[0]));
	assert_int_equal(t.backend.ring[0].vring->setup.next, 255);
	assert_true(t.backend.ring[0].vring->setup.next_wrap);
	/* A position outside the ring keeps it from starting. */
	ask(peer_state(VHOST_GET_VRING_BASE, 0, 0));
	say_ok(peer_state(VHOST_SET_VRING_BASE, 0, PEER_SIZE));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 0, t.peer.kick[0]));
	assert_null(t.backend.ring[0].vring);
	assert_non_null(strstr(t.backend.waiting, "position 256"));
}

static void
test_disable_enable(void **state)
{
	shake_all();
	t.backend.ring[2].vring->setup.next = 9;
	say_ok(peer_state(VHOST_SET_VRING_ENABLE, 2, 0));
	say_ok(peer_state(VHOST_SET_VRING_ENABLE, 3, 0));
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 1);
	assert_int_equal(fakes.watched[1], -1);
	say_ok(peer_state(VHOST_SET_VRING_ENABLE, 2, 1));
	say_ok(peer_state(VHOST_SET_VRING_ENABLE, 3, 1));
	assert_int_equal(t.backend.ring[2].vring->setup.next, 9);
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 2);
}

/* A ring that was off when its call descriptor was masked does not lose the interrupt. */
static void
test_call_changes(void **state)
{
	uint64_t calls;
	int fresh = eventfd(0, EFD_CLOEXEC);
	unsigned graces;

	shake_all();
	graces = fakes.graces;
	say_ok(peer_vring_fd(VHOST_SET_VRING_CALL, 0, fresh));
	assert_int_equal(fakes.graces, graces + 1);
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(t.backend.ring[0].vring->call_fd, t.backend.ring[0].call_fd);
	assert_int_equal(read(fresh, &calls, sizeof(calls)), sizeof(calls));
	close(fresh);
}

/* A predecessor of this process may have ended between completing buffers and saying so. */
static void
test_call_at_start(void **state)
{
	uint64_t calls;

	shake_all();
	for (unsigned i = 0; i < PEER_RINGS; i++) {
		assert_false(t.backend.ring[i].exact);
		assert_int_equal(read(t.peer.call[i], &calls, sizeof(calls)), sizeof(calls));
	}
}

static void
test_memory_replaced(void **state)
{
	struct peer_message m = peer_mem_table(&t.peer);
	unsigned graces;

	shake_all();
	graces = fakes.graces;
	for (unsigned i = 0; i < PEER_RINGS; i++)
		t.backend.ring[i].vring->setup.next = (uint16_t)(i + 40);
	say_ok(m);
	/* All four with one grace period, and where they were. */
	assert_int_equal(fakes.graces, graces + 1);
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(t.backend.memory->count, 2);
	for (unsigned i = 0; i < PEER_RINGS; i++) {
		assert_int_equal(t.backend.ring[i].vring->setup.next, i + 40);
		assert_ptr_equal(t.backend.ring[i].vring->setup.memory, t.backend.memory);
	}
	/* A table without the rings: they wait, and come back with the memory. */
	m.message.payload.memory.regions[0].userspace_addr = 0x1000;
	say_ok(m);
	assert_int_equal(fakes.published, 0);
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 0);
	assert_non_null(strstr(t.backend.waiting, "not in one memory region"));
	say_ok(peer_mem_table(&t.peer));
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(t.backend.ring[3].vring->setup.next, 43);
	assert_string_equal(t.backend.waiting, "");
}

static void
test_memory_slots(void **state)
{
	struct peer_message rem =
		peer_mem_reg(VHOST_REM_MEM_REG, 0, PEER_MEMORY / 2, PEER_UVA, 0, -1);
	struct peer_message add =
		peer_mem_reg(VHOST_ADD_MEM_REG, 0, PEER_MEMORY / 2, PEER_UVA, 0, t.peer.memory_fd);
	struct peer_message over =
		peer_mem_reg(VHOST_ADD_MEM_REG, 0, PEER_MEMORY / 4, PEER_UVA, 0, t.peer.memory_fd);

	shake_all();
	/* The region that holds the rings goes: they stop first, and go on when it is back. */
	say_ok(rem);
	assert_int_equal(fakes.published, 0);
	refused(rem, STAYS, "no memory region");
	say_ok(add);
	assert_int_equal(fakes.published, PEER_RINGS);
	refused(over, STAYS, "overlap");
	/* A front end that says everything once for each queue pair: the last removal counts. */
	say_ok(add);
	assert_int_equal(fakes.published, PEER_RINGS);
	say_ok(rem);
	assert_int_equal(fakes.published, PEER_RINGS);
	/* All of them. */
	say_ok(rem);
	say_ok(peer_mem_reg(VHOST_REM_MEM_REG, UINT64_C(1) << 32, PEER_MEMORY / 2,
		PEER_UVA + (UINT64_C(1) << 32), 0, -1));
	say_ok(peer_mem_reg(
		VHOST_REM_MEM_REG, UINT64_C(2) << 32, 0x10000, 0x10000, 0, t.peer.memory_fd));
	assert_null(t.backend.memory);
	refused(peer_vring_addr(&t.peer, 0), STAYS, "before there is guest memory");
	say_ok(add);
	assert_int_equal(fakes.published, PEER_RINGS);
}

static void
test_dirty_log(void **state)
{
	struct peer_message m = peer_vring_addr(&t.peer, 0);
	struct vhost_message reply;
	const struct vring *vr;

	shake_all();
	/* As QEMU begins a migration: log, features, addresses, all under running rings. */
	say_ok(peer_log_base(&t.peer, PEER_LOG - 4096, 4096));
	reply = hear(NULL);
	assert_int_equal(reply.header.request, VHOST_SET_LOG_BASE);
	assert_int_equal(reply.payload.u64, 0);
	say_ok(peer_u64(VHOST_SET_FEATURES, t.peer.features | VIRTIO_BIT(VHOST_F_LOG_ALL)));
	m.message.payload.addr.flags = 1 << VHOST_VRING_F_LOG;
	say_ok(m);
	assert_int_equal(fakes.published, PEER_RINGS);
	vr = t.backend.ring[0].vring;
	assert_true(vr->setup.log_used);
	/* A packed ring is marked used where its descriptors are. */
	assert_int_equal(vr->setup.used_gpa, t.peer.packed ? 0 : 0x8000);
	assert_int_equal(vr->setup.event_gpa, 0x8000);
	assert_false(t.backend.ring[1].vring->setup.log_used);
	assert_ptr_equal(t.backend.ring[1].vring->setup.log, vr->setup.log);
	/* Page 9 is bit 1 of the second byte, 4,096 bytes into the file and no further. */
	dirty_log_mark(vr->setup.log, 9 * DIRTY_PAGE + 5, 1);
	{
		uint8_t byte;

		assert_int_equal(pread(t.peer.log_fd, &byte, 1, 4096 + 1), 1);
		assert_int_equal(byte, 2);
		assert_int_equal(pread(t.peer.log_fd, &byte, 1, 8192 + 1), 1);
		assert_int_equal(byte, 0);
	}
	/* A mark beyond the log is dropped. */
	dirty_log_mark(vr->setup.log, UINT64_MAX - 5, 5);
	say_ok(peer_u64(VHOST_SET_FEATURES, t.peer.features));
	assert_null(t.backend.ring[0].vring->setup.log);
	say_ok((struct peer_message){
		.message.header = {VHOST_SET_LOG_FD, VHOST_VERSION, 0},
		.fds = {t.peer.call[0]},
		.fd_count = 1,
	});
}

static void
test_inflight(void **state)
{
	size_t bytes = PEER_RINGS * inflight_queue_bytes(PEER_SIZE, t.peer.packed);

	shake_all();
	/* Asked for again and again, only one is kept. */
	for (unsigned i = 0; i < 1000; i++) {
		struct vhost_message reply;
		int fd;

		say_ok(peer_inflight(VHOST_GET_INFLIGHT_FD, 0, PEER_RINGS, PEER_SIZE, -1));
		reply = hear(&fd);
		assert_true(fd >= 0);
		assert_int_equal(reply.payload.inflight.mmap_size, bytes);
		assert_int_equal(lseek(fd, 0, SEEK_END), bytes);
		assert_int_equal(ftruncate(fd, 0), -1);
		fd_close(&fd);
	}
	assert_int_equal(leaks_maps("patchbay-inflight"), 1);
	assert_int_equal(fakes.published, PEER_RINGS);
}

/* A worker was about to mark the chain at 3 used, the next begins at 9, when the process died. */
static void
recover(uint16_t flags, uint16_t next, bool wrap)
{
	struct virtq_packed_desc *ring = (void *)(t.peer.memory + 0x10000);

	shake_all();
	inflight_position_begin(t.backend.ring[1].vring->setup.inflight, 3, true, 9, false);
	ring[3].flags = flags;
	backend_disconnect(&t.backend);
	/* The front end believes what it last heard; the region, which the peer kept, knows better. */
	shake_all();
	assert_int_equal(t.backend.ring[1].vring->setup.next, next);
	assert_int_equal(t.backend.ring[1].vring->setup.next_wrap, wrap);
	backend_disconnect(&t.backend);
	memset(ring, 0, sizeof(ring[0]) * PEER_SIZE);
}

static void
test_inflight_recover(void **state)
{
	uint16_t available = VIRTQ_PACKED_F_AVAIL,
		 used = VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED;
	struct inflight_queue *q;
	uint64_t at;

	recover(available, 3, true);
	recover(used, 9, false);
	/* The driver was quick: the descriptor is available again, one lap on. */
	recover(VIRTQ_PACKED_F_USED, 9, false);
	/* A position outside the ring is not believed. */
	shake_all();
	q = t.backend.ring[1].vring->setup.inflight;
	inflight_position_commit(q, PEER_SIZE, true);
	backend_disconnect(&t.backend);
	shake_all();
	assert_int_equal(t.backend.ring[1].vring->setup.next, 0);
	/* Nor is the region when the front end was told where the ring stopped. */
	inflight_position_commit(t.backend.ring[1].vring->setup.inflight, 77, true);
	t.backend.ring[1].vring->setup.next = 77;
	at = ask(peer_state(VHOST_GET_VRING_BASE, 1, 0));
	assert_int_equal(at >> 32, 0x804d804d);
	say_ok(peer_state(VHOST_SET_VRING_BASE, 1, 0x80008000));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
	assert_int_equal(t.backend.ring[1].vring->setup.next, 0);
}

static void
test_reset(void **state)
{
	static const uint32_t requests[] = {
		VHOST_RESET_OWNER, VHOST_RESET_DEVICE, VHOST_SET_STATUS};

	shake_all();
	for (unsigned i = 0; i < 3; i++) {
		say_ok(requests[i] == VHOST_SET_STATUS ? peer_u64(requests[i], 0)
						       : peer_plain(requests[i]));
		assert_int_equal(fakes.published, 0);
		assert_int_equal(atomic_load(&t.rings.port.tx_queues), 0);
		/* Memory and protocol features stay: front ends do not repeat them. */
		assert_non_null(t.backend.memory);
		say_ok(peer_u64(VHOST_SET_FEATURES, t.peer.features));
		for (unsigned r = 0; r < PEER_RINGS; r++) {
			say_ok(peer_state(VHOST_SET_VRING_NUM, r, PEER_SIZE / 2));
			say_ok(peer_vring_addr(&t.peer, r));
			say_ok(peer_state(VHOST_SET_VRING_BASE, r, t.peer.packed ? 0x8000 : 0));
			say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, r, t.peer.kick[r]));
			say_ok(peer_state(VHOST_SET_VRING_ENABLE, r, 1));
		}
		assert_int_equal(fakes.published, PEER_RINGS);
	}
}

static void
test_broken(void **state)
{
	uint64_t signalled;
	char text[160];

	shake_all();
	assert_int_equal(backend_broken(&t.backend, text, sizeof(text)), 0);
	t.backend.ring[1].vring->broken = VRING_BROKEN_AVAIL;
	assert_int_equal(backend_broken(&t.backend, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "ring 1: available index"));
	assert_int_equal(backend_broken(&t.backend, text, sizeof(text)), 0);
	assert_int_equal(read(t.peer.error[1], &signalled, 8), 8);
	assert_true(ask(peer_plain(VHOST_GET_STATUS)) & VIRTIO_STATUS_NEEDS_RESET);
	/* New memory does not mend it; the front end taking it back does. */
	say_ok(peer_mem_table(&t.peer));
	assert_int_equal(fakes.published, PEER_RINGS - 1);
	ask(peer_state(VHOST_GET_VRING_BASE, 1, 0));
	say_ok(peer_state(VHOST_SET_VRING_BASE, 1, 0));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_false(backend_is_broken(&t.backend));
}

static void
test_rarp_and_mtu(void **state)
{
	const struct mac guest = {{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
	uint64_t word = 0;

	shake_all();
	memcpy(&word, &guest, sizeof(guest));
	say_ok(peer_u64(VHOST_SEND_RARP, word));
	assert_memory_equal(&t.announced, &guest, sizeof(guest));
	refused(peer_u64(VHOST_SEND_RARP, 0), STAYS, "no address");
	refused(peer_u64(VHOST_SEND_RARP, UINT64_MAX), STAYS, "no address");
	say_ok(peer_u64(VHOST_NET_SET_MTU, 68));
	say_ok(peer_u64(VHOST_NET_SET_MTU, 9000));
}

/* A worker hangs inside the rings: what it may use outlives the front end. */
static void
test_hung_worker(void **state)
{
	struct vring *rings[PEER_RINGS];
	struct backend b;

	shake_all();
	b = t.backend;
	fakes.hang = true;
	backend_disconnect(&t.backend);
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 0);
	assert_int_equal(fakes.vrings, PEER_RINGS);
	assert_in_range(leaks_maps(PEER_FILE_TAG), 5, 6);
	for (unsigned i = 0; i < PEER_RINGS; i++) {
		rings[i] = b.ring[i].vring;
		assert_ptr_equal(rings[i]->setup.memory, b.memory);
		assert_int_equal(eventfd_write(rings[i]->call_fd, 1), 0);
	}
	/* The front end can be served again meanwhile, and stays when the worker comes back. */
	shake_all();
	assert_int_equal(fakes.vrings, 2 * PEER_RINGS);
	fakes_come_back();
	assert_int_equal(fakes.vrings, PEER_RINGS);
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(eventfd_write(t.backend.ring[0].call_fd, 1), 0);
	assert_in_range(leaks_maps(PEER_FILE_TAG), 5, 6);
}

/* Out of memory while a ring is made: the connection ends, whatever answer was asked for. */
static void
test_no_memory(void **state)
{
	struct peer_message m = peer_state(VHOST_SET_VRING_ENABLE, 0, 1);

	shake_all();
	say_ok(peer_state(VHOST_SET_VRING_ENABLE, 0, 0));
	fakes.create_failures = 1;
	m.message.header.flags |= VHOST_FLAG_NEED_REPLY;
	assert_int_equal(say(&m), -ENOMEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_handshake),
		SPLIT(test_answers),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_prefixes_packed),
		SPLIT(test_order_enable_first),
		SPLIT(test_order_no_protocol_features),
		BOTH(test_no_kick_descriptor),
		SPLIT(test_vring_base),
		SPLIT(test_vring_base_never_set_up),
		PACKED(test_vring_base_packed),
		BOTH(test_disable_enable),
		SPLIT(test_call_changes),
		BOTH(test_call_at_start),
		BOTH(test_memory_replaced),
		BOTH(test_memory_slots),
		BOTH(test_dirty_log),
		BOTH(test_inflight),
		PACKED(test_inflight_recover),
		BOTH(test_reset),
		SPLIT(test_broken),
		SPLIT(test_rarp_and_mtu),
		SPLIT(test_hung_worker),
		SPLIT(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
