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

#include <stdint.h>

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

#endif
