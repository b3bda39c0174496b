/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_state: what the driver side of a virtqueue keeps in private memory, for the functions of
 * driver_split.h and driver_packed.h.  Users include vhost/driver_ring.h and touch no field.
 */
#ifndef VHOST_DRIVER_STATE_H
#define VHOST_DRIVER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/virtio.h"

/* One element of a chain: guest physical address and length. */
struct driver_buf {
	uint64_t gpa;
	uint32_t len;
};

/* A chain that came back. */
struct driver_used {
	void *token;  /* as given to driver_ring_add() */
	uint32_t len; /* bytes the device says it wrote */
};

/* By buffer id: for split rings the head descriptor, for packed ones see driver_packed.h. */
struct driver_chain {
	void *token;
	uint32_t room;  /* writable bytes of the chain */
	uint16_t count; /* ring descriptors it takes; 0 = the id is not in use */
	uint16_t next; /* split: descriptor after this one in chain or free list; packed: free id */
};

struct driver_ring {
	/* Constant. */
	union {
		struct virtq_desc *desc;
		struct virtq_packed_desc *packed_desc;
	};
	union {
		struct virtq_avail *avail;
		struct virtq_packed_event *driver_event;
	};
	union {
		struct virtq_used *used;
		struct virtq_packed_event *device_event;
	};
	struct driver_chain *chains; /* [size] */
	struct virtq_desc *tables;   /* indirect tables, size * table_max; NULL = none */
	uint64_t tables_gpa;
	uint16_t table_max;
	uint16_t size;
	uint16_t mask; /* size - 1, split only */
	bool packed, in_order, event_idx;

	/* Adding. */
	uint16_t free;      /* descriptors */
	uint16_t next;      /* split: first free descriptor; packed: position to fill */
	uint16_t avail_idx; /* split: index that the next publish stores */
	uint16_t added;     /* since the last kick decision; split: chains, packed: descriptors */
	uint16_t lap;       /* packed: AVAIL/USED flags of an available descriptor of this lap */
	uint16_t free_id;   /* packed, not in order: first free buffer id */
	uint16_t held_at;   /* packed: position of the head that publish makes available */
	bool held;          /* packed: there is one */
	uint64_t held_word; /* packed: its second eight bytes */

	/* Collecting. */
	uint16_t in_flight; /* chains added and not collected */
	uint16_t done;      /* in order, and packed: position of the oldest chain not collected */
	uint16_t used_idx;  /* split: used entries collected so far */
	bool used_lap;      /* packed: wrap counter that belongs to `done` */
	bool in_batch;      /* in order: chains up to batch_id are known to be used */
	bool broken;        /* the device gave back what it did not have */
	uint32_t batch_id, batch_len;
};

/* Stores only what differs: a line that the device has read stays in its cache. */
static inline void
driver_store64(void *to, uint64_t value)
{
	uint64_t old;

	__builtin_memcpy(&old, to, sizeof(old));
	if (old != value)
		__builtin_memcpy(to, &value, sizeof(value));
}

/* Virtio 1.2, 2.7.10: did the index move over the event index, from old to new? */
static inline bool
driver_crossed(uint16_t event, uint16_t new_index, uint16_t old_index)
{
	return (uint16_t)(new_index - event - 1) < (uint16_t)(new_index - old_index);
}

#endif
