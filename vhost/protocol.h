/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * protocol: the bytes of the vhost-user protocol, for both ends.
 *
 * The back end (vhost/backend.c) and the front end (vhost/frontend.c: launcher, bench, tests) are
 * built from the same list of requests.  Specification: QEMU docs/interop/vhost-user.rst ("the
 * vhost-user specification"); names are the specification's in lower case.
 */
#ifndef VHOST_PROTOCOL_H
#define VHOST_PROTOCOL_H

#include <stdint.h>

#define VHOST_VERSION           0x1
#define VHOST_FLAG_VERSION_MASK 0x3
#define VHOST_FLAG_REPLY        0x4
#define VHOST_FLAG_NEED_REPLY   0x8

#define VHOST_FDS_MAX         8   /* descriptors of one message */
#define VHOST_REGIONS_MESSAGE 8   /* regions of one SET_MEM_TABLE */
#define VHOST_MEM_SLOTS       509 /* regions in all, with CONFIGURE_MEM_SLOTS */
#define VHOST_QUEUE_PAIRS_MAX 16
#define VHOST_RING_SIZE_MAX   32768 /* virtio 1.2, 2.7: largest split ring; packed too */

/* Bits beside the device's own (virtio-net) features. */
#define VHOST_F_LOG_ALL                26
#define VHOST_USER_F_PROTOCOL_FEATURES 30

#define VHOST_PROTOCOL_F_MQ                   0
#define VHOST_PROTOCOL_F_LOG_SHMFD            1
#define VHOST_PROTOCOL_F_RARP                 2
#define VHOST_PROTOCOL_F_REPLY_ACK            3
#define VHOST_PROTOCOL_F_NET_MTU              4
#define VHOST_PROTOCOL_F_BACKEND_REQ          5
#define VHOST_PROTOCOL_F_CROSS_ENDIAN         6
#define VHOST_PROTOCOL_F_CRYPTO_SESSION       7
#define VHOST_PROTOCOL_F_PAGEFAULT            8
#define VHOST_PROTOCOL_F_CONFIG               9
#define VHOST_PROTOCOL_F_BACKEND_SEND_FD      10
#define VHOST_PROTOCOL_F_HOST_NOTIFIER        11
#define VHOST_PROTOCOL_F_INFLIGHT_SHMFD       12
#define VHOST_PROTOCOL_F_RESET_DEVICE         13
#define VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS 14
#define VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS  15
#define VHOST_PROTOCOL_F_STATUS               16

/* SET_VRING_KICK/CALL/ERR: ring index in the lower 8 bits, and "no descriptor comes with it". */
#define VHOST_VRING_INDEX_MASK 0xff
#define VHOST_VRING_NOFD       0x100

struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
} __attribute__((packed));

struct vhost_vring_state {
	uint32_t index;
	uint32_t num;
};

#define VHOST_VRING_F_LOG 0

struct vhost_vring_addr {
	uint32_t index;
	uint32_t flags; /* bit VHOST_VRING_F_LOG: log writes to the used ring */
	uint64_t desc_user_addr;
	uint64_t used_user_addr;
	uint64_t avail_user_addr;
	uint64_t log_guest_addr;
};

struct vhost_memory_region {
	uint64_t guest_phys_addr;
	uint64_t memory_size;
	uint64_t userspace_addr;
	uint64_t mmap_offset;
};

struct vhost_memory_table {
	uint32_t nregions;
	uint32_t padding;
	struct vhost_memory_region regions[VHOST_REGIONS_MESSAGE];
};

struct vhost_memory_single {
	uint64_t padding;
	struct vhost_memory_region region;
};

struct vhost_log {
	uint64_t mmap_size;
	uint64_t mmap_offset;
};

struct vhost_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint8_t padding[4];
};

union vhost_payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_memory_table memory;
	struct vhost_memory_single single;
	struct vhost_log log;
	struct vhost_inflight inflight;
};

struct vhost_message {
	struct vhost_header header;
	union vhost_payload payload;
} __attribute__((packed));

/*
 * Requests of the front end that we know.  X(number, NAME, payload type, least payload bytes, most
 * payload bytes, least descriptors, most descriptors, reply payload bytes or 0).
 */
#define VHOST_REQUEST_LIST(X)                              \
	X(1, GET_FEATURES, u64, 0, 0, 0, 0, 8)             \
	X(2, SET_FEATURES, u64, 8, 8, 0, 0, 0)             \
	X(3, SET_OWNER, u64, 0, 0, 0, 0, 0)                \
	X(4, RESET_OWNER, u64, 0, 0, 0, 0, 0)              \
	X(5, SET_MEM_TABLE, memory, 8, 264, 1, 8, 0)       \
	X(6, SET_LOG_BASE, log, 16, 16, 1, 1, 8)           \
	X(7, SET_LOG_FD, u64, 0, 0, 1, 1, 0)               \
	X(8, SET_VRING_NUM, state, 8, 8, 0, 0, 0)          \
	X(9, SET_VRING_ADDR, addr, 40, 40, 0, 0, 0)        \
	X(10, SET_VRING_BASE, state, 8, 8, 0, 0, 0)        \
	X(11, GET_VRING_BASE, state, 8, 8, 0, 0, 8)        \
	X(12, SET_VRING_KICK, u64, 8, 8, 0, 1, 0)          \
	X(13, SET_VRING_CALL, u64, 8, 8, 0, 1, 0)          \
	X(14, SET_VRING_ERR, u64, 8, 8, 0, 1, 0)           \
	X(15, GET_PROTOCOL_FEATURES, u64, 0, 0, 0, 0, 8)   \
	X(16, SET_PROTOCOL_FEATURES, u64, 8, 8, 0, 0, 0)   \
	X(17, GET_QUEUE_NUM, u64, 0, 0, 0, 0, 8)           \
	X(18, SET_VRING_ENABLE, state, 8, 8, 0, 0, 0)      \
	X(19, SEND_RARP, u64, 8, 8, 0, 0, 0)               \
	X(20, NET_SET_MTU, u64, 8, 8, 0, 0, 0)             \
	X(21, SET_BACKEND_REQ_FD, u64, 0, 0, 1, 1, 0)      \
	X(31, GET_INFLIGHT_FD, inflight, 24, 24, 0, 0, 24) \
	X(32, SET_INFLIGHT_FD, inflight, 24, 24, 1, 1, 0)  \
	X(34, RESET_DEVICE, u64, 0, 0, 0, 0, 0)            \
	X(36, GET_MAX_MEM_SLOTS, u64, 0, 0, 0, 0, 8)       \
	X(37, ADD_MEM_REG, single, 40, 40, 1, 1, 0)        \
	X(38, REM_MEM_REG, single, 40, 40, 0, 1, 0)        \
	X(39, SET_STATUS, u64, 8, 8, 0, 0, 0)              \
	X(40, GET_STATUS, u64, 0, 0, 0, 0, 8)

enum vhost_request {
#define X(number, name, ...) VHOST_##name = number,
	VHOST_REQUEST_LIST(X)
#undef X
		VHOST_REQUEST_MAX = 41
};

/* Requests of the back end, over the descriptor of SET_BACKEND_REQ_FD. */
enum vhost_backend_request {
	VHOST_BACKEND_CONFIG_CHANGE_MSG = 2,
};

_Static_assert(sizeof(struct vhost_header) == 12, "vhost-user header");
_Static_assert(sizeof(struct vhost_vring_addr) == 40, "vhost-user ring addresses");
_Static_assert(sizeof(struct vhost_memory_table) == 264, "vhost-user memory table");
_Static_assert(sizeof(struct vhost_memory_single) == 40, "vhost-user single region");
_Static_assert(sizeof(struct vhost_inflight) == 24, "vhost-user inflight description");

#endif
