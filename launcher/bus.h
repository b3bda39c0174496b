/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus: hands a guest's access to an I/O port or to a device's memory to the device.
 *
 * One lock covers all registers of all devices: accesses that leave the guest are rare, since what
 * frames and disk blocks take goes by eventfds.  A device's functions are called with it held.
 *
 * An access that no device answers reads as ones and is ignored when written, as on real buses.
 */
#ifndef LAUNCHER_BUS_H
#define LAUNCHER_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BUS_RANGES_MAX 24

/* offset: within the range; length: 1, 2, 4 or 8; the access lies wholly within the range. */
typedef uint64_t (*bus_read_cb)(void *device, uint64_t offset, unsigned length);
typedef void (*bus_write_cb)(void *device, uint64_t offset, unsigned length, uint64_t value);

struct bus_range {
	bool memory; /* else I/O ports */
	uint64_t first, size;
	bus_read_cb read;
	bus_write_cb write;
	void *device;
};

struct bus {
	pthread_mutex_t lock;
	pthread_cond_t stopped; /* a device that was stopped by another thread has done so */
	struct bus_range ranges[BUS_RANGES_MAX];
	unsigned count;
};

void bus_init(struct bus *bus);
/* The ranges of a device.  They do not overlap and stay for ever: a programming error otherwise. */
void bus_add(struct bus *bus, const struct bus_range *ranges, unsigned count, void *device);

uint64_t bus_read(struct bus *bus, bool memory, uint64_t address, unsigned length);
void bus_write(struct bus *bus, bool memory, uint64_t address, unsigned length, uint64_t value);

#endif
