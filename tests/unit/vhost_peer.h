/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_peer: a front end that can also misbehave: it makes the messages of a good handshake one by
 * one, for tests to send whole, in part, spoilt or in another order.
 */
#ifndef TESTS_UNIT_VHOST_PEER_H
#define TESTS_UNIT_VHOST_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/message.h"
#include "vhost/virtio.h"

#define PEER_MEMORY   (UINT64_C(4) << 20)
#define PEER_LOG      (UINT64_C(512) << 10) /* bytes: a bit per page, up to 16 GiB */
#define PEER_UVA      UINT64_C(0x7f0000000000)
#define PEER_SIZE     256
#define PEER_RINGS    4
#define PEER_FILE_TAG "vhost-peer-memory"

struct peer {
	int memory_fd;
	uint8_t *memory; /* mapped here too */
	int kick[PEER_RINGS], call[PEER_RINGS], error[PEER_RINGS];
	int log_fd, inflight_fd;
	uint64_t features;
	bool packed;
};

/* Descriptors and memory of a guest with two queue pairs. */
void peer_init(struct peer *peer, bool packed);
void peer_close(struct peer *peer);

/* A message and the descriptors that go with it; the descriptors stay the peer's. */
struct peer_message {
	uint32_t padding; /* aligns the payload, so that tests may point into it */
	struct vhost_message message;
	int fds[VHOST_FDS_MAX];
	unsigned fd_count;
} __attribute__((aligned(8)));

struct peer_message peer_plain(uint32_t request);
struct peer_message peer_u64(uint32_t request, uint64_t value);
struct peer_message peer_state(uint32_t request, uint32_t index, uint32_t num);
struct peer_message peer_vring_addr(const struct peer *peer, unsigned ring);
struct peer_message peer_vring_fd(uint32_t request, unsigned ring, int fd);
struct peer_message peer_mem_table(const struct peer *peer);
struct peer_message peer_mem_reg(
	uint32_t request, uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset, int fd);
struct peer_message peer_log_base(const struct peer *peer, uint64_t size, uint64_t offset);
struct peer_message peer_inflight(
	uint32_t request, uint64_t size, unsigned queues, unsigned entries, int fd);

/* The handshake of step 0, 1, ...; false behind the last. */
bool peer_handshake(const struct peer *peer, unsigned step, struct peer_message *m);

#endif
