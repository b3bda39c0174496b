/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rng: a source of random bytes (virtio 1.2, 5.4).
 *
 * Threads: the main thread, under the bus's lock.
 */
#ifndef LAUNCHER_RNG_H
#define LAUNCHER_RNG_H

#include "launcher/virtq.h"

struct rng {
	struct virtio_device device;
	struct virtq queue;
};

int rng_init(struct rng *rng, const struct virtio_place *place, struct err *err);
/* The driver has kicked. */
void rng_serve(void *rng);

#endif
