/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sighting: where an address was heard a moment ago, for all workers, until the control thread has
 * put it into the MAC table.
 *
 * Between a guest's first frame and the entry in the MAC table some time passes; on a busy host it
 * is long enough for thousands of frames to that guest.  Without this they would be flooded, and
 * count as unknown.  A worker that reports an address notes it here, and every worker that does not
 * find an address in the MAC table looks here.
 *
 * One slot per hash, overwritten at will; workers write without locks.  Key and value name each
 * other by a check sum: a reader that sees halves of two sightings sees none.  A sighting is believed
 * for SIGHTING_MS.  What is wrong here (an address that the control thread will refuse) is as wrong
 * as a flood: a frame goes to a member of the bridge that it might have reached anyway.
 */
#ifndef DATAPATH_SIGHTING_H
#define DATAPATH_SIGHTING_H

#include <stdatomic.h>
#include <stdint.h>

#include "datapath/fdb.h"

#define SIGHTINGS   4096 /* a power of two */
#define SIGHTING_MS 1000 /* below 65,536 */

struct sighting {
	_Atomic uint64_t key;   /* fdb_key */
	_Atomic uint64_t value; /* check sum 24, generation 8, milliseconds 16, port 16 */
};

struct sightings {
	struct sighting slots[SIGHTINGS];
};

/* The same address may be on several bridges: the bridge's number is part of what is hashed. */
static inline uint64_t
sighting_hash(fdb_key key, unsigned bridge)
{
	return fdb_mix(key ^ bridge, UINT64_C(0x9e3779b97f4a7c15));
}

/* worker */
static inline void
sighting_note(struct sightings *s, fdb_key key, unsigned bridge, unsigned port, uint32_t generation,
	uint64_t now_ms)
{
	uint64_t hash = sighting_hash(key, bridge);
	struct sighting *slot = &s->slots[hash % SIGHTINGS];
	uint64_t value = (hash >> 40) << 40 | (uint64_t)(generation & 0xff) << 32 |
			 (now_ms & 0xffff) << 16 | port;

	atomic_store_explicit(&slot->value, value, memory_order_relaxed);
	atomic_store_explicit(&slot->key, key, memory_order_release);
}

/* worker: the port's index and the lower 8 bits of its generation; false = none was heard. */
static inline bool
sighting_find(const struct sightings *s, fdb_key key, unsigned bridge, uint64_t now_ms,
	unsigned *port, uint8_t *generation)
{
	uint64_t hash = sighting_hash(key, bridge), value;
	const struct sighting *slot = &s->slots[hash % SIGHTINGS];

	if (atomic_load_explicit(&slot->key, memory_order_acquire) != key)
		return false;
	value = atomic_load_explicit(&slot->value, memory_order_relaxed);
	if (value >> 40 != hash >> 40 || (uint16_t)(now_ms - (value >> 16)) > SIGHTING_MS)
		return false;
	*port = value & 0xffff;
	*generation = (uint8_t)(value >> 32);
	return true;
}

#endif
