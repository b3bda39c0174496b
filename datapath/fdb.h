/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdb: the MAC table of one bridge (IEEE 802.1Q filtering database, independent learning per VLAN).
 *
 * Shape: an array of 64-byte buckets of four entries; an address may stand in one of two buckets.
 * A look-up is one or two cache lines, prefetched by fdb_prefetch().  Sized for at most half load.
 *
 * Threads: one writer, the control thread.  Workers look up without locks and write one field only,
 * `seen`, at most once a second per entry.  An entry is removed by clearing its key; a slot that is
 * filled anew gets its value first and its key last, and a reader checks the key again after it has
 * read the value.  A reader therefore sees an entry wholly or not at all.  No grace period is
 * needed, except to destroy the table.
 *
 * Limits and fairness: when the table or a port's share is full, a new address takes the place of
 * the oldest one of the port that holds most (which may be its own port): a guest that floods
 * addresses only displaces its own.  Static entries are never displaced, aged or moved.
 */
#ifndef DATAPATH_FDB_H
#define DATAPATH_FDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/port.h"
#include "lib/err.h"
#include "lib/ethernet.h"

#define FDB_BUCKET_ENTRIES 4
#define FDB_CAPACITY_DEFAULT 65536
#define FDB_CAPACITY_MIN 64
#define FDB_CAPACITY_MAX 1048576
#define FDB_AGEING_DEFAULT_S 300
#define FDB_PORT_NONE 0xffff

/* MAC address in the upper 48 bits, VLAN in the lower 12; 0 is never a valid key. */
typedef uint64_t fdb_key;

struct fdb_entry {
	_Atomic uint64_t key;
	_Atomic uint32_t value; /* port index in the lower 16 bits, FDB_STATIC */
	_Atomic uint32_t seen;	/* seconds of the worker's clock when last seen as a source */
};

#define FDB_STATIC 0x10000u

struct fdb_bucket {
	struct fdb_entry entries[FDB_BUCKET_ENTRIES];
} __attribute__((aligned(64)));

struct fdb {
	struct fdb_bucket *buckets; /* constant; lazily backed memory */
	uint64_t mask;		    /* constant: number of buckets - 1 */
	uint64_t seed;		    /* constant: random per table, so that collisions can't be chosen */
	struct fdb_writer *writer;  /* control thread only */
};

/* The six bytes at mac may stand anywhere; reads exactly six. */
static inline fdb_key
fdb_make_key(const uint8_t *mac, unsigned vlan)
{
	uint64_t high;
	uint16_t low;

	/* Two loads that stay inside the six bytes. */
	__builtin_memcpy(&low, mac + 4, 2);
	high = 0;
	__builtin_memcpy(&high, mac, 4);
	return (high | (uint64_t)low << 32) << 16 | (vlan & 0xfff);
}

static inline void
fdb_key_mac(fdb_key key, struct mac *mac)
{
	uint64_t bytes = key >> 16;

	__builtin_memcpy(mac->b, &bytes, MAC_LEN);
}

static inline uint64_t
fdb_hash(const struct fdb *fdb, fdb_key key)
{
	/* A multiplication folds all bits into the upper ones, the shift brings them down. */
	uint64_t h = (key ^ fdb->seed) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 32;
}

/* The two buckets of a hash; they differ unless the table has only one. */
static inline struct fdb_bucket *
fdb_bucket_first(const struct fdb *fdb, uint64_t hash)
{
	return &fdb->buckets[hash & fdb->mask];
}

static inline struct fdb_bucket *
fdb_bucket_second(const struct fdb *fdb, uint64_t hash)
{
	return &fdb->buckets[(hash >> 32 ^ (hash << 7 | 1)) & fdb->mask];
}

static inline void
fdb_prefetch(const struct fdb *fdb, uint64_t hash)
{
	__builtin_prefetch(fdb_bucket_first(fdb, hash), 0, 3);
}

static inline struct fdb_entry *
fdb_find_in(struct fdb_bucket *bucket, fdb_key key, uint32_t *value)
{
	for (unsigned i = 0; i < FDB_BUCKET_ENTRIES; i++) {
		struct fdb_entry *e = &bucket->entries[i];

		if (atomic_load_explicit(&e->key, memory_order_acquire) != key)
			continue;
		*value = atomic_load_explicit(&e->value, memory_order_acquire);
		if (atomic_load_explicit(&e->key, memory_order_relaxed) == key)
			return e;
	}
	return NULL;
}

/* worker: the entry of a key and its value, NULL if the address is unknown. */
static inline struct fdb_entry *
fdb_lookup(const struct fdb *fdb, uint64_t hash, fdb_key key, uint32_t *value)
{
	struct fdb_entry *e = fdb_find_in(fdb_bucket_first(fdb, hash), key, value);

	return e ? e : fdb_find_in(fdb_bucket_second(fdb, hash), key, value);
}

/* worker: keeps an entry young; writes only when the second has changed. */
static inline void
fdb_touch(struct fdb_entry *e, uint32_t now_s)
{
	if (atomic_load_explicit(&e->seen, memory_order_relaxed) != now_s)
		atomic_store_explicit(&e->seen, now_s, memory_order_relaxed);
}

/* ---- control thread ---- */

enum fdb_result {
	FDB_NEW,
	FDB_REFRESHED, /* was there already, on this port */
	FDB_MOVED,     /* was on another port */
	FDB_REPLACED,  /* new, and another address was displaced for it */
	FDB_REFUSED,   /* static elsewhere, or the port's share is zero, or no room beside static ones */
};

struct fdb_counts {
	uint32_t entries, statics, capacity;
	uint64_t learnt, moved, aged, evicted, refused;
};

/* One entry as `fdb show` wants it. */
struct fdb_record {
	struct mac mac;
	uint16_t vlan;
	uint16_t port;
	bool is_static;
	uint32_t age_s; /* since last seen; 0 for static ones */
};

/* capacity FDB_CAPACITY_MIN..MAX.  -ENOMEM, -EINVAL. */
int fdb_create(struct fdb **fdb, uint32_t capacity, struct err *err);
/* After a grace period.  NULL is fine. */
void fdb_destroy(struct fdb *fdb);

/* Most learnt addresses of a port; UINT32_MAX (the default) = no limit. */
void fdb_set_port_limit(struct fdb *fdb, unsigned port, uint32_t limit);

enum fdb_result fdb_learn(struct fdb *fdb, fdb_key key, unsigned port, uint32_t now_s);
/* -EEXIST when static on another port, -ENOSPC when no room can be made. */
int fdb_add_static(struct fdb *fdb, fdb_key key, unsigned port);
/* -ENOENT. */
int fdb_del(struct fdb *fdb, fdb_key key);

/* What a flush takes; the zero value with port = vlan = -1 takes every learnt address. */
struct fdb_filter {
	int port;	   /* -1 = any */
	int vlan;	   /* -1 = any */
	bool statics_also;
};
unsigned fdb_flush(struct fdb *fdb, const struct fdb_filter *filter);

/*
 * Removes learnt addresses not seen for ageing_s (0 = never age).  Walks the part of the table that
 * is due: called once a second, it has seen each entry once in ageing_s / 4 seconds or sooner, and
 * at the latest after 60.  Returns how many it removed.
 */
unsigned fdb_age(struct fdb *fdb, uint32_t now_s, uint32_t ageing_s);

void fdb_get_counts(const struct fdb *fdb, struct fdb_counts *counts);
/* Learnt and static addresses of a port. */
uint32_t fdb_port_entries(const struct fdb *fdb, unsigned port);

/* Calls visit for every entry in table order until it returns false. */
void fdb_walk(const struct fdb *fdb, uint32_t now_s,
	bool (*visit)(const struct fdb_record *record, void *arg), void *arg);

/* Copies what fits of `from` (statics first, counters too) into the empty `to`. */
void fdb_copy(struct fdb *to, const struct fdb *from);

#endif
