/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_memory: guest memory as a front end gives it to a back end: one memfd, sealed against
 * shrinking and growing, described as one or more regions.
 *
 * Here it is one mapping from end to end.  Guest physical addresses begin at DRIVER_MEMORY_GPA, and
 * between two regions `gap` bytes belong to nobody; with a gap of 0 the regions are adjacent and a
 * buffer may lie across them.  The front end's own address of a byte (the "user address" of the
 * vhost-user specification) is its address here.
 *
 * Threads: one at a time for create, alloc and destroy; the rest any thread.
 */
#ifndef VHOST_DRIVER_MEMORY_H
#define VHOST_DRIVER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "vhost/protocol.h"

#define DRIVER_MEMORY_GPA UINT64_C(0x100000)

struct driver_memory_options {
	uint64_t size;    /* bytes of all regions; rounded up to whole pages per region */
	unsigned regions; /* 0 = 1; at most VHOST_MEM_SLOTS */
	uint64_t gap;     /* a multiple of the page size */
	bool hugepages;   /* 2 MiB pages; fails when there are none */
	bool unsealed;    /* for tests of back ends */
};

struct driver_memory {
	uint8_t *host;  /* first byte of the first region */
	uint64_t size;  /* bytes mapped at host */
	uint64_t chunk; /* bytes of each region */
	uint64_t gap;
	uint64_t used;                        /* bytes given out */
	int fd;                               /* the memfd */
	unsigned count;                       /* regions */
	struct vhost_memory_region regions[]; /* sorted; mmap_offset into fd */
};

/* -EINVAL, -ENOMEM (text: how to get hugepages), or what memfd_create(2) and mmap(2) say. */
int driver_memory_create(struct driver_memory **memory, const struct driver_memory_options *options,
	struct err *err);
/* NULL is fine. */
void driver_memory_destroy(struct driver_memory *memory);

/*
 * Takes `size` zeroed bytes, aligned to a power of two up to 4096, which lie in one region when
 * there are gaps.  Never given back.  NULL when nothing is left; *gpa may be NULL.
 */
void *driver_memory_alloc(
	struct driver_memory *memory, uint64_t size, uint64_t align, uint64_t *gpa);
/* What driver_memory_alloc() gave since `used` was read belongs to nobody any more. */
static inline void
driver_memory_rewind(struct driver_memory *memory, uint64_t used)
{
	memory->used = used;
}

/* The guest physical address of a byte of the mapping. */
static inline uint64_t
driver_memory_gpa(const struct driver_memory *memory, const void *host)
{
	uint64_t offset = (uint64_t)((const uint8_t *)host - memory->host);

	return DRIVER_MEMORY_GPA + offset +
	       (memory->gap ? offset / memory->chunk * memory->gap : 0);
}

#endif
