/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ram: the guest's memory: one memfd, sealed against shrinking and growing, so that no access of ours
 * can fail once it is mapped, shared with the back ends of its network cards.
 *
 * It is one mapping here.  For the guest it has a hole below 4 GiB (launcher/layout.h) and lies
 * in at most two pieces.
 *
 * Threads: ram_at() any; the rest the main thread.
 */
#ifndef LAUNCHER_RAM_H
#define LAUNCHER_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct driver_memory;

struct ram {
	uint8_t *host; /* NULL = none */
	int fd;
	uint64_t size;                /* bytes in all */
	uint64_t low;                 /* of them, below the hole */
	struct driver_memory *shared; /* the same, as a vhost-user front end describes it */
};

struct ram_options {
	uint64_t size;
	bool hugepages, thp, prefault;
};

/* -EINVAL, -ENOMEM with a text. */
int ram_create(struct ram *ram, const struct ram_options *options, struct err *err);
void ram_destroy(struct ram *ram);

/* The guest-physical range, or NULL when it is not wholly in one piece.  length > 0. */
static inline void *
ram_at(const struct ram *ram, uint64_t address, uint64_t length)
{
	const uint64_t high = UINT64_C(1) << 32;

	if (address < ram->low)
		return length <= ram->low - address ? ram->host + address : NULL;
	if (address < high || address - high >= ram->size - ram->low)
		return NULL;
	address = address - high + ram->low;
	return length <= ram->size - address ? ram->host + address : NULL;
}

/* Everything reads as zero, and the host has its pages back. */
int ram_clear(struct ram *ram);
/* Gives pages back to the host; they read as zero.  The range is whole pages in one piece. */
int ram_release(struct ram *ram, uint64_t address, uint64_t length);
/* The same for a range that ram_at() gave; parts of pages at its ends are kept. */
int ram_release_host(struct ram *ram, const void *host, uint64_t length);

#endif
