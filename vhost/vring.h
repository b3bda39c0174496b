/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring: the device side of one virtqueue, split (vring_split.h) or packed (vring_packed.h), as a
 * worker uses it (vring_path.c).
 *
 * Threat model: the guest writes descriptors, indexes and flags at any time.  Each is read once,
 * into private memory, and checked there; chains are bounded; an address is translated with its
 * length.  A single malformed chain is given back and counted; a ring that cannot be followed any
 * more (an available index that jumps by more than the ring size) is marked broken, and the worker
 * no longer looks at it until the guest has reset it.
 *
 * Life: vring_create() on the control thread, from checked addresses; published with an atomic
 * pointer store in the port (vhost/port_vhost.h); after the pointer was cleared and
 * datapath_synchronize() returned, vring_next() says where it stopped and vring_destroy() frees it.
 * Nothing in the setup part changes while it is published: a change is a stop and a new vring.
 *
 * Completion is in order and within the burst, always: the used index says exactly what is done.
 */
#ifndef VHOST_VRING_H
#define VHOST_VRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vhost/dirty.h"
#include "vhost/memory.h"
#include "vhost/virtio.h"

/* What the control thread found out and checked. */
struct vring_setup {
	void *desc;        /* descriptor table / descriptor ring; size * 16 bytes are mapped */
	void *avail;       /* available ring with used_event / driver event suppression */
	void *used;        /* used ring with avail_event / device event suppression */
	uint16_t size;     /* entries; a power of two for split rings */
	uint16_t next;     /* split: next available index; packed: next position */
	bool next_wrap;    /* packed: its wrap counter */
	uint64_t features; /* negotiated */
	const struct guest_memory *memory; /* outlives the ring */
	int call_fd;                       /* -1 = none; stays the caller's, outlives the ring */
	const struct dirty_log *log;       /* NULL = off */
	bool log_used;                     /* log the ring itself too (VRING_F_LOG) */
	uint64_t used_gpa;               /* for that: the used ring; packed: the descriptor ring */
	uint64_t event_gpa;              /* for that, packed: the device's event structure */
	struct inflight_queue *inflight; /* NULL = off; in shared memory */
};

/* Why a ring is broken; the text is vring_broken_text(). */
enum vring_broken {
	VRING_OK,
	VRING_BROKEN_AVAIL,  /* available index ahead by more than the ring size */
	VRING_BROKEN_HEAD,   /* head index outside the ring */
	VRING_BROKEN_CHAIN,  /* packed: a chain longer than the ring */
	VRING_BROKEN_MEMORY, /* guest memory is gone: its file was cut, or has no page to give */
};

const char *vring_broken_text(enum vring_broken reason);

struct vring;

int vring_create(struct vring **vring, const struct vring_setup *setup); /* -ENOMEM, -EINVAL */
void vring_destroy(struct vring *vring);

/* control thread, not published: the next index to process; wrap is for packed rings. */
uint16_t vring_next(const struct vring *vring, bool *wrap);

/* control thread: the call eventfd may change while the ring is published. */
void vring_set_call(struct vring *vring, int call_fd);

/* any thread: VRING_OK or why it is broken. */
enum vring_broken vring_broken(const struct vring *vring);

/*
 * control thread: are there entries that the driver made available and the worker has not yet
 * completed?  Reads guest memory, which may be gone (lib/fault.h).
 */
bool vring_has_entries(const struct vring *vring);
/* The same of memory that is not published, from this place on (vring_setup). */
bool vring_setup_has_entries(const struct vring_setup *setup);

struct vring_counters {
	uint64_t calls;  /* times the guest was notified */
	uint64_t chains; /* processed */
};
void vring_counters(const struct vring *vring, struct vring_counters *counters);

#endif
