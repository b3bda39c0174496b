/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/decide.h"
#include "datapath/reserved.h"
#include "datapath/deliver.h"
#include "datapath/snoop.h"
#include "datapath/storm.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define COPIES_DIRECT 2 /* of a frame, made from its sender's memory; for more it is made private */

/* Neighbours in a burst that begin alike and may enter: judged, learnt and looked up once. */
struct run {
	uint8_t first, count; /* indexes of burst->frames */
	fdb_key source, target;
	uint64_t source_hash, target_hash;
};

struct runs {
	unsigned count;
	struct run run[FRAME_BURST];
};

static inline bool
is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* The list of a port, which gets more frames. */
static inline struct frame_list *
list_of(struct worker *w, unsigned port)
{
	struct frame_list *list = &w->lists[port];

	if (!list->count) {
		w->list_ports[w->list_count++] = (uint16_t)port;
		list->plain = true;
	}
	return list;
}

/* A frame that may be in several lists. */
static inline void
list_add(struct worker *w, unsigned port, unsigned i)
{
	struct frame_list *list = list_of(w, port);

	list->index[list->count++] = (uint8_t)i;
	w->shared = true;
}

/* Appends the frame to every member that carries its VLAN; returns how many. */
static unsigned
flood(struct worker *w, const struct snapshot_port *in, const struct frame *f, unsigned i)
{
	const struct snapshot_bridge *bridge = in->bridge;
	bool reserved = reserved_address(f->data);
	unsigned copies = 0;

	for (unsigned m = 0; m < bridge->member_count; m++) {
		unsigned out = bridge->members[m];

		if (out == in->port->index || !classify_sends(&w->now->ports[out], f) ||
			(reserved && w->now->ports[out].drop_reserved))
			continue;
		list_add(w, out, i);
		copies++;
	}
	return copies;
}

/* The same to those members alone that have asked for the group, where the bridge knows. */
static unsigned
send_to_group(struct worker *w, const struct snapshot_port *in, const struct frame *f, unsigned i)
{
	const uint16_t *ports;
	unsigned count, copies = 0;

	if (!snoop_ports(in, f, &ports, &count))
		return flood(w, in, f, i);
	for (unsigned p = 0; p < count; p++) {
		unsigned out = ports[p];

		/* The table may be ahead of this snapshot. */
		if (out == in->port->index || out >= w->now->port_count ||
			w->now->ports[out].bridge != in->bridge ||
			!classify_sends(&w->now->ports[out], f))
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
learn(struct worker *w, const struct snapshot_port *in, const struct fdb *fdb, unsigned port,
	uint64_t hash, fdb_key key)
{
	struct fdb_entry *e;
	uint32_t value;

	e = fdb_lookup(fdb, hash, key, &value);
	if (LIKELY(e && (value & 0xffff) == port))
		fdb_touch(e, w->now_s);
	else if (!e || !(value & FDB_STATIC))
		worker_learn(w, key, port, in->generation);
}

/* May a port that is locked to its addresses send from this one? */
static bool
mac_lock_admits(const struct snapshot_port *in, fdb_key source)
{
	for (unsigned i = 0; i < in->lock_count; i++)
		if (LIKELY((source ^ in->lock[i]) <= VLAN_VID_MASK))
			return true;
	return false;
}

/*
 * Finds a frame's VLAN, and the keys of its addresses there.  What they say against it; DROP_COUNT =
 * nothing.
 */
static inline enum drop
admit(const struct snapshot_port *in, struct frame *f, struct run *run)
{
	enum drop drop = classify_vlan(in, f);

	if (UNLIKELY(drop != DROP_COUNT))
		return drop;
	fdb_make_keys(f->data, f->vlan, &run->target, &run->source);
	if (UNLIKELY(fdb_key_is_group(run->source) || run->source <= VLAN_VID_MASK))
		return DROP_BAD_SOURCE;
	if (UNLIKELY(in->lock_count) && !mac_lock_admits(in, run->source))
		return DROP_MAC_LOCK;
	if (UNLIKELY(reserved_address(f->data)) &&
		(in->drop_reserved || !(in->bridge->forward_bpdu || in->forward_reserved)))
		return DROP_RESERVED_ADDRESS;
	return DROP_COUNT;
}

/* Where a frame goes whose destination has no single known port. */
static __attribute__((noinline)) void
decide_many(struct worker *w, const struct snapshot_port *in, unsigned i,
	struct port_counters *counters)
{
	unsigned copies;

	if (in->storm && !storm_admits(w, in, i))
		return;
	if (UNLIKELY(in->bridge->mdb != NULL) && is_group(w->burst.frames[i].data))
		copies = send_to_group(w, in, &w->burst.frames[i], i);
	else
		copies = flood(w, in, &w->burst.frames[i], i);
	if (!copies) {
		counters->drops[DROP_NO_MEMBER]++;
		capture_refuse(w, i, 1, DROP_NO_MEMBER);
		return;
	}
	if (copies > COPIES_DIRECT)
		pull_rest(w->pull, &w->burst, &w->burst.frames[i], &w->pulled);
	counters->rx_flooded++;
	counters->rx_copies += copies;
}

/* What the frames of a burst that may enter have in common. */
struct together {
	uint32_t longest; /* without tag */
	uint8_t needs;    /* of all */
};

/* How many frames from the first on begin like it; they get its tag. */
static inline __attribute__((always_inline)) unsigned
run_alike(struct frame *f, const struct frame *end, const struct classify_begin *begin,
	struct together *all, const unsigned next_len)
{
	const uint64_t tag = f->tag;
	uint32_t longest = f->len;
	uint8_t needs = all->needs;
	struct frame *next;

	for (next = f + 1; next < end; next++) {
		if (next->head_len < CLASSIFY_BEGIN_LEN || !classify_begins(begin, next, next_len))
			break;
		next->tag = tag;
		needs |= next->needs;
		longest = next->len > longest ? next->len : longest;
	}
	if (next_len && f->tagged)
		longest -= VLAN_TAG;
	all->longest = longest > all->longest ? longest : all->longest;
	all->needs = needs;
	return (unsigned)(next - f);
}

/* How many frames from the first on, in front of `end`, may be treated like it. */
static inline unsigned
run_length(struct frame *f, const struct frame *end, struct together *all)
{
	struct classify_begin begin = classify_begin(f);

	all->needs |= f->needs;
	if (UNLIKELY(f->head_len < CLASSIFY_BEGIN_LEN))
		end = f + 1;
	if (LIKELY(!begin.next_len))
		return run_alike(f, end, &begin, all, 0);
	return begin.next_len == 2 ? run_alike(f, end, &begin, all, 2)
				   : run_alike(f, end, &begin, all, 4);
}

/* Lets the frames in that may enter, and fetches the MAC table's lines for them. */
static __attribute__((noinline)) void
decide_entry(struct worker *w, const struct snapshot_port *in, struct runs *runs,
	struct port_counters *counters)
{
	const struct fdb *fdb = in->bridge->fdb;
	const struct frame *end = &w->burst.frames[w->burst.count];
	struct together all = {0};
	struct run *run = runs->run;

	for (struct frame *f = w->burst.frames; f < end;) {
		enum drop drop = admit(in, f, run);

		if (UNLIKELY(drop != DROP_COUNT)) {
			counters->drops[drop]++;
			capture_refuse(w, (unsigned)(f - w->burst.frames), 1, drop);
			f++;
			continue;
		}
		run->source_hash = fdb_hash(fdb, run->source);
		run->target_hash = fdb_hash(fdb, run->target);
		fdb_prefetch(fdb, run->source_hash);
		fdb_prefetch(fdb, run->target_hash);
		run->first = (uint8_t)(f - w->burst.frames);
		run->count = (uint8_t)run_length(f, end, &all);
		f += run++->count;
	}
	runs->count = (unsigned)(run - runs->run);
	w->needs = all.needs;
	w->longest = all.longest;
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
find_port(const struct worker *w, const struct snapshot_port *in, const struct fdb *fdb,
	uint64_t hash, fdb_key key)
{
	uint32_t value;

	/* Key 0 is that of the table's free places. */
	if (fdb_key_is_group(key) || !key)
		return PORT_MAX;
	if (UNLIKELY(!fdb_lookup(fdb, hash, key, &value)))
		return find_sighting(w, in, key);
	value &= 0xffff;
	/* The table may be ahead of this snapshot. */
	if (value >= w->now->port_count || w->now->ports[value].bridge != in->bridge)
		return PORT_MAX;
	return value;
}

/* The frames of all runs. */
static inline uint64_t
runs_mask(const struct worker *w, const struct runs *runs)
{
	unsigned total = 0;
	uint64_t mask = 0;

	for (unsigned n = 0; n < runs->count; n++)
		total += runs->run[n].count;
	if (LIKELY(total && total == w->burst.count))
		return UINT64_MAX >> (64 - total);
	for (unsigned n = 0; n < runs->count; n++)
		mask |= UINT64_MAX >> (64 - runs->run[n].count) << runs->run[n].first;
	return mask;
}

/* Leaves of the frames that may enter those that the port's checks let pass. */
static __attribute__((noinline)) void
decide_checked(struct worker *w, const struct snapshot_port *in, struct runs *runs)
{
	struct run all[FRAME_BURST];
	unsigned count = runs->count;
	uint64_t frames, entered = runs_mask(w, runs);

	frames = checks_in(w, in, entered);
	if (LIKELY(frames == entered))
		return;
	memcpy(all, runs->run, count * sizeof(all[0]));
	runs->count = 0;
	for (unsigned n = 0; n < count; n++) {
		uint64_t left = frames & UINT64_MAX >> (64 - all[n].count) << all[n].first;

		/* What is left of a run may be several. */
		while (left) {
			struct run *run = &runs->run[runs->count++];
			unsigned first = (unsigned)__builtin_ctzll(left);
			uint64_t others = ~(left >> first);

			*run = all[n];
			run->first = (uint8_t)first;
			run->count = (uint8_t)(others ? __builtin_ctzll(others) : FRAME_BURST);
			left &= ~(UINT64_MAX >> (64 - run->count) << first);
		}
	}
}

/* Where the run before this one went, and how: true of all frames of its tag for that port. */
struct way {
	unsigned port;
	bool asks; /* each run is asked whether the port sends what stands behind its tag */
	uint64_t tag;
	struct frame_list *list; /* the port's */
	struct classify_form form;
};

static inline void
list_add_run(struct frame_list *list, const struct run *run)
{
	uint8_t *to = list->index + list->count;
	unsigned i = 0;

	/* Both arrays go on behind FRAME_BURST. */
	do
		memcpy(to + i, deliver_all + run->first + i, 16);
	while (UNLIKELY((i += 16) < run->count));
	list->count = (uint16_t)(list->count + run->count);
}

/*
 * Appends a run to the list of the one port that it is for, in the form in which it leaves there;
 * returns how many frames.
 */
static inline unsigned
send_run(struct worker *w, const struct run *run, unsigned port, struct way *way,
	struct port_counters *counters)
{
	const struct snapshot_port *out = &w->now->ports[port];
	struct frame *f = &w->burst.frames[run->first];

	bool known = port == way->port && f->tag == way->tag;

	if (!(known && !way->asks) && UNLIKELY(!classify_sends(out, f))) {
		counters->drops[DROP_NO_MEMBER] += run->count;
		capture_refuse(w, run->first, run->count, DROP_NO_MEMBER);
		return 0;
	}
	if (!known) {
		way->port = port;
		way->asks = classify_looks_inside(w->source, out, f);
		way->tag = f->tag;
		way->list = list_of(w, port);
		way->form = classify_form_of(out, f);
	}
	if (!way->form.keeps) {
		if (UNLIKELY(w->needs))
			classify_form_apply(&way->form, f, run->count, true);
		else
			classify_form_apply(&way->form, f, run->count, false);
	}
	list_add_run(way->list, run);
	return run->count;
}

void
decide_burst(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	const struct fdb *fdb = in->bridge->fdb;
	const unsigned own = in->port->index;
	fdb_key source = 0, target = 0;
	unsigned out = PORT_MAX, forwarded = 0;
	struct way way = {.port = PORT_MAX};
	struct runs runs;

	decide_entry(w, in, &runs, counters);
	if (UNLIKELY(in->in_checks))
		decide_checked(w, in, &runs);
	for (const struct run *run = runs.run, *end = run + runs.count; run < end; run++) {
		const struct frame *f = &w->burst.frames[run->first];

		if (run->source != source) {
			source = run->source;
			if (LIKELY(in->learns_all) || learns_in(in, f->vlan))
				learn(w, in, fdb, own, run->source_hash, source);
		}
		if (run->target != target) {
			target = run->target;
			out = find_port(w, in, fdb, run->target_hash, target);
		}
		if (UNLIKELY(out == PORT_MAX)) {
			for (unsigned i = 0; i < run->count; i++)
				decide_many(w, in, run->first + i, counters);
		} else if (UNLIKELY(out == own)) {
			counters->drops[DROP_HAIRPIN] += run->count;
			capture_refuse(w, run->first, run->count, DROP_HAIRPIN);
		} else {
			forwarded += send_run(w, run, out, &way, counters);
		}
	}
	counters->rx_forwarded += forwarded;
}
