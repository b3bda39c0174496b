/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/fdb_writer.h"

#define AGE_PERIOD_MAX_S 60

/* The next bucket in [*at, end) whose group holds something; moves *at behind it.  NULL: none. */
static struct fdb_bucket *
next_bucket(const struct fdb *fdb, uint64_t *at, uint64_t end)
{
	while (*at < end) {
		uint64_t bucket = *at;

		if (!fdb->writer->groups[bucket / FDB_GROUP_BUCKETS]) {
			*at = (bucket / FDB_GROUP_BUCKETS + 1) * FDB_GROUP_BUCKETS;
			continue;
		}
		(*at)++;
		return &fdb->buckets[bucket];
	}
	return NULL;
}

static unsigned
flush_list(struct fdb *fdb, unsigned port, enum fdb_kind kind, const struct fdb_filter *filter)
{
	uint32_t slot = fdb->writer->lists[port][kind].head;
	unsigned gone = 0;

	while (slot) {
		uint32_t next = fdb->writer->links[slot].next;
		struct fdb_entry *e = fdb_slot_entry(fdb, slot);

		fdb_key key = fdb_entry_key(e);

		if ((filter->vlan < 0 || (key & 0xfff) == (unsigned)filter->vlan) &&
			(!filter->mac || key >> 16 == filter->mac >> 16)) {
			fdb_clear(fdb, e);
			gone++;
		}
		slot = next;
	}
	return gone;
}

unsigned
fdb_flush(struct fdb *fdb, const struct fdb_filter *filter)
{
	unsigned gone = 0;

	fdb_moves_forget(&fdb->writer->moves, filter->port);
	for (unsigned port = 0; port < fdb->writer->ports_end; port++) {
		if (filter->port >= 0 && port != (unsigned)filter->port)
			continue;
		gone += flush_list(fdb, port, FDB_KIND_LEARNT, filter);
		if (filter->statics_also)
			gone += flush_list(fdb, port, FDB_KIND_STATIC, filter);
	}
	return gone;
}

static unsigned
age_range(struct fdb *fdb, uint64_t at, uint64_t end, uint32_t now_s, uint32_t ageing_s)
{
	struct fdb_bucket *bucket;
	unsigned gone = 0;

	while ((bucket = next_bucket(fdb, &at, end))) {
		for (unsigned i = 0; i < FDB_BUCKET_ENTRIES; i++) {
			struct fdb_entry *e = &bucket->entries[i];

			if (!fdb_entry_key(e) || !fdb_entry_may_go(fdb, e))
				continue;
			if (fdb_entry_age(e, now_s) < ageing_s)
				continue;
			fdb_clear(fdb, e);
			gone++;
		}
	}
	return gone;
}

unsigned
fdb_age(struct fdb *fdb, uint32_t now_s, uint32_t ageing_s)
{
	struct fdb_writer *w = fdb->writer;
	uint64_t elapsed = (uint32_t)(now_s - w->age_last_s);
	uint64_t period = ageing_s / 4, due, end;
	unsigned gone;

	w->age_last_s = now_s;
	if (!ageing_s || w->counts.entries == w->counts.statics)
		return 0;
	if (period > AGE_PERIOD_MAX_S)
		period = AGE_PERIOD_MAX_S;
	due = period ? (w->buckets * elapsed + period - 1) / period : w->buckets;
	if (due > w->buckets)
		due = w->buckets;

	end = w->age_bucket + due;
	if (end <= w->buckets) {
		gone = age_range(fdb, w->age_bucket, end, now_s, ageing_s);
	} else {
		gone = age_range(fdb, w->age_bucket, w->buckets, now_s, ageing_s);
		gone += age_range(fdb, 0, end - w->buckets, now_s, ageing_s);
	}
	w->age_bucket = end % w->buckets;
	w->counts.aged += gone;
	return gone;
}

void
fdb_walk(const struct fdb *fdb, uint32_t now_s,
	bool (*visit)(const struct fdb_record *record, void *arg), void *arg)
{
	struct fdb_bucket *bucket;
	uint64_t at = 0;

	while ((bucket = next_bucket(fdb, &at, fdb->writer->buckets))) {
		for (unsigned i = 0; i < FDB_BUCKET_ENTRIES; i++) {
			const struct fdb_entry *e = &bucket->entries[i];
			struct fdb_record record = {0};

			if (!fdb_entry_key(e))
				continue;
			fdb_key_mac(fdb_entry_key(e), &record.mac);
			record.vlan = fdb_entry_key(e) & 0xfff;
			record.port = (uint16_t)fdb_entry_port(e);
			record.is_static = fdb_entry_kind(e) == FDB_KIND_STATIC;
			record.age_s = record.is_static ? 0 : fdb_entry_age(e, now_s);
			if (!visit(&record, arg))
				return;
		}
	}
}

static void
copy_kind(struct fdb *to, const struct fdb *from, enum fdb_kind kind)
{
	struct fdb_bucket *bucket;
	uint64_t at = 0;

	while ((bucket = next_bucket(from, &at, from->writer->buckets))) {
		for (unsigned i = 0; i < FDB_BUCKET_ENTRIES; i++) {
			const struct fdb_entry *e = &bucket->entries[i];
			fdb_key key = fdb_entry_key(e);

			if (!key || fdb_entry_kind(e) != kind)
				continue;
			if (kind == FDB_KIND_STATIC)
				fdb_add_static(to, key, fdb_entry_port(e));
			else
				fdb_learn(to, key, fdb_entry_port(e), fdb_entry_seen(e));
		}
	}
}

void
fdb_copy(struct fdb *to, const struct fdb *from)
{
	const struct fdb_counts *old = &from->writer->counts;
	struct fdb_counts *counts = &to->writer->counts;

	for (unsigned port = 0; port < PORT_MAX; port++) {
		to->writer->limits[port] = from->writer->limits[port];
		to->writer->sticky[port] = from->writer->sticky[port];
	}
	to->writer->moves = from->writer->moves;
	copy_kind(to, from, FDB_KIND_STATIC);
	copy_kind(to, from, FDB_KIND_LEARNT);

	counts->learnt = old->learnt;
	counts->moved = old->moved;
	counts->aged = old->aged;
	counts->refused = old->refused;
	counts->evicted = old->evicted + (old->entries - counts->entries);
	to->writer->age_bucket = 0;
	to->writer->age_last_s = from->writer->age_last_s;
}
