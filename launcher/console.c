/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: a guest may print without end: a visit takes no more chains than the queue is long, and
 * what the output does not take at once is lost and counted.
 */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "launcher/console.h"

#define CLASS_SIMPLE 0x078000
#define QUEUE_SIZE   64
#define INPUT_MAX    1024

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT, QUEUES };

static void
console_start(void *owner)
{
	struct console *c = owner;

	virtq_start(&c->receive, &c->device, QUEUE_RECEIVE);
	virtq_start(&c->transmit, &c->device, QUEUE_TRANSMIT);
	/* The rest by the main thread, which the signal wakes. */
	eventfd_write(c->device.queues[QUEUE_TRANSMIT].kick, 1);
}

static bool
console_stop(void *owner)
{
	struct console *c = owner;

	virtq_stop(&c->receive);
	virtq_stop(&c->transmit);
	return true;
}

static uint32_t
print(void *arg, const struct virtq_chain *chain)
{
	uint64_t bytes = virtq_bytes(chain, 0, chain->readable);
	struct console *c = arg;
	ssize_t n = 0;

	if (c->out >= 0 && chain->readable)
		n = writev(c->out, chain->iov, (int)chain->readable);
	if (n < 0 || (uint64_t)n < bytes)
		c->lost += bytes - (n > 0 ? (uint64_t)n : 0);
	return 0;
}

void
console_serve(void *owner)
{
	struct console *c = owner;

	virtq_serve(&c->transmit, &c->device, QUEUE_TRANSMIT, print, c);
	if (c->receive.running && c->in >= 0)
		c->wants_input(c->arg, true);
}

bool
console_input(struct console *c)
{
	struct virtq_chain chain;
	uint8_t bytes[INPUT_MAX];
	uint64_t room;
	ssize_t n;
	int rc = virtq_take(&c->receive, &chain);

	while (rc == 0 && virtq_arm(&c->receive))
		rc = virtq_take(&c->receive, &chain);
	if (rc <= 0) {
		if (rc < 0)
			virtio_device_broken(&c->device, "a queue is malformed");
		c->wants_input(c->arg, false); /* until the driver kicks */
		return true;
	}
	room = virtq_bytes(&chain, chain.readable, chain.parts);
	n = read(c->in, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
	virtq_give(&c->receive, chain.id, chain.count,
		n > 0 ? (uint32_t)virtq_write(&chain, bytes, (size_t)n) : 0);
	virtq_call(&c->receive);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

int
console_init(struct console *c, const struct virtio_place *place, struct err *err)
{
	static const struct virtio_ops ops = {.start = console_start, .stop = console_stop};

	return virtio_device_init(&c->device, place,
		&(struct virtio_identity){.id = VIRTIO_ID_CONSOLE,
			.class = CLASS_SIMPLE,
			.name = "console",
			.queues = QUEUES,
			.queue_size = QUEUE_SIZE,
			.config = c->config,
			.config_size = sizeof(c->config),
			.ops = &ops,
			.owner = c},
		err);
}
