/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/decide.h"
#include "datapath/storm.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline bool
is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* 01:80:c2:00:00:00 to 0f, IEEE 802.1Q-2022 table 8-1. */
static inline bool
is_reserved(const uint8_t *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] && !mac[4] &&
	       mac[5] < 0x10;
}

static inline void
list_add(struct worker *w, unsigned port, unsigned i)
{
	struct frame_list *list = &w->lists[port];

	if (!list->count)
		w->list_ports[w->list_count++] = (uint16_t)port;
	list->index[list->count++] = (uint8_t)i;
}

/* Appends the frame to every member that carries its VLAN; returns how many. */
static unsigned
flood(struct worker *w, const struct snapshot_port *in, const struct frame *f, unsigned i)
{
	const struct snapshot_bridge *bridge = in->bridge;
	unsigned copies = 0;

	for (unsigned m = 0; m < bridge->member_count; m++) {
		unsigned out = bridge->members[m];

		if (out == in->port->index || !classify_sends(&w->now->ports[out], f))
			continue;
		list_add(w, out, i);
		copies++;
	}
	return copies;
}

/* Are addresses learnt from this port in this VLAN? */
static bool
learns_in(const struct snapshot_port *in, unsigned vlan)
{
	return in->learning && !vlan_set_has(&in->bridge->flood_vlans, vlan);
}

/* Learns the source address, or keeps it young. */
static inline void
learn(struct worker *w, const struct snapshot_port *in, uint64_t hash, fdb_key key)
{
	struct fdb_entry *e;
	uint32_t value;

	e = fdb_lookup(in->bridge->fdb, hash, key, &value);
	if (LIKELY(e && (value & 0xffff) == in->port->index))
		fdb_touch(e, w->now_s);
	else if (!e || !(value & FDB_STATIC))
		worker_learn(w, key, in->port->index, in->generation);
}

/* May a port that is locked to its addresses send from this one? */
static bool
mac_lock_admits(const struct snapshot_port *in, const uint8_t *source)
{
	if (LIKELY(memcmp(source, in->mac.b, MAC_LEN) == 0))
		return true;
	for (unsigned i = 0; i < in->macs.count; i++)
		if (memcmp(source, in->macs.macs[i].b, MAC_LEN) == 0)
			return true;
	return false;
}

/* What a frame's addresses and VLAN say against it; DROP_COUNT = nothing. */
static inline enum drop
admit(const struct snapshot_port *in, struct frame *f)
{
	const uint8_t *source = f->data + MAC_LEN;
	enum drop drop = classify_vlan(in, f);

	if (UNLIKELY(drop != DROP_COUNT))
		return drop;
	/* A key of VLAN 0 is the bare address. */
	if (UNLIKELY(is_group(source) || !fdb_make_key(source, 0)))
		return DROP_BAD_SOURCE;
	if (UNLIKELY(in->mac_lock) && !mac_lock_admits(in, source))
		return DROP_MAC_LOCK;
	if (UNLIKELY(is_reserved(f->data)) && (in->drop_reserved || !in->bridge->forward_bpdu))
		return DROP_RESERVED_ADDRESS;
	return DROP_COUNT;
}

/* Where a frame goes whose destination has no single known port. */
static void
decide_many(struct worker *w, const struct snapshot_port *in, unsigned i,
	struct port_counters *counters)
{
	unsigned copies;

	if (in->storm && !storm_admits(w, in, w->burst.frames[i].data))
		return;
	copies = flood(w, in, &w->burst.frames[i], i);
	if (!copies) {
		counters->drops[DROP_NO_MEMBER]++;
		return;
	}
	counters->rx_flooded++;
	counters->rx_copies += copies;
}

/* The addresses of the frames that may enter; a run of equal ones is looked up once. */
struct lookups {
	unsigned count;
	uint8_t index[FRAME_BURST]; /* into burst->frames */
	fdb_key source[FRAME_BURST], target[FRAME_BURST];
	uint64_t source_hash[FRAME_BURST], target_hash[FRAME_BURST]; /* of the first of a run */
};

/* Both addresses, and the type or the tag behind them. */
#define ENTRY_BYTES 16

/*
 * Lets the frames in that may enter, and fetches the MAC table's lines for them.  A frame that
 * begins like the one before it is judged like that one.
 */
static inline void
decide_entry(struct worker *w, const struct snapshot_port *in, struct lookups *l,
	struct port_counters *counters)
{
	const struct fdb *fdb = in->bridge->fdb;
	const struct frame *before = NULL; /* the last that may enter */
	unsigned n = 0;

	for (unsigned i = 0; i < w->burst.count; i++) {
		struct frame *f = &w->burst.frames[i];
		enum drop drop;

		if (LIKELY(before && f->head_len >= ETHERNET_HEADER + VLAN_TAG &&
			    memcmp(f->data, before->data, ENTRY_BYTES) == 0)) {
			f->tag = before->tag;
			l->source[n] = l->source[n - 1];
			l->target[n] = l->target[n - 1];
			l->index[n++] = (uint8_t)i;
			continue;
		}
		drop = admit(in, f);
		if (UNLIKELY(drop != DROP_COUNT)) {
			counters->drops[drop]++;
			continue;
		}
		l->source[n] = fdb_make_key(f->data + MAC_LEN, f->vlan);
		l->target[n] = fdb_make_key(f->data, f->vlan);
		l->source_hash[n] = fdb_hash(fdb, l->source[n]);
		l->target_hash[n] = fdb_hash(fdb, l->target[n]);
		fdb_prefetch(fdb, l->source_hash[n]);
		fdb_prefetch(fdb, l->target_hash[n]);
		l->index[n++] = (uint8_t)i;
		/* With a list of customer VLANs the tag behind the first 16 bytes counts as well. */
		before = in->all_cvlans ? f : NULL;
	}
	l->count = n;
}

/* The port behind which an address was heard that the table does not have, or not yet. */
static unsigned
find_sighting(const struct worker *w, const struct snapshot_port *in, fdb_key key)
{
	const struct snapshot_port *out;
	uint8_t generation;
	unsigned port;

	if (!sighting_find(
		    w->sightings, key, in->bridge->number, worker_now_ms(w), &port, &generation) ||
		port >= w->now->port_count)
		return PORT_MAX;
	out = &w->now->ports[port];
	return out->bridge == in->bridge && (uint8_t)out->generation == generation ? port
										   : PORT_MAX;
}

/* The port index behind an address; PORT_MAX when it is not one known port of this bridge. */
static inline unsigned
find_port(const struct worker *w, const struct snapshot_port *in, uint64_t hash, fdb_key key,
	const uint8_t *mac)
{
	uint32_t value;

	/* Key 0 is that of the table's free places. */
	if (is_group(mac) || !key)
		return PORT_MAX;
	if (UNLIKELY(!fdb_lookup(in->bridge->fdb, hash, key, &value)))
		return find_sighting(w, in, key);
	value &= 0xffff;
	/* The table may be ahead of this snapshot. */
	if (value >= w->now->port_count || w->now->ports[value].bridge != in->bridge)
		return PORT_MAX;
	return value;
}

/* Leaves of the frames that may enter those that the port's checks let pass. */
static void
decide_checked(struct worker *w, const struct snapshot_port *in, struct lookups *l)
{
	uint64_t frames = 0, source_hash = 0, target_hash = 0;
	unsigned kept = 0;

	for (unsigned n = 0; n < l->count; n++)
		frames |= UINT64_C(1) << l->index[n];
	frames = checks_in(w, in, frames);
	for (unsigned n = 0; n < l->count; n++) {
		/* What is kept may be a run whose first frame is not. */
		if (!n || l->source[n] != l->source[n - 1])
			source_hash = l->source_hash[n];
		if (!n || l->target[n] != l->target[n - 1])
			target_hash = l->target_hash[n];
		if (!(frames >> l->index[n] & 1))
			continue;
		l->source[kept] = l->source[n];
		l->target[kept] = l->target[n];
		l->source_hash[kept] = source_hash;
		l->target_hash[kept] = target_hash;
		l->index[kept++] = l->index[n];
	}
	l->count = kept;
}

void
decide_burst(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	fdb_key source = 0, target = 0;
	unsigned out = PORT_MAX, forwarded = 0;
	struct lookups l;

	decide_entry(w, in, &l, counters);
	if (UNLIKELY(in->in_checks))
		decide_checked(w, in, &l);
	for (unsigned n = 0; n < l.count; n++) {
		unsigned i = l.index[n];
		const struct frame *f = &w->burst.frames[i];

		if (l.source[n] != source) {
			source = l.source[n];
			if (LIKELY(in->learns_all) || learns_in(in, f->vlan))
				learn(w, in, l.source_hash[n], source);
		}
		if (l.target[n] != target) {
			target = l.target[n];
			out = find_port(w, in, l.target_hash[n], target, f->data);
		}
		if (UNLIKELY(out == PORT_MAX)) {
			decide_many(w, in, i, counters);
		} else if (UNLIKELY(out == in->port->index)) {
			counters->drops[DROP_HAIRPIN]++;
		} else if (UNLIKELY(!classify_sends(&w->now->ports[out], f))) {
			counters->drops[DROP_NO_MEMBER]++;
		} else {
			list_add(w, out, i);
			forwarded++;
		}
	}
	counters->rx_forwarded += forwarded;
}
