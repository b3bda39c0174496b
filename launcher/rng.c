/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: a guest may ask for any amount at any rate: a request gets REQUEST_MAX bytes at most,
 * and one visit serves no more requests than the queue is long.
 */
#include <sys/random.h>

#include "launcher/rng.h"

#define CLASS_OTHER 0x00ff00
#define QUEUE_SIZE  64
#define REQUEST_MAX 4096

static void
rng_start(void *owner)
{
	struct rng *rng = owner;

	virtq_start(&rng->queue, &rng->device, 0);
	rng_serve(rng);
}

static bool
rng_stop(void *owner)
{
	virtq_stop(&((struct rng *)owner)->queue);
	return true;
}

static uint32_t
fill(void *arg, const struct virtq_chain *chain)
{
	uint8_t bytes[REQUEST_MAX];
	uint64_t wanted = virtq_bytes(chain, chain->readable, chain->parts);
	ssize_t n = getrandom(bytes, wanted < sizeof(bytes) ? wanted : sizeof(bytes), 0);

	return n > 0 ? (uint32_t)virtq_write(chain, bytes, (size_t)n) : 0;
}

void
rng_serve(void *owner)
{
	struct rng *rng = owner;

	virtq_serve(&rng->queue, &rng->device, 0, fill, NULL);
}

int
rng_init(struct rng *rng, const struct virtio_place *place, struct err *err)
{
	static const struct virtio_ops ops = {.start = rng_start, .stop = rng_stop};

	return virtio_device_init(&rng->device, place,
		&(struct virtio_identity){.id = VIRTIO_ID_RNG,
			.class = CLASS_OTHER,
			.name = "rng",
			.queues = 1,
			.queue_size = QUEUE_SIZE,
			.ops = &ops,
			.owner = rng},
		err);
}
