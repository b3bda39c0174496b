/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forward: the page from rx to tx.
 *
 * Two passes over a burst.  The first decides, from private copies only: VLAN, source address,
 * destination; each frame's index is appended to the list of every port it is for.  The second
 * visits each of these ports once: brings the frames into the form in which they leave, does what
 * the receiver can't do itself (datapath/offload.h), and hands them to the port, or to the worker
 * that owns the port's queue.  Then the source gets its buffers back; no pointer into them is left.
 */
#include <string.h>

#include "datapath/classify.h"
#include "datapath/forward.h"
#include "datapath/mbuf.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The list that names a whole burst. */
static const uint8_t in_order[FRAME_BURST] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
	39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
	62, 63};

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

/* May another frame that goes to many be received on this port? */
static bool
storm_admits(struct worker *w, const struct snapshot_port *in)
{
	struct worker_port *p = &w->ports[in->port->index];
	/* rte_meter counts in units its caller chooses: here one frame is one unit. */
	struct rte_meter_srtcm_profile profile = in->storm_profile;

	if (p->meter_generation != in->generation ||
		p->meter_rate != profile.cir_bytes_per_period) {
		if (rte_meter_srtcm_config(&p->storm, &profile))
			return true;
		p->meter_generation = in->generation;
		p->meter_rate = profile.cir_bytes_per_period;
	}
	return rte_meter_srtcm_color_blind_check(&p->storm, &profile, w->tsc, 1) == RTE_COLOR_GREEN;
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
	if (UNLIKELY(in->mac_lock) && memcmp(source, in->mac.b, MAC_LEN) != 0)
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

	if (in->storm && !storm_admits(w, in)) {
		counters->drops[DROP_STORM]++;
		return;
	}
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

/* The port index behind an address; PORT_MAX when it is not one known port of this bridge. */
static inline unsigned
find_port(const struct worker *w, const struct snapshot_port *in, uint64_t hash, fdb_key key,
	const uint8_t *mac)
{
	uint32_t value;

	if (is_group(mac) || !fdb_lookup(in->bridge->fdb, hash, key, &value))
		return PORT_MAX;
	value &= 0xffff;
	/* The table may be ahead of this snapshot. */
	if (value >= w->now->port_count || w->now->ports[value].bridge != in->bridge)
		return PORT_MAX;
	return value;
}

/* First pass: fills w->lists. */
static void
decide(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	const struct snapshot_bridge *bridge = in->bridge;
	fdb_key source = 0, target = 0;
	unsigned out = PORT_MAX, forwarded = 0;
	struct lookups l;

	decide_entry(w, in, &l, counters);
	for (unsigned n = 0; n < l.count; n++) {
		unsigned i = l.index[n];
		const struct frame *f = &w->burst.frames[i];

		if (l.source[n] != source) {
			source = l.source[n];
			if (LIKELY(!bridge->has_flood_vlans ||
				    !vlan_set_has(&bridge->flood_vlans, f->vlan)))
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

/* Copies frames for the worker that owns the queue. */
static void
hand_over(struct worker *w, const struct snapshot_port *out, unsigned queue, unsigned owner,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	struct rte_mempool *pool = atomic_load_explicit(&w->pool, memory_order_acquire);
	struct worker *peer = w->peers[owner];

	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];
		struct rte_mbuf *m = pool ? mbuf_from_frame(pool, f) : NULL;
		struct mbuf_note *note;

		if (!m) {
			counters->drops[DROP_NO_MBUF]++;
			continue;
		}
		note = mbuf_note(m);
		note->port = out->port->index;
		note->queue = (uint16_t)queue;
		note->generation = out->generation;
		if (rte_ring_enqueue(peer->handoff, m)) {
			counters->drops[DROP_HANDOFF_FULL]++;
			rte_pktmbuf_free(m);
		}
	}
	w->peers_touched |= UINT64_C(1) << owner;
}

/* `handed`: the frames come from the hand-off ring. */
static inline void
send_queue(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters, bool handed)
{
	struct port *port = out->port;

	if (!count)
		return;
	if (UNLIKELY(out->tx_worker[queue] != w->id || out->tx_held & 1u << queue) &&
		!(handed && out->tx_held & 1u << queue && out->tx_last == w->id)) {
		hand_over(w, out, queue, out->tx_worker[queue], frames, list, count, counters);
		return;
	}
	port->ops->tx(port, queue, frames, list, count, counters);
	worker_touch_tx(w, port->index, queue);
}

/* Spreads frames over the port's queues: flows keep their queue. */
static void
send_frames(struct worker *w, const struct snapshot_port *out, const struct frame *frames,
	const uint8_t *list, unsigned count, unsigned queues, struct port_counters *counters)
{
	uint8_t chosen[FRAME_BURST], part[FRAME_BURST];

	if (LIKELY(queues == 1)) {
		send_queue(w, out, 0, frames, list, count, counters, false);
		return;
	}
	for (unsigned k = 0; k < count; k++)
		chosen[k] = (uint8_t)(classify_flow_hash(&frames[list[k]]) % queues);
	for (unsigned q = 0; q < queues; q++) {
		unsigned n = 0;

		for (unsigned k = 0; k < count; k++)
			if (chosen[k] == q)
				part[n++] = list[k];
		send_queue(w, out, q, frames, part, n, counters, false);
	}
}

/* A frame whose receiver can't do what it needs: in software, then on its way. */
static void
send_completed(struct worker *w, const struct snapshot_port *out, const struct frame *f,
	unsigned accepts, unsigned queues, struct port_counters *counters)
{
	struct frame *made;
	unsigned count;

	if (offload_complete(w->offload, f, accepts, &made, &count)) {
		counters->drops[DROP_NO_OFFLOAD]++;
		return;
	}
	counters->tx_segmented += count - 1;
	counters->tx_csum += count;
	for (unsigned done = 0; done < count; done += FRAME_BURST) {
		unsigned n = count - done < FRAME_BURST ? count - done : FRAME_BURST;

		send_frames(w, out, made + done, in_order, n, queues, counters);
	}
}

/* Second pass, for one destination. */
static void
deliver(struct worker *w, const struct snapshot_port *out, struct frame_list *list)
{
	struct port *port = out->port;
	struct port_counters *counters = &port->counters[w->id];
	unsigned accepts = atomic_load_explicit(&port->accepts, memory_order_relaxed);
	unsigned queues = atomic_load_explicit(&port->tx_queues, memory_order_relaxed);
	struct frame *frames = w->burst.frames;
	unsigned kept = 0;

	w->busy_out = port;
	if (UNLIKELY(!queues)) {
		counters->drops[DROP_PORT_DOWN] += list->count;
		list->count = 0;
		return;
	}
	for (unsigned k = 0; k < list->count; k++) {
		unsigned i = list->index[k];
		struct frame *f = &frames[i];

		classify_form(out, f);
		if (UNLIKELY(f->len > out->max_len + (f->tagged ? VLAN_TAG : 0)) &&
			!(f->needs & OFFLOAD_GSO)) {
			counters->drops[DROP_MTU]++;
			continue;
		}
		if (UNLIKELY(f->needs & ~accepts)) {
			/* What was collected goes first: frames of a flow stay in order. */
			send_frames(w, out, frames, list->index, kept, queues, counters);
			kept = 0;
			send_completed(w, out, f, accepts, queues, counters);
			continue;
		}
		list->index[kept++] = (uint8_t)i;
	}
	send_frames(w, out, frames, list->index, kept, queues, counters);
	list->count = 0;
}

/* Starts to fetch the receive buffers of the port that frames from here usually go to. */
static inline void
peek_usual(struct worker *w, const struct snapshot_port *in, unsigned count)
{
	const struct snapshot_port *out;
	unsigned usual = w->ports[in->port->index].usual;

	if (usual >= w->now->port_count)
		return;
	out = &w->now->ports[usual];
	if (out->port && out->port->ops->tx_peek && out->tx_worker[0] == w->id && !out->tx_held &&
		atomic_load_explicit(&out->port->tx_queues, memory_order_relaxed) == 1) {
		w->busy_out = out->port;
		out->port->ops->tx_peek(out->port, 0, count);
	}
}

/* First pass over the burst that `in` brought. */
static void
forward_decide(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	const struct burst *burst = &w->burst;

	counters->rx_packets += burst->count;
	counters->rx_bytes += burst->bytes;
	if (LIKELY(in->bridge != NULL))
		decide(w, in, counters);
	else
		counters->drops[DROP_DETACHED] += burst->count;
}

/* Second pass. */
static void
forward_deliver(struct worker *w)
{
	for (unsigned l = 0; l < w->list_count; l++)
		deliver(w, &w->now->ports[w->list_ports[l]], &w->lists[w->list_ports[l]]);
	w->list_count = 0;
}

unsigned
forward_queue(struct worker *w, const struct snapshot_poll *poll, const struct snapshot_poll *next)
{
	const struct snapshot_port *in = &w->now->ports[poll->port];
	struct port *port = in->port, *after = w->now->ports[next->port].port;
	struct port_counters *counters = &port->counters[w->id];
	struct burst *burst = &w->burst;

	w->busy_in = port;
	w->busy_queue = poll->queue;
	if (LIKELY(port->ops->rx_peek != NULL)) {
		unsigned count = port->ops->rx_peek(port, poll->queue);

		if (count)
			peek_usual(w, in, count);
	}
	burst->count = 0;
	burst->segs_used = 0;
	burst->bytes = 0;
	port->ops->rx(port, poll->queue, burst, counters);
	if (!burst->count)
		return 0;
	forward_decide(w, in, counters);
	w->ports[poll->port].usual = w->list_count ? w->list_ports[0] : PORT_MAX;
	/* While this burst is copied, what the next queue has comes closer. */
	w->busy_out = after;
	if (after->ops->rx_peek)
		after->ops->rx_peek(after, next->queue);
	forward_deliver(w);
	port->ops->rx_done(port, poll->queue, burst);
	worker_touch_rx(w, poll->port, poll->queue);
	return burst->count;
}

void
forward_abort(struct worker *w, const void *address)
{
	struct port *in = w->busy_in, *out = w->busy_out;
	bool in_failed = in && in->ops->owns && in->ops->owns(in, address);

	for (unsigned l = 0; l < w->list_count; l++) {
		struct frame_list *list = &w->lists[w->list_ports[l]];
		struct port *port = w->now->ports[w->list_ports[l]].port;

		port->counters[w->id].drops[DROP_PORT_DOWN] += list->count;
		list->count = 0;
	}
	w->list_count = 0;
	if (in_failed)
		in->ops->fail(in);
	else if (out)
		out->ops->fail(out);
	/* An innocent sender gets its buffers back. */
	if (in && !in_failed && w->burst.count) {
		in->ops->rx_done(in, w->busy_queue, &w->burst);
		worker_touch_rx(w, in->index, w->busy_queue);
	}
}

unsigned
forward_injected(struct worker *w)
{
	struct burst *burst = &w->burst;
	struct frame *f = &burst->frames[0];
	struct worker_inject inject;
	const struct snapshot_port *in;

	w->busy_in = NULL;
	if (rte_ring_dequeue_elem(w->inject, &inject, sizeof(inject)))
		return 0;
	in = inject.port < w->now->port_count ? &w->now->ports[inject.port] : NULL;
	if (!in || !in->port || in->generation != inject.generation)
		return 0;
	memset(f, 0, sizeof(*f));
	f->data = burst->slots[0].bytes;
	f->len = inject.len;
	f->head_len = inject.len;
	memcpy(f->data, inject.bytes, inject.len);
	burst->count = 1;
	burst->bytes = inject.len;
	forward_decide(w, in, &in->port->counters[w->id]);
	forward_deliver(w);
	return 1;
}

/* Sends a run of handed-over frames that have one destination. */
static void
send_handed(struct worker *w, const struct mbuf_note *note)
{
	const struct snapshot_port *out;

	/* The port may be gone, or its place taken by another, since they were handed over. */
	if (note->port >= w->now->port_count)
		return;
	out = &w->now->ports[note->port];
	if (!out->port || out->generation != note->generation)
		return;
	w->busy_out = out->port;
	send_queue(w, out, note->queue, w->burst.frames, in_order, w->burst.count,
		&out->port->counters[w->id], true);
}

/* Delivers up to a burst of handed-over frames. */
static unsigned
forward_handed_burst(struct worker *w)
{
	struct rte_mbuf *mbufs[FRAME_BURST];
	struct burst *burst = &w->burst;
	unsigned n = rte_ring_dequeue_burst(w->handoff, (void **)mbufs, FRAME_BURST, NULL);
	unsigned first = 0; /* of the run that is being collected */

	burst->count = 0;
	burst->segs_used = 0;
	for (unsigned k = 0; k < n; k++) {
		const struct mbuf_note *note = mbuf_note(mbufs[k]), *run = mbuf_note(mbufs[first]);
		bool same = note->port == run->port && note->queue == run->queue &&
			    note->generation == run->generation;

		if (same && mbuf_to_burst(mbufs[k], burst))
			continue;
		send_handed(w, run);
		first = k;
		burst->count = 0;
		burst->segs_used = 0;
		mbuf_to_burst(mbufs[k], burst);
	}
	if (n) {
		send_handed(w, mbuf_note(mbufs[first]));
		rte_pktmbuf_free_bulk(mbufs, n);
	}
	return n;
}

unsigned
forward_handoff(struct worker *w)
{
	unsigned waiting = rte_ring_count(w->handoff), frames = 0;

	w->busy_in = NULL;

	/* All that is there at the start, not what arrives meanwhile. */
	while (frames < waiting) {
		unsigned n = forward_handed_burst(w);

		if (!n)
			break;
		frames += n;
	}
	return frames;
}
