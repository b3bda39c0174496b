/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory: the guest memory that a front end shares, mapped here.
 *
 * Threat model: the front end may name files that are shorter than it says, of any kind, with
 * regions that overlap or wrap; all of it is refused before anything is mapped (memory.c).  A file
 * can still shrink after it was mapped unless it is sealed; guest_region.sealed tells.
 *
 * A struct guest_memory is immutable once built.  A changed table is a new one; the old one is
 * released after the rings that used it were stopped (vhost/vring.h).  Mappings are shared between
 * successive tables by reference count (control thread only).  The files stay open, for a process
 * that takes over the connection (vhost/handover.h).
 */
#ifndef VHOST_MEMORY_H
#define VHOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "vhost/protocol.h"

struct guest_mapping; /* one mmap; reference counted */

struct guest_region {
	uint64_t gpa;    /* guest physical address of the first byte */
	uint64_t size;   /* bytes, > 0; gpa + size does not wrap */
	uint8_t *host;   /* where gpa is mapped here */
	uint64_t uva;    /* the front end's own address of the first byte */
	uint64_t offset; /* of the first byte in the file */
	struct guest_mapping *mapping;
	bool sealed;    /* the file cannot shrink */
	unsigned times; /* it was added; so often it must be removed */
};

struct guest_memory {
	unsigned count;
	struct guest_region regions[]; /* sorted by gpa */
};

/*
 * worker: the host address of guest physical address gpa, and in *reach how many bytes follow it in
 * the same region (>= 1).  NULL when no region holds it.
 */
static inline uint8_t *
guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t *reach)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct guest_region *r = &memory->regions[i];
		uint64_t offset = gpa - r->gpa;

		if (offset < r->size) {
			*reach = r->size - offset;
			return r->host + offset;
		}
	}
	return NULL;
}

/* control thread: the host address of a front-end address range that lies in one region, or NULL. */
void *guest_memory_from_user(const struct guest_memory *memory, uint64_t uva, uint64_t len);
/* control thread: as above for guest physical addresses. */
void *guest_memory_from_guest(const struct guest_memory *memory, uint64_t gpa, uint64_t len);

/* control thread: the guest physical address of a front-end address; false when no region has it. */
bool guest_memory_user_to_guest(const struct guest_memory *memory, uint64_t uva, uint64_t *gpa);

/*
 * Builds a table from one message.  fds[i] belongs to regions[i]; the descriptors stay the
 * caller's.  -EINVAL with a text (overlap, wrap, size 0, file too short, not mappable), -ENOMEM.
 */
int guest_memory_create(struct guest_memory **memory, const struct vhost_memory_region *regions,
	const int *fds, unsigned count, struct err *err);
/*
 * A new table: `old` (may be NULL) with one region more or less; `old` stays valid.  Front ends are
 * known that add every region once for each queue pair (QEMU up to 8.1): what is there already is
 * counted, and goes with the last removal.
 */
int guest_memory_add(struct guest_memory **memory, const struct guest_memory *old,
	const struct vhost_memory_region *region, int fd, struct err *err);
int guest_memory_remove(struct guest_memory **memory, const struct guest_memory *old,
	const struct vhost_memory_region *region, struct err *err);
/* The region as a front end describes it, and its file: the descriptor stays the mapping's. */
int guest_region_export(const struct guest_region *region, struct vhost_memory_region *description);
/* Drops the table and the mappings nobody else uses.  NULL is fine. */
void guest_memory_release(struct guest_memory *memory);

#endif
