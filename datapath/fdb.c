/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: guests choose the source addresses that are learnt, in any number and order.  They
 * cannot choose collisions (the hash is keyed), cannot make the table grow (fixed capacity), cannot
 * displace the addresses of a port that holds fewer than they do, and cannot make one operation
 * cost more than FDB_SAMPLE list steps and one pass over the ports.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "datapath/fdb_writer.h"

/* Anonymous memory reads as zero and costs nothing until it is written. */
static void *
lazy_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* For at most half load, a power of two. */
static uint64_t
buckets_for(uint32_t capacity)
{
	uint64_t n = 1;

	while (n * FDB_BUCKET_ENTRIES < (uint64_t)capacity * 2)
		n *= 2;
	return n;
}

static struct fdb_writer *
writer_create(uint64_t buckets, uint32_t capacity)
{
	size_t links = (buckets * FDB_BUCKET_ENTRIES + 1) * sizeof(struct fdb_link);
	size_t groups = (buckets + FDB_GROUP_BUCKETS - 1) / FDB_GROUP_BUCKETS * sizeof(uint16_t);
	size_t mapped = sizeof(struct fdb_writer) + links + groups;
	struct fdb_writer *w = lazy_map(mapped);

	if (!w)
		return NULL;
	w->mapped = mapped;
	w->buckets = buckets;
	w->links = (struct fdb_link *)(w + 1);
	w->groups = (uint16_t *)((uint8_t *)w->links + links);
	w->counts.capacity = capacity;
	memset(w->limits, 0xff, sizeof(w->limits));
	return w;
}

int
fdb_create(struct fdb **out, uint32_t capacity, struct err *err)
{
	uint64_t random[2], buckets = buckets_for(capacity);
	struct fdb *fdb;

	if (capacity < FDB_CAPACITY_MIN || capacity > FDB_CAPACITY_MAX)
		return err_set(err, -EINVAL,
			"a MAC table of %u addresses is not possible: choose %u to %u", capacity,
			FDB_CAPACITY_MIN, FDB_CAPACITY_MAX);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(err, -EIO, "the kernel gives no random bytes: %s", strerror(errno));
	fdb = calloc(1, sizeof(*fdb));
	if (!fdb)
		goto no_memory;
	fdb->buckets = lazy_map(buckets * sizeof(*fdb->buckets));
	fdb->mask = buckets - 1;
	fdb->seed = random[0];
	fdb->multiplier = random[1] | 1;
	fdb->writer = writer_create(buckets, capacity);
	if (!fdb->buckets || !fdb->writer)
		goto no_memory;
	*out = fdb;
	return 0;

no_memory:
	fdb_destroy(fdb);
	return err_set(err, -ENOMEM,
		"no memory for a MAC table of %u addresses: choose a smaller capacity", capacity);
}

void
fdb_destroy(struct fdb *fdb)
{
	if (!fdb)
		return;
	if (fdb->buckets)
		munmap(fdb->buckets, (fdb->mask + 1) * sizeof(*fdb->buckets));
	if (fdb->writer)
		munmap(fdb->writer, fdb->writer->mapped);
	free(fdb);
}

void
fdb_set_port_limit(struct fdb *fdb, unsigned port, uint32_t limit)
{
	if (port >= PORT_MAX)
		return;
	fdb->writer->limits[port] = limit;
	while (fdb_learnt(fdb, port) > limit)
		fdb_evict_from(fdb, port);
}

void
fdb_set_port_sticky(struct fdb *fdb, unsigned port, bool sticky)
{
	if (port < PORT_MAX)
		fdb->writer->sticky[port] = sticky;
}

void
fdb_set_move_limit(struct fdb *fdb, uint32_t limit)
{
	fdb->writer->moves.limit = limit;
}

static struct fdb_entry *
find(struct fdb *fdb, fdb_key key)
{
	uint32_t value;

	return fdb_lookup(fdb, fdb_hash(fdb, key), key, &value);
}

static enum fdb_result
refuse(struct fdb *fdb)
{
	fdb->writer->counts.refused++;
	return FDB_REFUSED;
}

/* The key is known and not static: it stays or moves to this port. */
static enum fdb_result
learn_known(struct fdb *fdb, struct fdb_entry *e, unsigned port, uint32_t now_s)
{
	struct fdb_writer *w = fdb->writer;
	unsigned old = fdb_entry_port(e), home = old;
	fdb_key key = fdb_entry_key(e);

	if (old == port) {
		fdb_touch(e, now_s);
		return FDB_REFRESHED;
	}
	if (w->sticky[old]) {
		w->counts.refused++;
		return FDB_STUCK;
	}
	if (!w->limits[port] || (w->sticky[port] && fdb_learnt(fdb, port) >= w->limits[port]))
		return refuse(fdb);
	switch (fdb_move_judge(&w->moves, key, fdb_hash(fdb, key), old, now_s, &home)) {
	case FDB_MOVE_PINS:
		w->moves.away = (uint16_t)(port != home ? port : old);
		if (home != old && fdb_learnt(fdb, home) < w->limits[home])
			fdb_relist(fdb, e, home, FDB_KIND_LEARNT);
		w->counts.refused++;
		return FDB_PINNED;
	case FDB_MOVE_PINNED:
		return refuse(fdb);
	case FDB_MOVE_FINE:
		break;
	}
	if (fdb_learnt(fdb, port) >= w->limits[port])
		fdb_evict_from(fdb, port);
	fdb_touch(e, now_s);
	fdb_relist(fdb, e, port, FDB_KIND_LEARNT);
	w->counts.moved++;
	return FDB_MOVED;
}

enum fdb_result
fdb_learn(struct fdb *fdb, fdb_key key, unsigned port, uint32_t now_s)
{
	struct fdb_writer *w = fdb->writer;
	struct fdb_entry *e;
	uint64_t evicted = w->counts.evicted;
	bool share_full;

	if (!key || port >= PORT_MAX)
		return refuse(fdb);
	e = find(fdb, key);
	if (e && fdb_entry_kind(e) == FDB_KIND_STATIC)
		return fdb_entry_port(e) == port ? FDB_REFRESHED : refuse(fdb);
	if (e)
		return learn_known(fdb, e, port, now_s);
	if (!w->limits[port])
		return refuse(fdb);

	share_full = fdb_learnt(fdb, port) >= w->limits[port];
	if (share_full && w->sticky[port])
		return refuse(fdb);
	e = fdb_free_slot(fdb, key);
	if (!e)
		e = fdb_evict_near(fdb, key, fdb_learnt(fdb, port), share_full ? (int)port : -1);
	else if (share_full)
		fdb_evict_from(fdb, port);
	else if (w->counts.entries >= w->counts.capacity && !fdb_evict_any(fdb, port))
		e = NULL;
	if (!e)
		return refuse(fdb);
	fdb_fill(fdb, e, key, port, FDB_KIND_LEARNT, now_s);
	w->counts.learnt++;
	return w->counts.evicted != evicted ? FDB_REPLACED : FDB_NEW;
}

int
fdb_add_static(struct fdb *fdb, fdb_key key, unsigned port)
{
	struct fdb_writer *w = fdb->writer;
	struct fdb_entry *e;

	if (!key || port >= PORT_MAX)
		return -EINVAL;
	e = find(fdb, key);
	if (e && fdb_entry_kind(e) == FDB_KIND_STATIC)
		return fdb_entry_port(e) == port ? 0 : -EEXIST;
	if (e) {
		fdb_relist(fdb, e, port, FDB_KIND_STATIC);
		return 0;
	}
	e = fdb_free_slot(fdb, key);
	if (!e)
		e = fdb_evict_near(fdb, key, 0, -1);
	else if (w->counts.entries >= w->counts.capacity && !fdb_evict_any(fdb, port))
		e = NULL;
	if (!e)
		return -ENOSPC;
	fdb_fill(fdb, e, key, port, FDB_KIND_STATIC, 0);
	return 0;
}

unsigned
fdb_port_of(struct fdb *fdb, fdb_key key)
{
	const struct fdb_entry *e = key ? find(fdb, key) : NULL;

	return e ? fdb_entry_port(e) : FDB_PORT_NONE;
}

unsigned
fdb_pinned_away(const struct fdb *fdb)
{
	return fdb->writer->moves.away;
}

int
fdb_del(struct fdb *fdb, fdb_key key)
{
	struct fdb_entry *e = key ? find(fdb, key) : NULL;

	if (!e)
		return -ENOENT;
	fdb_clear(fdb, e);
	return 0;
}

void
fdb_observe(struct fdb *fdb, fdb_changed_cb changed, void *arg)
{
	fdb->writer->changed = changed;
	fdb->writer->changed_arg = arg;
}

void
fdb_get_counts(const struct fdb *fdb, struct fdb_counts *counts)
{
	*counts = fdb->writer->counts;
}

uint32_t
fdb_port_entries(const struct fdb *fdb, unsigned port)
{
	if (port >= PORT_MAX)
		return 0;
	return fdb->writer->lists[port][FDB_KIND_LEARNT].count +
	       fdb->writer->lists[port][FDB_KIND_STATIC].count;
}
