/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_ring: the device side of a virtqueue of our own driver (virtio 1.2, 2.7 and 2.8), for the
 * loopback.
 *
 * Threat model: none.  The driver is this process; nothing it writes is checked beyond what keeps
 * the code simple.  A switch uses vhost/vring.h.
 */
#ifndef BENCH_DEVICE_RING_H
#define BENCH_DEVICE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/guest.h"

struct device_ring {
	bool packed, batch; /* batch: one used entry for all chains given at once (IN_ORDER) */
	uint16_t size;
	union {
		struct virtq_desc *desc;
		struct virtq_packed_desc *packed_desc;
	};
	struct virtq_avail *avail;
	struct virtq_used *used;
	uint8_t *memory; /* byte 0 of guest physical memory would be here */

	uint16_t next,
		seen;      /* split: available index to take, and as last read; packed: position */
	bool wrap;         /* packed: of `next` */
	uint16_t used_idx; /* split: index; packed: position of the next used descriptor */
	bool used_wrap;
	uint16_t given; /* chains given since the last flush */
	uint16_t last_id, last_count;
	/* Packed: the first descriptor given since the flush, made visible last. */
	uint16_t held_at;
	uint64_t held_word;
};

struct device_segment {
	uint8_t *bytes;
	uint32_t length;
};

struct device_chain {
	uint16_t id, descs;
	unsigned count;
	struct device_segment segments[GUEST_CHAIN_MAX];
};

/* index 0 = receive ring, 1 = transmit ring.  The driver must not have used the ring yet. */
void device_ring_init(struct device_ring *ring, const struct guest *guest, unsigned index);

/* Chains that can be taken; split rings know, packed ones say 1 or 0. */
unsigned device_ring_ready(struct device_ring *ring);
/* Takes the next chain; false when there is none. */
bool device_ring_take(struct device_ring *ring, struct device_chain *chain);
/* Takes back what device_ring_take() did last. */
void device_ring_untake(struct device_ring *ring, const struct device_chain *chain);

/* Gives a chain back, `length` bytes written; visible after the flush. */
void device_ring_give(struct device_ring *ring, uint16_t id, uint16_t descs, uint32_t length);
void device_ring_flush(struct device_ring *ring);

#endif
