/* SPDX-License-Identifier: BSD-3-Clause */
/* backend: what hostile front ends do, and the one right outcome of each. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/unit/backend_side.h"

/* Sizes. */
static void
test_bad_sizes(void **state)
{
	struct peer_message m;

	shake_all();
	for (unsigned step = 0; peer_handshake(&t.peer, step, &m); step++) {
		/* Only a memory table may have several sizes: it is refused for its contents. */
		bool table = m.message.header.request == VHOST_SET_MEM_TABLE;

		/* One byte more and one less than belongs to it. */
		m.message.header.size++;
		refused(m, table ? STAYS : CLOSES, "bytes");
		if (m.message.header.size < 2)
			continue;
		m.message.header.size -= 2;
		refused(m, table ? STAYS : CLOSES, "bytes");
	}
}

/* Unknown requests, answers. */
static void
test_bad_requests(void **state)
{
	static const uint32_t unknown[] = {
		0, 22, 23, 24, 25, 26, 27, 28, 29, 30, 33, 35, 41, 77, 65536 + 1, UINT32_MAX};
	struct peer_message m;

	shake_all();
	for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		refused(peer_plain(unknown[i]), STAYS, "not supported");
	m = peer_plain(VHOST_SET_OWNER);
	m.message.header.flags |= VHOST_FLAG_REPLY;
	refused(m, CLOSES, "an answer");
}

/* Descriptors that do not belong, are missing, or are of another kind. */
static void
test_bad_descriptors(void **state)
{
	int kinds[4], pipes[2];
	struct peer_message m;

	shake_all();
	for (unsigned step = 0; peer_handshake(&t.peer, step, &m); step++) {
		unsigned count = m.fd_count;

		for (unsigned n = 0; n <= VHOST_FDS_MAX; n++) {
			bool optional = m.message.header.request == VHOST_REM_MEM_REG;

			if (n == count || optional)
				continue;
			m.fd_count = n;
			for (unsigned i = 0; i < n; i++)
				m.fds[i] = t.peer.memory_fd;
			assert_true(say(&m) < 0);
			m.fd_count = count;
		}
	}
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	kinds[0] = pipes[0];
	kinds[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kinds[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	kinds[3] = t.theirs; /* the connection itself */
	for (unsigned i = 0; i < 4; i++) {
		refused(peer_vring_fd(VHOST_SET_VRING_KICK, 1, kinds[i]), STAYS, "not an eventfd");
		refused(peer_vring_fd(VHOST_SET_VRING_CALL, 1, kinds[i]), STAYS, "not an eventfd");
		refused(peer_vring_fd(VHOST_SET_VRING_ERR, 1, kinds[i]), STAYS, "not an eventfd");
		m = peer_mem_table(&t.peer);
		m.fds[1] = kinds[i];
		refused(m, STAYS, "SET_MEM_TABLE");
		m = peer_log_base(&t.peer, PEER_LOG, 0);
		m.fds[0] = kinds[i];
		refused(m, CLOSES, "dirty log");
		refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 65536, 4, 256, kinds[i]), STAYS,
			"inflight");
	}
	fds_close(pipes, 2);
	fd_close(&kinds[1]);
	fd_close(&kinds[2]);
}

/* The same message again and again costs nothing that stays. */
static void
test_repeated(void **state)
{
	unsigned fds = 0, maps = 0;

	shake_all();
	for (unsigned i = 0; i < 2000; i++) {
		if (i == 1) {
			fds = leaks_fds();
			maps = leaks_maps("");
		}
		say_ok(peer_mem_table(&t.peer));
		say_ok(peer_log_base(&t.peer, PEER_LOG, 0));
		hear(NULL);
		say_ok(peer_state(VHOST_SET_VRING_NUM, 0, PEER_SIZE));
		say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
		say_ok(peer_inflight(
			VHOST_SET_INFLIGHT_FD, 65536, PEER_RINGS, PEER_SIZE, t.peer.inflight_fd));
	}
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(leaks_fds(), fds);
	assert_in_range(leaks_maps(""), maps - 2, maps + 2);
}

/* Ring numbers. */
static void
test_bad_indexes(void **state)
{
	static const uint32_t bad[] = {4, 5, 32, 33, 255, 256, 65536 + 1, UINT32_MAX};
	struct peer_message m;

	shake_all();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused(peer_state(VHOST_SET_VRING_NUM, bad[i], PEER_SIZE), STAYS, "ring");
		refused(peer_state(VHOST_SET_VRING_BASE, bad[i], 0), STAYS, "ring");
		refused(peer_state(VHOST_GET_VRING_BASE, bad[i], 0), CLOSES, "ring");
		refused(peer_state(VHOST_SET_VRING_ENABLE, bad[i], 1), STAYS, "ring");
		m = peer_vring_addr(&t.peer, 0);
		m.message.payload.addr.index = bad[i];
		refused(m, STAYS, "ring");
		if (bad[i] == 256) /* here the bit says that no descriptor comes */
			continue;
		for (uint32_t r = VHOST_SET_VRING_KICK; r <= VHOST_SET_VRING_ERR; r++) {
			m = peer_vring_fd(r, 0, t.peer.kick[0]);
			m.message.payload.u64 = bad[i];
			refused(m, STAYS, "ring");
		}
	}
	m = peer_vring_fd(VHOST_SET_VRING_KICK, 0, t.peer.kick[0]);
	m.message.payload.u64 |= UINT64_C(1) << 63;
	refused(m, STAYS, "ring");
}

/* Ring sizes; the old one stays in force. */
static void
test_bad_ring_sizes(void **state)
{
	static const uint32_t bad[] = {0, 3, 1000, 32769, 65536, 65536 + 256, UINT32_MAX};

	shake_all();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!t.peer.packed || !bad[i] || bad[i] > 32768)
			refused(peer_state(VHOST_SET_VRING_NUM, 0, bad[i]), STAYS, "entries");
	refused(peer_state(VHOST_SET_VRING_NUM, 0, 512), STAYS, "while it runs");
	assert_int_equal(t.backend.ring[0].vring->setup.size, PEER_SIZE);
}

/* A size that its addresses have no room for. */
static void
test_ring_grows_out(void **state)
{
	struct peer_message m = peer_vring_addr(&t.peer, 0);

	shake_all();
	ask(peer_state(VHOST_GET_VRING_BASE, 0, 0));
	say_ok(peer_state(VHOST_SET_VRING_NUM, 0, 32768));
	say_ok(peer_state(VHOST_SET_VRING_BASE, 0, 0));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 0, t.peer.kick[0]));
	assert_null(t.backend.ring[0].vring);
	assert_non_null(strstr(t.backend.waiting, "overlap"));
	refused(m, STAYS, "overlap");
	say_ok(peer_state(VHOST_SET_VRING_NUM, 0, 512));
	assert_non_null(t.backend.ring[0].vring);
}

/* Ring addresses. */
static void
test_bad_addresses(void **state)
{
	struct peer_message m = peer_vring_addr(&t.peer, 0), good = m;
	struct vhost_vring_addr *a = &m.message.payload.addr;
	uint64_t end = PEER_UVA + PEER_MEMORY / 2;

	shake_all();
	a->desc_user_addr = 0;
	refused(m, STAYS, "not in one memory region");
	m = good;
	a->desc_user_addr = end - 16 * PEER_SIZE + 16; /* straddles the end by one descriptor */
	refused(m, STAYS, "not in one memory region");
	m = good;
	a->desc_user_addr = UINT64_MAX - 15;
	refused(m, STAYS, "not in one memory region");
	m = good;
	a->used_user_addr = end;
	refused(m, STAYS, "not in one memory region");
	m = good;
	a->avail_user_addr = end - 2;
	refused(m, STAYS, "not in one memory region");
	m = good;
	a->desc_user_addr += 8;
	refused(m, STAYS, "not aligned");
	m = good;
	a->avail_user_addr += 1;
	refused(m, STAYS, "not aligned");
	m = good;
	a->used_user_addr += 2;
	refused(m, STAYS, "not aligned");
	m = good;
	a->avail_user_addr = a->used_user_addr = a->desc_user_addr;
	refused(m, STAYS, "overlap");
	m = good;
	a->used_user_addr = a->desc_user_addr + 16 * PEER_SIZE - 4;
	refused(m, STAYS, "overlap");
	m = good;
	a->flags = 2;
	refused(m, STAYS, "flags");
}

/* What has to come before. */
static void
test_bad_moments(void **state)
{
	struct peer_message m;

	refused(peer_vring_addr(&t.peer, 0), CLOSES, "before SET_FEATURES");
	refused(peer_state(VHOST_SET_VRING_NUM, 0, PEER_SIZE), CLOSES, "before SET_FEATURES");
	refused(peer_state(VHOST_SET_VRING_BASE, 0, 0), CLOSES, "before SET_FEATURES");
	refused(peer_vring_fd(VHOST_SET_VRING_KICK, 0, t.peer.kick[0]), CLOSES,
		"before SET_FEATURES");
	say_ok(peer_u64(VHOST_SET_FEATURES, t.peer.features));
	refused(peer_vring_addr(&t.peer, 0), CLOSES, "before there is guest memory");
	say_ok(peer_mem_table(&t.peer));
	refused(peer_vring_addr(&t.peer, 0), CLOSES, "no size yet");
	/* Requests of protocol features nobody negotiated. */
	refused(peer_plain(VHOST_GET_QUEUE_NUM), CLOSES, "not negotiated");
	refused(peer_plain(VHOST_GET_STATUS), CLOSES, "not negotiated");
	refused(peer_u64(VHOST_SET_STATUS, 1), CLOSES, "not negotiated");
	refused(peer_u64(VHOST_NET_SET_MTU, 1500), CLOSES, "not negotiated");
	refused(peer_u64(VHOST_SEND_RARP, 0x1234), CLOSES, "not negotiated");
	refused(peer_plain(VHOST_RESET_DEVICE), CLOSES, "not negotiated");
	refused(peer_log_base(&t.peer, PEER_LOG, 0), CLOSES, "not negotiated");
	refused(peer_inflight(VHOST_GET_INFLIGHT_FD, 0, 4, 256, -1), CLOSES, "not negotiated");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 65536, 4, 256, t.peer.inflight_fd), CLOSES,
		"not negotiated");
	refused(peer_mem_reg(VHOST_ADD_MEM_REG, 1 << 30, 4096, 1 << 30, 0, t.peer.memory_fd),
		CLOSES, "not negotiated");
	refused(peer_mem_reg(VHOST_REM_MEM_REG, 0, 4096, 0, 0, -1), CLOSES, "not negotiated");
	m = peer_plain(VHOST_SET_BACKEND_REQ_FD);
	m.fds[m.fd_count++] = t.peer.call[0];
	refused(m, CLOSES, "not supported");
}

/* Positions. */
static void
test_bad_bases(void **state)
{
	shake_all();
	refused(peer_state(VHOST_SET_VRING_BASE, 0, 65536), STAYS, "");
	refused(peer_state(VHOST_SET_VRING_BASE, 0, 5), STAYS, "while it runs");
	ask(peer_state(VHOST_GET_VRING_BASE, 0, 0));
	refused(peer_state(VHOST_SET_VRING_BASE, 0, 65536), STAYS, "16 bits");
}

/* Features. */
static void
test_bad_features(void **state)
{
	shake_all();
	refused(peer_u64(VHOST_SET_FEATURES, t.peer.features | VIRTIO_BIT(VIRTIO_NET_F_MAC)), STAYS,
		"not offered");
	refused(peer_u64(VHOST_SET_FEATURES, UINT64_MAX), STAYS, "not offered");
	refused(peer_u64(VHOST_SET_FEATURES, 0), STAYS, "while rings run");
	refused(peer_u64(VHOST_SET_FEATURES, t.peer.features ^ VIRTIO_BIT(VIRTIO_F_RING_PACKED)),
		STAYS, "while rings run");
	refused(peer_u64(VHOST_SET_PROTOCOL_FEATURES, UINT64_MAX), STAYS, "not offered");
	refused(peer_u64(VHOST_SET_PROTOCOL_FEATURES, VIRTIO_BIT(VHOST_PROTOCOL_F_BACKEND_REQ)),
		STAYS, "not offered");
	refused(peer_u64(VHOST_SET_PROTOCOL_FEATURES, VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK)),
		STAYS, "while rings run");
	refused(peer_u64(VHOST_SET_STATUS, 256), STAYS, "8 bits");
	refused(peer_state(VHOST_SET_VRING_ENABLE, 0, 2), STAYS, "neither");
}

/* The no-descriptor bit with a descriptor and neither; a full eventfd. */
static void
test_bad_notifiers(void **state)
{
	struct peer_message m;

	shake_all();
	for (uint32_t r = VHOST_SET_VRING_KICK; r <= VHOST_SET_VRING_ERR; r++) {
		m = peer_vring_fd(r, 1, t.peer.kick[1]);
		m.message.payload.u64 |= VHOST_VRING_NOFD;
		refused(m, STAYS, "no-descriptor bit");
		m = peer_vring_fd(r, 1, t.peer.kick[1]);
		m.fd_count = 0;
		refused(m, STAYS, "no-descriptor bit");
	}
	/* Blocking eventfds filled to the brim: waking through them does not wait. */
	eventfd_write(t.peer.call[0], UINT64_MAX - 1 - 1);
	eventfd_write(t.peer.kick[1], UINT64_MAX - 1 - 1);
	say_ok(peer_vring_fd(VHOST_SET_VRING_CALL, 0, t.peer.call[0]));
	say_ok(peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]));
	say_ok(peer_mem_table(&t.peer));
	say_ok(peer_mem_table(&t.peer));
	assert_int_equal(fakes.published, PEER_RINGS);
}

/* Dirty logs. */
static void
test_bad_logs(void **state)
{
	shake_all();
	refused(peer_log_base(&t.peer, 0, 0), CLOSES, "needs");
	refused(peer_log_base(&t.peer, 4096, 0), CLOSES, "needs");
	refused(peer_log_base(&t.peer, PEER_LOG, UINT64_MAX - 4095), CLOSES, "dirty log");
	refused(peer_log_base(&t.peer, UINT64_MAX, 0), CLOSES, "dirty log");
	refused(peer_log_base(&t.peer, PEER_LOG, 4096), CLOSES, "at least");
}

/* MTUs. */
static void
test_bad_mtus(void **state)
{
	static const uint64_t bad[] = {0, 1, 67, 9001, 65535, 65536, UINT64_MAX};

	shake_all();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(peer_u64(VHOST_NET_SET_MTU, bad[i]), STAYS, "MTU");
}

/* Memory tables. */
static void
test_bad_tables(void **state)
{
	static const uint32_t counts[] = {0, 1, 3, 9, 64, UINT32_MAX};
	struct peer_message m;
	struct vhost_memory_region *r = m.message.payload.memory.regions;

	shake_all();
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		m = peer_mem_table(&t.peer);
		m.message.payload.memory.nregions = counts[i];
		refused(m, STAYS, "regions");
	}
	m = peer_mem_table(&t.peer);
	m.message.header.size = 264;
	refused(m, STAYS, "264 bytes for 2");
	m = peer_mem_table(&t.peer);
	r[1].memory_size = 0;
	refused(m, STAYS, "size 0");
	r[1].memory_size = UINT64_C(1) << 63;
	refused(m, STAYS, "wraps");
	m = peer_mem_table(&t.peer);
	r[1].guest_phys_addr = UINT64_MAX;
	refused(m, STAYS, "wraps");
	m = peer_mem_table(&t.peer);
	r[1].mmap_offset = UINT64_MAX;
	refused(m, STAYS, "wraps");
	m = peer_mem_table(&t.peer);
	r[1].guest_phys_addr = 4096;
	refused(m, STAYS, "overlap");
	m = peer_mem_table(&t.peer);
	r[1].userspace_addr = PEER_UVA + 4096;
	refused(m, STAYS, "overlap");
	m = peer_mem_table(&t.peer);
	r[1].memory_size++;
	refused(m, STAYS, "needs a file");
	refused(peer_mem_reg(VHOST_ADD_MEM_REG, 0, 4096, 0, 0, t.peer.memory_fd), STAYS, "overlap");
	refused(peer_mem_reg(
			VHOST_ADD_MEM_REG, 1 << 30, 4096, 1 << 30, PEER_MEMORY, t.peer.memory_fd),
		STAYS, "needs a file");
	/* What is not there cannot be removed. */
	refused(peer_mem_reg(VHOST_REM_MEM_REG, 4096, 4096, 4096, 0, -1), STAYS,
		"no memory region");
}

/* Inflight regions that do not fit what they say. */
static void
test_bad_inflight(void **state)
{
	int fd = t.peer.inflight_fd;

	shake_all();
	refused(peer_inflight(VHOST_GET_INFLIGHT_FD, 0, 0, 256, -1), CLOSES, "0 queues");
	refused(peer_inflight(VHOST_GET_INFLIGHT_FD, 0, 5, 256, -1), CLOSES, "5 queues");
	refused(peer_inflight(VHOST_GET_INFLIGHT_FD, 0, 4, 0, -1), CLOSES, "0 entries");
	refused(peer_inflight(VHOST_GET_INFLIGHT_FD, 0, 4, 65535, -1), CLOSES, "65535 entries");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 65536, 65535, 256, fd), STAYS, "queues");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 65536, 4, 65535, fd), STAYS, "entries");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 65536, 4, 32768, fd), STAYS, "need");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 65537, 4, 256, fd), STAYS, "at least");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, UINT64_MAX, 4, 256, fd), STAYS, "need");
	refused(peer_inflight(VHOST_SET_INFLIGHT_FD, 64, 4, 256, fd), STAYS, "need");
	/* A ring larger than the region's queues gets none. */
	say_ok(peer_inflight(VHOST_SET_INFLIGHT_FD, 65536, PEER_RINGS, PEER_SIZE / 2, fd));
	assert_null(t.backend.ring[0].vring->setup.inflight);
}

/* The front end that never reads its answers. */
static void
test_answers_unread(void **state)
{
	struct peer_message m = peer_plain(VHOST_GET_FEATURES);
	int rc = 0;

	for (unsigned i = 0; i < 100000 && !rc; i++)
		rc = say(&m);
	assert_int_equal(rc, -EAGAIN);
	assert_non_null(strstr(t.err.text, "does not read"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPLIT(test_bad_sizes),
		SPLIT(test_bad_requests),
		SPLIT(test_bad_descriptors),
		BOTH(test_repeated),
		SPLIT(test_bad_indexes),
		BOTH(test_bad_ring_sizes),
		SPLIT(test_ring_grows_out),
		SPLIT(test_bad_addresses),
		SPLIT(test_bad_moments),
		SPLIT(test_bad_bases),
		SPLIT(test_bad_features),
		SPLIT(test_bad_notifiers),
		SPLIT(test_bad_logs),
		SPLIT(test_bad_mtus),
		SPLIT(test_bad_tables),
		BOTH(test_bad_inflight),
		SPLIT(test_answers_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
