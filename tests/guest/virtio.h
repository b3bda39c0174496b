/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio: a driver of modern virtio devices on PCI (virtio 1.2, 4.1) that keeps the rules when it is
 * asked to and lets its user break each of them.
 */
#ifndef TESTS_GUEST_VIRTIO_H
#define TESTS_GUEST_VIRTIO_H

#include "tests/guest/pci.h"
#include "vhost/virtio.h"

#define RING_SIZE   64
#define DEVICES_MAX 4

struct driver {
	unsigned slot, id; /* VIRTIO_ID_... */
	unsigned queue;    /* the one that is used */
	uint64_t common, notify, isr, config;
	uint32_t notify_step;
	uint64_t table, pending; /* of MSI-X */
	uint16_t next, seen;     /* avail index; used index up to which was looked */
};

/* The ring that all drivers use, one at a time; page-aligned, alone in its pages. */
struct ring {
	struct virtq_desc desc[RING_SIZE];
	uint8_t driver[4096], device[4096];
};
extern struct ring ring;
extern uint8_t buffer[65536];

static inline struct virtq_avail *
avail(void)
{
	return (struct virtq_avail *)ring.driver;
}

static inline volatile struct virtq_used *
used(void)
{
	return (volatile struct virtq_used *)ring.device;
}

/* Device `number` of this kind, its capabilities walked; false: there is none. */
bool driver_find(struct driver *d, unsigned id, unsigned number);

uint64_t common_get(const struct driver *d, unsigned reg, unsigned length);
void common_put(const struct driver *d, unsigned reg, unsigned length, uint64_t value);
uint8_t status_get(const struct driver *d);
void status_put(const struct driver *d, uint8_t status);

/* From a reset to FEATURES_OK, with what is offered of `features` and VERSION_1. */
void negotiate(struct driver *d, uint64_t features);
/* Describes and enables queue `index`: `ring`, of this size. */
void describe(struct driver *d, unsigned index, unsigned size, uint64_t desc, uint64_t driver,
	uint64_t device);
/* All of it: the queue runs afterwards. */
void start_device(struct driver *d, uint64_t features);

/* Makes the chain that begins at a descriptor available. */
void offer(struct driver *d, uint16_t head);
void kick(struct driver *d, unsigned queue);
/* A chain came back; not when the device asks to be reset instead. */
bool came_back(struct driver *d);
/* It asks to be reset. */
bool wants_reset(struct driver *d);

/* Fills descriptor `i`. */
void part(unsigned i, const void *address, uint32_t length, uint16_t flags, uint16_t next);

/* After anything at all: it can be reset, and serves an honest request. */
void expect_works(struct driver *d);

#endif
