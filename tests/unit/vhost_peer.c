/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/unit/vhost_peer.h"

#define RING_BYTES 0x10000

#define MUST(holds)              \
	do {                     \
		if (!(holds))    \
			abort(); \
	} while (0)

static int
file_make(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)size));
	return fd;
}

void
peer_init(struct peer *peer, bool packed)
{
	memset(peer, 0, sizeof(*peer));
	peer->packed = packed;
	peer->features = VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) |
			 VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_MQ) |
			 VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	if (packed)
		peer->features |= VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	peer->memory_fd = file_make(PEER_FILE_TAG, PEER_MEMORY);
	peer->memory =
		mmap(NULL, PEER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, peer->memory_fd, 0);
	MUST(peer->memory != MAP_FAILED);
	peer->log_fd = file_make(PEER_FILE_TAG, PEER_LOG);
	peer->inflight_fd = file_make(PEER_FILE_TAG, 65536);
	for (unsigned i = 0; i < PEER_RINGS; i++) {
		peer->kick[i] = eventfd(0, EFD_CLOEXEC);
		peer->call[i] = eventfd(0, EFD_CLOEXEC);
		peer->error[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		MUST(peer->kick[i] >= 0 && peer->call[i] >= 0 && peer->error[i] >= 0);
	}
}

void
peer_close(struct peer *peer)
{
	munmap(peer->memory, PEER_MEMORY);
	fd_close(&peer->memory_fd);
	fd_close(&peer->log_fd);
	fd_close(&peer->inflight_fd);
	fds_close(peer->kick, PEER_RINGS);
	fds_close(peer->call, PEER_RINGS);
	fds_close(peer->error, PEER_RINGS);
}

static struct peer_message
message_of(uint32_t request, uint32_t size)
{
	return (struct peer_message){.message.header = {request, VHOST_VERSION, size}};
}

static void
fd_add(struct peer_message *m, int fd)
{
	m->fds[m->fd_count++] = fd;
}

struct peer_message
peer_plain(uint32_t request)
{
	return message_of(request, 0);
}

struct peer_message
peer_u64(uint32_t request, uint64_t value)
{
	struct peer_message m = message_of(request, 8);

	m.message.payload.u64 = value;
	return m;
}

struct peer_message
peer_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct peer_message m = message_of(request, 8);

	m.message.payload.state = (struct vhost_vring_state){index, num};
	return m;
}

struct peer_message
peer_vring_addr(const struct peer *peer, unsigned ring)
{
	struct peer_message m = message_of(VHOST_SET_VRING_ADDR, 40);
	uint64_t at = PEER_UVA + ring * RING_BYTES;

	m.message.payload.addr = (struct vhost_vring_addr){
		.index = ring,
		.desc_user_addr = at,
		.avail_user_addr = at + 0x4000,
		.used_user_addr = at + 0x8000,
		.log_guest_addr = ring * RING_BYTES + 0x8000,
	};
	return m;
}

struct peer_message
peer_vring_fd(uint32_t request, unsigned ring, int fd)
{
	struct peer_message m = peer_u64(request, ring | (fd < 0 ? VHOST_VRING_NOFD : 0));

	if (fd >= 0)
		fd_add(&m, fd);
	return m;
}

struct peer_message
peer_mem_table(const struct peer *peer)
{
	struct peer_message m = message_of(VHOST_SET_MEM_TABLE, 8 + 2 * 32);
	struct vhost_memory_table *t = &m.message.payload.memory;

	t->nregions = 2;
	t->regions[0] = (struct vhost_memory_region){0, PEER_MEMORY / 2, PEER_UVA, 0};
	t->regions[1] = (struct vhost_memory_region){UINT64_C(1) << 32, PEER_MEMORY / 2,
		PEER_UVA + (UINT64_C(1) << 32), PEER_MEMORY / 2};
	fd_add(&m, peer->memory_fd);
	fd_add(&m, peer->memory_fd);
	return m;
}

struct peer_message
peer_mem_reg(uint32_t request, uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset, int fd)
{
	struct peer_message m = message_of(request, 40);

	m.message.payload.single.region = (struct vhost_memory_region){gpa, size, uva, offset};
	if (fd >= 0)
		fd_add(&m, fd);
	return m;
}

struct peer_message
peer_log_base(const struct peer *peer, uint64_t size, uint64_t offset)
{
	struct peer_message m = message_of(VHOST_SET_LOG_BASE, 16);

	m.message.payload.log = (struct vhost_log){size, offset};
	fd_add(&m, peer->log_fd);
	return m;
}

struct peer_message
peer_inflight(uint32_t request, uint64_t size, unsigned queues, unsigned entries, int fd)
{
	struct peer_message m = message_of(request, 24);

	m.message.payload.inflight = (struct vhost_inflight){
		.mmap_size = size, .num_queues = (uint16_t)queues, .queue_size = (uint16_t)entries};
	if (fd >= 0)
		fd_add(&m, fd);
	return m;
}

static bool
handshake_ring(const struct peer *peer, unsigned ring, unsigned step, struct peer_message *m)
{
	switch (step) {
	case 0:
		*m = peer_state(VHOST_SET_VRING_NUM, ring, PEER_SIZE);
		return true;
	case 1:
		*m = peer_state(VHOST_SET_VRING_BASE, ring, peer->packed ? 0x8000 : 0);
		return true;
	case 2:
		*m = peer_vring_addr(peer, ring);
		return true;
	case 3:
		*m = peer_vring_fd(VHOST_SET_VRING_KICK, ring, peer->kick[ring]);
		return true;
	case 4:
		*m = peer_vring_fd(VHOST_SET_VRING_CALL, ring, peer->call[ring]);
		return true;
	case 5:
		*m = peer_vring_fd(VHOST_SET_VRING_ERR, ring, peer->error[ring]);
		return true;
	default:
		*m = peer_state(VHOST_SET_VRING_ENABLE, ring, 1);
		m->message.header.flags |= VHOST_FLAG_NEED_REPLY;
		return true;
	}
}

bool
peer_handshake(const struct peer *peer, unsigned step, struct peer_message *m)
{
	/* All that is offered but BACKEND_REQ, which is not. */
	uint64_t protocol =
		VIRTIO_BIT(VHOST_PROTOCOL_F_MQ) | VIRTIO_BIT(VHOST_PROTOCOL_F_LOG_SHMFD) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_RARP) | VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_NET_MTU) | VIRTIO_BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_RESET_DEVICE) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |
		VIRTIO_BIT(VHOST_PROTOCOL_F_STATUS);
	const struct peer_message first[] = {
		peer_plain(VHOST_GET_FEATURES),
		peer_plain(VHOST_GET_PROTOCOL_FEATURES),
		peer_u64(VHOST_SET_PROTOCOL_FEATURES, protocol),
		peer_plain(VHOST_GET_QUEUE_NUM),
		peer_plain(VHOST_GET_MAX_MEM_SLOTS),
		peer_plain(VHOST_SET_OWNER),
		peer_u64(VHOST_NET_SET_MTU, 1500),
		peer_u64(VHOST_SET_FEATURES, peer->features),
		peer_plain(VHOST_GET_STATUS),
		peer_u64(VHOST_SET_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
						   VIRTIO_STATUS_FEATURES_OK),
		peer_inflight(VHOST_GET_INFLIGHT_FD, 0, PEER_RINGS, PEER_SIZE, -1),
		peer_inflight(
			VHOST_SET_INFLIGHT_FD, 65536, PEER_RINGS, PEER_SIZE, peer->inflight_fd),
		peer_mem_table(peer),
		peer_mem_reg(VHOST_ADD_MEM_REG, UINT64_C(2) << 32, 0x10000, UINT64_C(0x10000), 0,
			peer->memory_fd),
		peer_log_base(peer, PEER_LOG, 0),
	};
	const unsigned count = sizeof(first) / sizeof(first[0]);

	if (step < count) {
		*m = first[step];
		return true;
	}
	step -= count;
	if (step < 7 * PEER_RINGS)
		return handshake_ring(peer, step / 7, step % 7, m);
	return false;
}
