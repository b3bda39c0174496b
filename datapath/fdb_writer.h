/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdb_writer: the control thread's book-keeping beside the MAC table that workers read, private to
 * datapath/fdb*.c.
 *
 * Every occupied slot is in one doubly linked list per port and kind (learnt, static), so that
 * counting, flushing and evicting a port's addresses cost nothing for the other ports.  New
 * addresses enter at the tail; the head is where the oldest are looked for.  A group of buckets
 * (one page of memory) knows how many of its slots are occupied, so that walking the table neither
 * reads nor maps memory that holds nothing.
 */
#ifndef DATAPATH_FDB_WRITER_H
#define DATAPATH_FDB_WRITER_H

#include "datapath/fdb.h"
#include "datapath/fdb_moves.h"

#define FDB_GROUP_BUCKETS 64 /* 4 KiB */

enum fdb_kind { FDB_KIND_LEARNT, FDB_KIND_STATIC, FDB_KINDS };

/* Slot numbers count from 1; 0 is the end of a list, so that fresh memory is initialised. */
struct fdb_link {
	uint32_t previous, next;
};

struct fdb_list {
	uint32_t head, tail, count;
};

struct fdb_writer {
	struct fdb_counts counts;
	uint64_t buckets;
	struct fdb_link *links; /* [buckets * FDB_BUCKET_ENTRIES + 1], by slot number */
	uint16_t *groups;       /* occupied slots per group of buckets */
	size_t mapped;          /* bytes of the memory that holds this, links and groups */
	unsigned ports_end;     /* no port from this one on has ever held an address */
	uint64_t age_bucket;    /* where fdb_age() goes on */
	uint32_t age_last_s;    /* when it was called last */
	fdb_changed_cb changed; /* NULL = nobody asks */
	void *changed_arg;
	uint32_t limits[PORT_MAX];
	bool sticky[PORT_MAX];
	struct fdb_list lists[PORT_MAX][FDB_KINDS];
	struct fdb_moves moves;
};

static inline struct fdb_entry *
fdb_slot_entry(const struct fdb *fdb, uint32_t slot)
{
	uint32_t i = slot - 1;

	return &fdb->buckets[i / FDB_BUCKET_ENTRIES].entries[i % FDB_BUCKET_ENTRIES];
}

static inline uint32_t
fdb_entry_slot(const struct fdb *fdb, const struct fdb_entry *e)
{
	return (uint32_t)(e - fdb->buckets[0].entries) + 1;
}

/* The writer reads its own stores: no ordering needed. */
static inline fdb_key
fdb_entry_key(const struct fdb_entry *e)
{
	return atomic_load_explicit(&e->key, memory_order_relaxed);
}

static inline unsigned
fdb_entry_port(const struct fdb_entry *e)
{
	return atomic_load_explicit(&e->value, memory_order_relaxed) & 0xffff;
}

static inline enum fdb_kind
fdb_entry_kind(const struct fdb_entry *e)
{
	uint32_t value = atomic_load_explicit(&e->value, memory_order_relaxed);

	return value & FDB_STATIC ? FDB_KIND_STATIC : FDB_KIND_LEARNT;
}

static inline uint32_t
fdb_entry_seen(const struct fdb_entry *e)
{
	return atomic_load_explicit(&e->seen, memory_order_relaxed);
}

/* Seconds since last seen; a worker's clock may be a little ahead of the caller's. */
static inline uint32_t
fdb_entry_age(const struct fdb_entry *e, uint32_t now_s)
{
	uint32_t age = now_s - fdb_entry_seen(e);

	return (int32_t)age < 0 ? 0 : age;
}

static inline uint32_t
fdb_learnt(const struct fdb *fdb, unsigned port)
{
	return fdb->writer->lists[port][FDB_KIND_LEARNT].count;
}

/* A free slot of the key's two buckets, of the emptier one; NULL when both are full. */
struct fdb_entry *fdb_free_slot(struct fdb *fdb, fdb_key key);
/* Fills a free slot. */
void fdb_fill(struct fdb *fdb, struct fdb_entry *e, fdb_key key, unsigned port, enum fdb_kind kind,
	uint32_t seen);
/* Frees a slot. */
void fdb_clear(struct fdb *fdb, struct fdb_entry *e);
/* Changes port and kind of an entry in place. */
void fdb_relist(struct fdb *fdb, struct fdb_entry *e, unsigned port, enum fdb_kind kind);
/* Displaces a learnt address of the port: see FDB_SAMPLE.  The port must have one. */
void fdb_evict_from(struct fdb *fdb, unsigned port);
/* May this entry go to make room for another? */
static inline bool
fdb_entry_may_go(const struct fdb *fdb, const struct fdb_entry *e)
{
	return fdb_entry_kind(e) == FDB_KIND_LEARNT && !fdb->writer->sticky[fdb_entry_port(e)];
}

/* Displaces one of the port with most learnt addresses, `port` when no other has more. */
bool fdb_evict_any(struct fdb *fdb, unsigned port);
/*
 * Displaces one of the learnt addresses in the key's two buckets and returns its slot: the oldest
 * of the port that holds most.  NULL when that port holds fewer than `least`, or there is none.
 * With only >= 0, addresses of that port alone are eligible.
 */
struct fdb_entry *fdb_evict_near(struct fdb *fdb, fdb_key key, uint32_t least, int only);

#endif
