/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include "datapath/fdb_writer.h"

static void
list_append(struct fdb_writer *w, struct fdb_list *list, uint32_t slot)
{
	w->links[slot] = (struct fdb_link){.previous = list->tail};
	if (list->tail)
		w->links[list->tail].next = slot;
	else
		list->head = slot;
	list->tail = slot;
	list->count++;
}

static void
list_remove(struct fdb_writer *w, struct fdb_list *list, uint32_t slot)
{
	const struct fdb_link link = w->links[slot];

	if (link.previous)
		w->links[link.previous].next = link.next;
	else
		list->head = link.next;
	if (link.next)
		w->links[link.next].previous = link.previous;
	else
		list->tail = link.previous;
	list->count--;
}

static uint16_t *
slot_group(const struct fdb *fdb, uint32_t slot)
{
	return &fdb->writer->groups[(slot - 1) / (FDB_GROUP_BUCKETS * FDB_BUCKET_ENTRIES)];
}

/* Links a slot, whose value says port and kind, and counts it. */
static void
slot_link(struct fdb *fdb, struct fdb_entry *e)
{
	struct fdb_writer *w = fdb->writer;
	unsigned port = fdb_entry_port(e);

	list_append(w, &w->lists[port][fdb_entry_kind(e)], fdb_entry_slot(fdb, e));
	if (port >= w->ports_end)
		w->ports_end = port + 1;
	if (fdb_entry_kind(e) == FDB_KIND_STATIC)
		w->counts.statics++;
	w->counts.entries++;
}

static void
slot_unlink(struct fdb *fdb, struct fdb_entry *e)
{
	struct fdb_writer *w = fdb->writer;

	list_remove(w, &w->lists[fdb_entry_port(e)][fdb_entry_kind(e)], fdb_entry_slot(fdb, e));
	if (fdb_entry_kind(e) == FDB_KIND_STATIC)
		w->counts.statics--;
	w->counts.entries--;
}

static uint32_t
value_make(unsigned port, enum fdb_kind kind, uint32_t generation)
{
	return generation << FDB_GENERATION_SHIFT | (kind == FDB_KIND_STATIC ? FDB_STATIC : 0) |
	       port;
}

static void
tell(const struct fdb *fdb, fdb_key key, int from, int to)
{
	if (fdb->writer->changed)
		fdb->writer->changed(fdb->writer->changed_arg, key, from, to);
}

struct fdb_entry *
fdb_free_slot(struct fdb *fdb, fdb_key key)
{
	uint64_t hash = fdb_hash(fdb, key);
	struct fdb_bucket *buckets[2] = {fdb_bucket_first(fdb, hash), fdb_bucket_second(fdb, hash)};
	struct fdb_entry *best = NULL;
	unsigned most = 0;

	for (unsigned b = 0; b < 2; b++) {
		struct fdb_entry *slot = NULL;
		unsigned vacant = 0;

		for (unsigned i = 0; i < FDB_BUCKET_ENTRIES; i++) {
			struct fdb_entry *e = &buckets[b]->entries[i];

			if (fdb_entry_key(e))
				continue;
			vacant++;
			if (!slot)
				slot = e;
		}
		if (vacant > most) {
			most = vacant;
			best = slot;
		}
	}
	return best;
}

void
fdb_fill(struct fdb *fdb, struct fdb_entry *e, fdb_key key, unsigned port, enum fdb_kind kind,
	uint32_t seen)
{
	uint32_t old = atomic_load_explicit(&e->value, memory_order_relaxed);
	uint32_t generation = (old >> FDB_GENERATION_SHIFT) + 1;

	/* Both stores publish: a reader that sees the new value also sees that the old key went. */
	atomic_store_explicit(&e->value, value_make(port, kind, generation), memory_order_release);
	atomic_store_explicit(&e->seen, seen, memory_order_relaxed);
	atomic_store_explicit(&e->key, key, memory_order_release);
	slot_link(fdb, e);
	(*slot_group(fdb, fdb_entry_slot(fdb, e)))++;
	tell(fdb, key, -1, (int)port);
}

void
fdb_clear(struct fdb *fdb, struct fdb_entry *e)
{
	fdb_key key = fdb_entry_key(e);

	atomic_store_explicit(&e->key, 0, memory_order_relaxed);
	slot_unlink(fdb, e);
	(*slot_group(fdb, fdb_entry_slot(fdb, e)))--;
	tell(fdb, key, (int)fdb_entry_port(e), -1);
}

void
fdb_relist(struct fdb *fdb, struct fdb_entry *e, unsigned port, enum fdb_kind kind)
{
	uint32_t old = atomic_load_explicit(&e->value, memory_order_relaxed);
	unsigned from = fdb_entry_port(e);

	slot_unlink(fdb, e);
	atomic_store_explicit(&e->value, value_make(port, kind, old >> FDB_GENERATION_SHIFT),
		memory_order_release);
	slot_link(fdb, e);
	if (from != port)
		tell(fdb, fdb_entry_key(e), (int)from, (int)port);
}

void
fdb_evict_from(struct fdb *fdb, unsigned port)
{
	struct fdb_writer *w = fdb->writer;
	struct fdb_list *list = &w->lists[port][FDB_KIND_LEARNT];
	uint32_t slot = list->head, victim = slot;
	struct fdb_entry *e;

	assert(slot);
	for (unsigned i = 1; i < FDB_SAMPLE; i++) {
		slot = w->links[slot].next;
		if (!slot)
			break;
		if ((int32_t)(fdb_entry_seen(fdb_slot_entry(fdb, slot)) -
			      fdb_entry_seen(fdb_slot_entry(fdb, victim))) < 0)
			victim = slot;
	}
	/* Those in front of it were seen since: they go to the back, where younger ones stand. */
	while (list->head != victim) {
		slot = list->head;
		list_remove(w, list, slot);
		list_append(w, list, slot);
	}
	e = fdb_slot_entry(fdb, victim);
	fdb_clear(fdb, e);
	w->counts.evicted++;
}

bool
fdb_evict_any(struct fdb *fdb, unsigned port)
{
	const struct fdb_writer *w = fdb->writer;
	unsigned most = port;

	for (unsigned i = 0; i < w->ports_end; i++) {
		if (!w->sticky[i] &&
			(w->sticky[most] || fdb_learnt(fdb, i) > fdb_learnt(fdb, most)))
			most = i;
	}
	if (!fdb_learnt(fdb, most) || w->sticky[most])
		return false;
	fdb_evict_from(fdb, most);
	return true;
}

/* Whether e is to be displaced rather than best. */
static bool
evict_before(const struct fdb *fdb, const struct fdb_entry *e, const struct fdb_entry *best)
{
	uint32_t held = fdb_learnt(fdb, fdb_entry_port(e));
	uint32_t best_held = fdb_learnt(fdb, fdb_entry_port(best));

	if (held != best_held)
		return held > best_held;
	return (int32_t)(fdb_entry_seen(e) - fdb_entry_seen(best)) < 0;
}

struct fdb_entry *
fdb_evict_near(struct fdb *fdb, fdb_key key, uint32_t least, int only)
{
	uint64_t hash = fdb_hash(fdb, key);
	struct fdb_bucket *buckets[2] = {fdb_bucket_first(fdb, hash), fdb_bucket_second(fdb, hash)};
	struct fdb_entry *best = NULL;

	for (unsigned i = 0; i < 2 * FDB_BUCKET_ENTRIES; i++) {
		struct fdb_entry *e =
			&buckets[i / FDB_BUCKET_ENTRIES]->entries[i % FDB_BUCKET_ENTRIES];

		if (!fdb_entry_key(e) || !fdb_entry_may_go(fdb, e))
			continue;
		if (only >= 0 && fdb_entry_port(e) != (unsigned)only)
			continue;
		if (!best || evict_before(fdb, e, best))
			best = e;
	}
	if (!best || fdb_learnt(fdb, fdb_entry_port(best)) < least)
		return NULL;
	fdb_clear(fdb, best);
	fdb->writer->counts.evicted++;
	return best;
}
