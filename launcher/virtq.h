/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtq: the device's side of a queue that the monitor serves itself, split or packed (virtio 1.2,
 * 2.7 and 2.8).  Queues of network traffic are never served here.
 *
 * Each descriptor is read once.  A chain has at most as many descriptors as the queue, and no more
 * than VIRTQ_PARTS_MAX; every part lies in the guest's memory.  What a queue says against that is an
 * error (-EPROTO) after which it is not served any more.
 *
 * Threads: one at a time.
 */
#ifndef LAUNCHER_VIRTQ_H
#define LAUNCHER_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "launcher/virtio_device.h"

#define VIRTQ_PARTS_MAX 258

struct virtq {
	const struct ram *ram;
	void *desc, *driver, *device;
	uint16_t size;
	int call;
	bool packed, event_idx, running;
	uint16_t next;        /* where the next chain is taken; split: counts up */
	uint16_t used;        /* split: used index; packed: where the next is given back */
	bool wrap, used_wrap; /* packed */
	uint16_t called;      /* split: used index when the driver was last told */
};

/* Buffers the driver has made available: parts to read, then parts to write. */
struct virtq_chain {
	uint16_t id;    /* what gives it back */
	uint16_t count; /* descriptors of the ring that it takes */
	unsigned parts, readable;
	struct iovec iov[VIRTQ_PARTS_MAX]; /* [0..readable): to read; the rest: to write */
};

/* The queue as its driver has described it; one that is not enabled has never a chain. */
void virtq_start(struct virtq *queue, const struct virtio_device *device, unsigned index);
void virtq_stop(struct virtq *queue);

/* 1: a chain; 0: none; -EPROTO. */
int virtq_take(struct virtq *queue, struct virtq_chain *chain);
/* Gives a chain back of which `written` bytes were written. */
void virtq_give(struct virtq *queue, uint16_t id, uint16_t count, uint32_t written);
/* Interrupts the driver if it wants to know of what was given back. */
void virtq_call(struct virtq *queue);
/* Asks for a kick when there is a chain; true: there is one already, look again. */
bool virtq_arm(struct virtq *queue);

/* What is done with a chain; the bytes written to it. */
typedef uint32_t (*virtq_chain_cb)(void *arg, const struct virtq_chain *chain);
/*
 * Takes chains, at most as many as the queue is long, and gives each back; then interrupts the driver.
 * 0: there is no other, and a kick will tell of the next; 1: there may be; -EPROTO.
 */
int virtq_each(struct virtq *queue, virtq_chain_cb each, void *arg);
/* The same under the bus's lock, for a queue of a device: what is left is kicked, errors are told. */
void virtq_serve(struct virtq *queue, struct virtio_device *device, unsigned index,
	virtq_chain_cb each, void *arg);

/* Bytes of the parts [first..end). */
uint64_t virtq_bytes(const struct virtq_chain *chain, unsigned first, unsigned end);
/* Copies from the readable parts, or to the writable ones; returns the bytes copied. */
size_t virtq_read(const struct virtq_chain *chain, size_t skip, void *to, size_t length);
size_t virtq_write(const struct virtq_chain *chain, const void *from, size_t length);

#endif
