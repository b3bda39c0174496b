/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * balloon: gives memory that a guest does not use back to the host (virtio 1.2, 5.5): what the guest
 * puts into the balloon because it was asked to, and free pages that it reports by itself.
 *
 * Threads: the main thread, under the bus's lock.
 */
#ifndef LAUNCHER_BALLOON_H
#define LAUNCHER_BALLOON_H

#include "launcher/virtq.h"

struct balloon_config {
	uint32_t wanted, actual; /* pages of 4 KiB */
};

enum { BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_REPORT, BALLOON_QUEUES };

struct balloon {
	struct virtio_device device;
	struct virtq queues[BALLOON_QUEUES];
	struct balloon_config config;
	struct ram *ram;
};

int balloon_init(struct balloon *balloon, const struct virtio_place *place, struct ram *ram,
	struct err *err);
void balloon_serve(void *balloon);
/* Asks the guest to do with so many bytes. */
void balloon_set(struct balloon *balloon, uint64_t keep);
/* Bytes the guest has. */
uint64_t balloon_memory(const struct balloon *balloon);

#endif
