/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "datapath/mdb.h"

static int
compare(const void *a, const void *b)
{
	const struct mdb_member *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (int)x->port - (int)y->port;
}

/* The members of a key; *count is their number. */
static const struct mdb_member *
members_of(const struct mdb_member *members, unsigned total, fdb_key key, unsigned *count)
{
	unsigned low = 0, high = total;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (members[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (*count = 0; low + *count < total && members[low + *count].key == key;)
		(*count)++;
	return members + low;
}

/* Appends ports that are not among those of the entry yet. */
static void
append(struct mdb *mdb, struct mdb_entry *e, const struct mdb_member *members, unsigned count)
{
	uint16_t *ports = mdb->ports + e->first;

	for (unsigned m = 0; m < count; m++) {
		unsigned i = 0;

		while (i < e->count && ports[i] != members[m].port)
			i++;
		if (i == e->count)
			ports[e->count++] = members[m].port;
	}
}

static struct mdb_entry *
insert(struct mdb *mdb, fdb_key key)
{
	uint32_t at = (uint32_t)fdb_mix(key, UINT64_C(0x9e3779b97f4a7c15)) & mdb->mask;

	while (mdb->entries[at].key)
		at = (at + 1) & mdb->mask;
	mdb->entries[at].key = key;
	return &mdb->entries[at];
}

/* Entries, and ports of all of them with the routers of their VLANs. */
static void
measure(const struct mdb_member *members, unsigned count, uint32_t *entries, uint32_t *ports)
{
	*entries = *ports = 0;
	for (unsigned i = 0, n; i < count; i += n) {
		unsigned routers;

		members_of(members, count, members[i].key, &n);
		members_of(members, count, mdb_router_key(members[i].key & 0xfff), &routers);
		(*entries)++;
		*ports += n + routers;
	}
}

struct mdb *
mdb_build(struct mdb_member *members, unsigned count, bool flood)
{
	uint32_t entries, ports, size = 2, used = 0;
	struct mdb *mdb;

	qsort(members, count, sizeof(*members), compare);
	measure(members, count, &entries, &ports);
	while (size < 2 * entries)
		size *= 2;
	mdb = calloc(1, sizeof(*mdb) + size * sizeof(mdb->entries[0]));
	if (!mdb)
		return NULL;
	mdb->ports = calloc(ports + 1, sizeof(*mdb->ports));
	if (!mdb->ports) {
		free(mdb);
		return NULL;
	}
	mdb->mask = size - 1;
	mdb->flood = flood;
	for (unsigned i = 0, n; i < count; i += n) {
		struct mdb_entry *e = insert(mdb, members[i].key);
		const struct mdb_member *routers;
		unsigned router_count;

		members_of(members, count, members[i].key, &n);
		routers = members_of(
			members, count, mdb_router_key(members[i].key & 0xfff), &router_count);
		e->first = used;
		append(mdb, e, members + i, n);
		append(mdb, e, routers, router_count);
		used += e->count;
	}
	return mdb;
}

void
mdb_free(struct mdb *mdb)
{
	if (!mdb)
		return;
	free(mdb->ports);
	free(mdb);
}
