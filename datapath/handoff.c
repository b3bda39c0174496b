/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/capture_impl.h"
#include "datapath/deliver.h"
#include "datapath/handoff.h"
#include "datapath/mbuf.h"
#include "datapath/mirror.h"

/* Copies of mirrors leave half of the ring, and all other buffers, to frames that somebody waits for. */
static unsigned
copies_admitted(const struct rte_ring *ring, unsigned count)
{
	unsigned room = rte_ring_free_count(ring);

	room = room > WORKER_HANDOFF / 2 ? room - WORKER_HANDOFF / 2 : 0;
	return count < room ? count : room;
}

void
handoff_send(struct worker *w, const struct snapshot_port *out, unsigned queue, unsigned owner,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	struct rte_mempool *pool = atomic_load_explicit(&w->pool, memory_order_acquire);
	struct worker *peer = w->peers[owner];

	if (__builtin_expect(w->copying, 0)) {
		unsigned admitted = copies_admitted(peer->handoff, count);

		pool = w->now->copies;
		counters->drops[DROP_HANDOFF_FULL] += count - admitted;
		count = admitted;
	}
	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];
		struct rte_mbuf *m = pool ? mbuf_from_frame(pool, f) : NULL;
		struct mbuf_note *note;

		if (!m) {
			counters->drops[DROP_NO_MBUF]++;
			capture_drop(w, out, f, DROP_NO_MBUF);
			continue;
		}
		note = mbuf_note(m);
		note->port = out->port->index;
		note->queue = (uint16_t)queue;
		note->mirror = (uint16_t)w->copying;
		note->generation = out->generation;
		if (rte_ring_enqueue(peer->handoff, m)) {
			counters->drops[DROP_HANDOFF_FULL]++;
			capture_drop(w, out, f, DROP_HANDOFF_FULL);
			rte_pktmbuf_free(m);
		}
		mbuf_settle();
	}
	w->peers_touched |= UINT64_C(1) << owner;
}

/* Where handed-over frames go; NULL when the port is gone, or its place taken by another, since. */
static const struct snapshot_port *
destination(const struct worker *w, const struct mbuf_note *note)
{
	const struct snapshot_port *out;

	if (note->port >= w->now->port_count)
		return NULL;
	out = &w->now->ports[note->port];
	return out->port && out->generation == note->generation ? out : NULL;
}

/* Sends a run of handed-over frames that have one destination. */
static void
send_handed(struct worker *w, const struct mbuf_note *note)
{
	const struct snapshot_port *out = destination(w, note);

	if (out) {
		struct port_counters *counters = &out->port->counters[w->id];

		w->busy_out = out->port;
		if (__builtin_expect(note->mirror, 0))
			mirror_begin(w, note->mirror, counters);
		deliver_queue(w, out, note->queue, w->burst.frames, deliver_all, w->burst.count,
			counters, true);
		if (__builtin_expect(note->mirror, 0))
			mirror_end(w);
	}
	w->handed_from += w->burst.count;
}

void
handoff_abort(struct worker *w)
{
	for (unsigned k = w->handed_from; k < w->handed_count; k++) {
		const struct snapshot_port *out = destination(w, mbuf_note(w->handed[k]));

		if (out)
			out->port->counters[w->id].drops[DROP_PORT_DOWN]++;
	}
	rte_pktmbuf_free_bulk(w->handed, w->handed_count);
	w->handed_count = 0;
}

/* Delivers up to a burst of handed-over frames. */
static unsigned
receive_burst(struct worker *w)
{
	struct rte_mbuf **mbufs = w->handed;
	struct burst *burst = &w->burst;
	unsigned n = rte_ring_dequeue_burst(w->handoff, (void **)mbufs, FRAME_BURST, NULL);
	unsigned first = 0; /* of the run that is being collected */

	w->handed_from = 0;
	w->handed_count = n;
	burst->count = 0;
	burst->segs_used = 0;
	for (unsigned k = 0; k < n; k++) {
		const struct mbuf_note *note = mbuf_note(mbufs[k]), *run = mbuf_note(mbufs[first]);
		bool same = note->port == run->port && note->queue == run->queue &&
			    note->generation == run->generation && note->mirror == run->mirror;

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
		w->handed_count = 0;
		rte_pktmbuf_free_bulk(mbufs, n);
	}
	return n;
}

unsigned
handoff_receive(struct worker *w)
{
	unsigned waiting = rte_ring_count(w->handoff), frames = 0;

	w->busy_in = NULL;

	/* All that is there at the start, not what arrives meanwhile. */
	while (frames < waiting) {
		unsigned n = receive_burst(w);

		if (!n)
			break;
		frames += n;
	}
	return frames;
}
