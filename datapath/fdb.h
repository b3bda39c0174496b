/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdb: the MAC table of one bridge (IEEE 802.1Q filtering database, independent learning per VLAN).
 *
 * Shape: an array of 64-byte buckets of four entries; an address may stand in one of two buckets.
 * A look-up is one or two cache lines, prefetched by fdb_prefetch().  Sized for at most half load.
 *
 * Threads: one writer, the control thread.  Workers look up without locks and write one field only,
 * `seen`, at most once a second per entry.  An entry is removed by clearing its key; a slot that is
 * filled anew gets its value, with the slot's next generation number, first and its key last.  A
 * reader reads key, value, key, value: when both keys match and both values are of one generation,
 * the value belongs to the key.  A reader therefore sees an entry wholly or not at all.  No grace
 * period is needed, except to destroy the table.
 *
 * Limits and fairness: when the table or a port's share is full, a new address takes the place of
 * the oldest one of the port that holds most learnt addresses (its own port, if that holds as many;
 * always its own when its share is full): a guest that floods addresses only displaces its own.
 * Where both buckets of a new address are full, only their entries can be displaced; when they all
 * belong to ports that hold fewer than its own, the new address is refused.  "Oldest" is exact
 * among the entries of a bucket, and elsewhere the least recently seen of FDB_SAMPLE candidates at
 * the front of the port's list.  Static entries are never displaced, aged or moved, and neither are
 * the learnt ones of a sticky port: where such a port's share is full, new addresses are refused.
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

#define FDB_BUCKET_ENTRIES   4
#define FDB_CAPACITY_DEFAULT 65536
#define FDB_CAPACITY_MIN     64
#define FDB_CAPACITY_MAX     1048576
#define FDB_AGEING_DEFAULT_S 300
#define FDB_PORT_NONE        0xffff
#define FDB_SAMPLE           8
#define FDB_PIN_S            10 /* an address that moved too often stays for this long */

/* MAC address in the upper 48 bits, VLAN in the lower 12; 0 is never a valid key. */
typedef uint64_t fdb_key;

struct fdb_entry {
	_Atomic uint64_t key;
	_Atomic uint32_t value; /* port in the lower 16 bits, FDB_STATIC; generation above */
	_Atomic uint32_t seen;  /* seconds of the worker's clock when last seen as a source */
};

#define FDB_STATIC           0x10000u
#define FDB_VALUE_MASK       0x1ffffu /* of what a look-up returns: port and FDB_STATIC */
#define FDB_GENERATION_SHIFT 17

struct fdb_bucket {
	struct fdb_entry entries[FDB_BUCKET_ENTRIES];
} __attribute__((aligned(64)));

struct fdb {
	struct fdb_bucket *buckets; /* constant; lazily backed memory */
	uint64_t mask;              /* constant: number of buckets - 1 */
	/* constant: random per table, so that collisions can't be chosen; the multiplier is odd */
	uint64_t seed, multiplier;
	struct fdb_writer *writer; /* control thread only */
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

/* Those of both addresses at the beginning of an Ethernet header, of which 12 bytes are read. */
static inline void
fdb_make_keys(const uint8_t *header, unsigned vlan, fdb_key *target, fdb_key *source)
{
	uint64_t first, last;

	__builtin_memcpy(&first, header, 8);
	__builtin_memcpy(&last, header + 4, 8);
	*target = first << 16 | vlan;
	*source = (last & ~UINT64_C(0xffff)) | vlan;
}

static inline bool
fdb_key_is_group(fdb_key key)
{
	return key & UINT64_C(1) << 16;
}

static inline void
fdb_key_mac(fdb_key key, struct mac *mac)
{
	uint64_t bytes = key >> 16;

	__builtin_memcpy(mac->b, &bytes, MAC_LEN);
}

/* Both halves of the product: the lower mixes a bit into all above it, the upper into all below. */
static inline uint64_t
fdb_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
fdb_hash(const struct fdb *fdb, fdb_key key)
{
	/* A second round, since some random multipliers spread neighbouring addresses badly. */
	return fdb_mix(fdb_mix(key ^ fdb->seed, fdb->multiplier), UINT64_C(0x9e3779b97f4a7c15));
}

/* The two buckets of a hash always differ: their numbers do in the lowest bit. */
static inline struct fdb_bucket *
fdb_bucket_first(const struct fdb *fdb, uint64_t hash)
{
	return &fdb->buckets[hash & fdb->mask];
}

static inline struct fdb_bucket *
fdb_bucket_second(const struct fdb *fdb, uint64_t hash)
{
	return &fdb->buckets[(hash ^ (hash >> 32 | 1)) & fdb->mask];
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
		uint32_t first, second;

		if (atomic_load_explicit(&e->key, memory_order_acquire) != key)
			continue;
		first = atomic_load_explicit(&e->value, memory_order_acquire);
		if (atomic_load_explicit(&e->key, memory_order_acquire) != key)
			continue;
		second = atomic_load_explicit(&e->value, memory_order_relaxed);
		if ((first ^ second) >> FDB_GENERATION_SHIFT)
			continue;
		*value = second & FDB_VALUE_MASK;
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
	FDB_PINNED,    /* moves too often: back where it was, to stay for FDB_PIN_S */
	FDB_STUCK,     /* is behind a sticky port and stays there */
	FDB_REFUSED,   /* static or pinned elsewhere, share zero or full, or no room it may take */
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

/* Most learnt addresses of a port; UINT32_MAX (the default) = no limit.  Displaces the surplus. */
void fdb_set_port_limit(struct fdb *fdb, unsigned port, uint32_t limit);

/* Addresses learnt from the port stay there until they are flushed. */
void fdb_set_port_sticky(struct fdb *fdb, unsigned port, bool sticky);

/* Most moves of one address in a second; 0 (the default) = any number (datapath/fdb_moves.h). */
void fdb_set_move_limit(struct fdb *fdb, uint32_t limit);

/* port < PORT_MAX; the key's address neither zero nor a group. */
enum fdb_result fdb_learn(struct fdb *fdb, fdb_key key, unsigned port, uint32_t now_s);
/*
 * A learnt entry of the key becomes static, on this port.  -EEXIST when static on another port,
 * -ENOSPC when no room can be made, -EINVAL for a zero key or a port out of range.
 */
int fdb_add_static(struct fdb *fdb, fdb_key key, unsigned port);
/* The port of an address, static or learnt; FDB_PORT_NONE when it is not known. */
unsigned fdb_port_of(struct fdb *fdb, fdb_key key);
/* After FDB_PINNED: the port that the address moved away to. */
unsigned fdb_pinned_away(const struct fdb *fdb);
/* -ENOENT. */
int fdb_del(struct fdb *fdb, fdb_key key);

/* What a flush takes; the zero value with port = vlan = -1 takes every learnt address. */
struct fdb_filter {
	int port;     /* -1 = any */
	int vlan;     /* -1 = any */
	uint64_t mac; /* 0 = any; else a key of the address, whatever its VLAN */
	bool statics_also;
};
unsigned fdb_flush(struct fdb *fdb, const struct fdb_filter *filter);

/*
 * Removes learnt addresses not seen for ageing_s (0 = never age).  Walks the part of the table that
 * is due: called once a second, it has seen each entry once in ageing_s / 4 seconds or sooner, and
 * at the latest after 60.  Returns how many it removed.
 */
unsigned fdb_age(struct fdb *fdb, uint32_t now_s, uint32_t ageing_s);

/*
 * Tells of every address that appears (from -1), goes (to -1) or moves between ports, in the middle
 * of the call that changes the table: the callback leaves the table alone.  NULL ends it.
 */
typedef void (*fdb_changed_cb)(void *arg, fdb_key key, int from, int to);
void fdb_observe(struct fdb *fdb, fdb_changed_cb changed, void *arg);

void fdb_get_counts(const struct fdb *fdb, struct fdb_counts *counts);
/* Learnt and static addresses of a port. */
uint32_t fdb_port_entries(const struct fdb *fdb, unsigned port);

/* Calls visit for every entry in table order until it returns false.  visit changes nothing. */
void fdb_walk(const struct fdb *fdb, uint32_t now_s,
	bool (*visit)(const struct fdb_record *record, void *arg), void *arg);

/*
 * Copies what fits of `from` (statics first, counters and port limits too) into the empty `to`.
 * Learnt entries that do not fit count as evicted.
 */
void fdb_copy(struct fdb *to, const struct fdb *from);

#endif
