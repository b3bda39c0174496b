/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: addresses, lengths and values are the guest's.  A device sees an access only when it
 * lies wholly within the device's range.
 */
#include <assert.h>

#include "launcher/bus.h"

void
bus_init(struct bus *bus)
{
	*bus = (struct bus){.lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER};
}

void
bus_add(struct bus *bus, const struct bus_range *ranges, unsigned count, void *device)
{
	assert(count <= BUS_RANGES_MAX - bus->count);
	for (unsigned i = 0; i < count; i++) {
		struct bus_range *range = &bus->ranges[bus->count++];

		*range = ranges[i];
		range->device = device;
	}
}

static const struct bus_range *
bus_find(const struct bus *bus, bool memory, uint64_t address, unsigned length)
{
	for (unsigned i = 0; i < bus->count; i++) {
		const struct bus_range *range = &bus->ranges[i];

		if (range->memory == memory && address >= range->first &&
			address - range->first < range->size &&
			length <= range->size - (address - range->first))
			return range;
	}
	return NULL;
}

uint64_t
bus_read(struct bus *bus, bool memory, uint64_t address, unsigned length)
{
	const struct bus_range *range = bus_find(bus, memory, address, length);
	uint64_t value = UINT64_MAX;

	if (!range || !range->read)
		return value;
	pthread_mutex_lock(&bus->lock);
	value = range->read(range->device, address - range->first, length);
	pthread_mutex_unlock(&bus->lock);
	return value;
}

void
bus_write(struct bus *bus, bool memory, uint64_t address, unsigned length, uint64_t value)
{
	const struct bus_range *range = bus_find(bus, memory, address, length);

	if (!range || !range->write)
		return;
	if (length < 8)
		value &= (UINT64_C(1) << (8 * length)) - 1;
	pthread_mutex_lock(&bus->lock);
	range->write(range->device, address - range->first, length, value);
	pthread_mutex_unlock(&bus->lock);
}
