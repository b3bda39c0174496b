/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inflight: the shared region that survives a back end's crash (vhost-user specification,
 * "Inflight I/O tracking").
 *
 * patchbay completes every buffer within the burst that took it, in order, so per-descriptor
 * marks are never left set.  What the region keeps for a packed ring is the position of the next
 * descriptor, which nothing else in memory tells after a crash; for a split ring the used index in
 * guest memory already says it.
 */
#ifndef VHOST_INFLIGHT_H
#define VHOST_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "vhost/protocol.h"
#include "vhost/virtio.h"

/* Layouts of the specification; one queue region is aligned to 64 bytes. */
struct inflight_split_state {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct inflight_packed_state {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* The common head of both layouts; a split region ends after used_idx. */
struct inflight_queue {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	union {
		struct {
			uint16_t last_batch_head;
			uint16_t used_idx;
		} split;
		struct {
			uint16_t free_head;
			uint16_t old_free_head;
			uint16_t used_idx;
			uint16_t old_used_idx;
			uint8_t used_wrap_counter;
			uint8_t old_used_wrap_counter;
			uint8_t padding[7];
		} packed;
	};
	/* inflight_split_state or inflight_packed_state desc[desc_num] */
} __attribute__((packed));

/* ---- the region ---- */

/*
 * A mapped region.  Its contents are the front end's to spoil: a position read from it is checked
 * against the ring before it is used.
 */
struct inflight_region {
	void *map; /* NULL = none */
	size_t map_size;
	uint8_t *queues; /* where the first queue region begins */
	uint64_t size;   /* bytes there */
	uint16_t num_queues, queue_size;
	struct vhost_inflight given; /* how the front end describes it */
	int fd; /* the file, for a process that takes over; owned while map is not NULL */
};

/* Bytes of one queue region, a multiple of 64. */
size_t inflight_queue_bytes(unsigned queue_size, bool packed);

/*
 * control thread: makes a zeroed, sealed memfd for the queues that `wish` asks for and fills in its
 * size.  The descriptor is the caller's.  -EMFILE, -ENOMEM... with a text.
 */
int inflight_region_create(struct vhost_inflight *wish, bool packed, int *fd, struct err *err);

/*
 * control thread: maps what a front end gave; the descriptor stays the caller's.  *region is
 * overwritten on success only.  -EINVAL with a text (size, wrap, file too short), -ENOMEM.
 */
int inflight_region_map(struct inflight_region *region, const struct vhost_inflight *given,
	bool packed, int fd, struct err *err);

/* control thread: no ring uses it any more; idempotent. */
void inflight_region_unmap(struct inflight_region *region);

/* The region of one queue whose ring has `size` entries, or NULL when there is none that fits. */
struct inflight_queue *inflight_region_queue(
	const struct inflight_region *region, unsigned index, unsigned size, bool packed);

/* ---- the position of a packed ring ---- */

#define INFLIGHT_VERSION 1 /* the queue region is in use */

/*
 * used_idx to old_used_wrap_counter lie in eight aligned bytes: one store writes them all, so that
 * no crash leaves half of a position behind.
 */
#define INFLIGHT_POSITION_OFFSET 16
_Static_assert(offsetof(struct inflight_queue, packed.used_idx) == INFLIGHT_POSITION_OFFSET &&
		       offsetof(struct inflight_queue, packed.old_used_wrap_counter) ==
			       INFLIGHT_POSITION_OFFSET + 5,
	"the position of a packed ring is one word");

static inline void
inflight_position_store(
	struct inflight_queue *queue, uint16_t used, bool used_wrap, uint16_t old, bool old_wrap)
{
	uint64_t word = (uint64_t)used | (uint64_t)old << 16 | (uint64_t)used_wrap << 32 |
			(uint64_t)old_wrap << 40;

	__atomic_store_n((uint64_t *)(void *)((uint8_t *)queue + INFLIGHT_POSITION_OFFSET), word,
		__ATOMIC_RELEASE);
}

/*
 * worker: the chain at `old` is about to be marked used, by the flags of its first descriptor, and
 * the next one begins at `next`; at the end of the burst inflight_position_commit().  After a crash in
 * between, those flags tell which of the two positions holds.
 */
static inline void
inflight_position_begin(
	struct inflight_queue *queue, uint16_t old, bool old_wrap, uint16_t next, bool next_wrap)
{
	inflight_position_store(queue, next, next_wrap, old, old_wrap);
}

static inline void
inflight_position_commit(struct inflight_queue *queue, uint16_t next, bool next_wrap)
{
	inflight_position_store(queue, next, next_wrap, next, next_wrap);
}

/*
 * control thread: where a packed ring goes on.  false when the region says nothing about a ring of
 * this size or something impossible.
 */
bool inflight_position_recover(const struct inflight_queue *queue,
	const struct virtq_packed_desc *ring, uint16_t size, uint16_t *next, bool *wrap);

/* control thread: the region describes a ring of this size that goes on at next. */
void inflight_position_start(
	struct inflight_queue *queue, uint64_t features, uint16_t size, uint16_t next, bool wrap);

/* control thread: the front end was told the position: the region says nothing any more. */
void inflight_position_forget(struct inflight_queue *queue);

#endif
