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

#include "datapath/bond.h"
#include "datapath/capture_impl.h"
#include "datapath/classify.h"
#include "datapath/decide.h"
#include "datapath/deliver.h"
#include "datapath/forward.h"
#include "datapath/gro.h"
#include "datapath/handoff.h"
#include "datapath/mbuf.h"
#include "datapath/mirror.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

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

/* The burst of a port that has no bridge, or is captured. */
static void
decide_closely(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	if (in->captures_in)
		capture_begin(w);
	if (in->bridge) {
		decide_burst(w, in, counters);
	} else {
		counters->drops[in->closed] += w->burst.count;
		capture_refuse(w, 0, w->burst.count, in->closed);
	}
	if (in->captures_in)
		capture_received(w, in);
}

/* First pass over the burst that `in` brought. */
static inline void
forward_decide(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	const struct burst *burst = &w->burst;

	w->source = in;
	counters->rx_packets += burst->count;
	counters->rx_bytes += burst->bytes;
	if (LIKELY(in->plain_in))
		decide_burst(w, in, counters);
	else
		decide_closely(w, in, counters);
}

unsigned
forward_queue(struct worker *w, const struct snapshot_poll *poll, const struct snapshot_poll *next)
{
	const struct snapshot_port *in = &w->now->ports[poll->port];
	struct port *port = in->port, *after = w->now->ports[next->port].port;
	struct port_counters *counters = &port->counters[w->id];
	struct burst *burst = &w->burst;
	unsigned taken;

	/* First: forward_abort() gives back what the burst holds, and this port has given nothing. */
	burst->count = 0;
	burst->segs_used = 0;
	burst->bytes = 0;
	w->busy_in = port;
	w->busy_queue = poll->queue;
	if (LIKELY(port->ops->rx_peek != NULL)) {
		unsigned count = port->ops->rx_peek(port, poll->queue);

		if (count)
			peek_usual(w, in, count);
	}
	if (!port->ops->rx(port, poll->queue, burst, counters))
		return 0;
	worker_touch_rx(w, poll->port, poll->queue);
	taken = burst->count;
	if (UNLIKELY(!taken))
		return 0;
	if (UNLIKELY(in->bonded)) {
		in = bond_receive(w, in, counters);
		counters = &in->port->counters[w->id];
	}
	if (UNLIKELY(in->gro))
		counters->rx_joined += gro_join(burst);
	forward_decide(w, in, counters);
	w->ports[poll->port].usual = w->list_count ? w->list_ports[0] : PORT_MAX;
	/* While this burst is copied, what the next queue has comes closer. */
	w->busy_out = after;
	if (after->ops->rx_peek)
		after->ops->rx_peek(after, next->queue);
	deliver_burst(w);
	port->ops->rx_done(port, poll->queue, burst);
	return taken;
}

void
forward_abort(struct worker *w, const void *address)
{
	struct port *in = w->busy_in, *out = w->busy_out;
	bool in_failed = in && in->ops->owns && in->ops->owns(in, address);

	for (unsigned l = 0; l < w->list_count; l++) {
		struct frame_list *list = &w->lists[w->list_ports[l]];
		struct port *port = w->now->ports[w->list_ports[l]].port;

		port->counters[w->id].drops[DROP_PORT_DOWN] += list->count - list->settled;
		list->count = 0;
		list->settled = 0;
	}
	w->list_count = 0;
	w->shared = false;
	w->pulled = 0;
	handoff_abort(w);
	mirror_abandon(w);
	mbuf_abandon();
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

/* The burst's only frame is for one port, if that carries its VLAN. */
static void
send_out(struct worker *w, const struct snapshot_port *out, struct frame *f, uint16_t vlan)
{
	struct frame_list *list = &w->lists[out->port->index];

	w->source = NULL;
	f->vlan = vlan;
	f->tag_type = out->vlan_mode == VLAN_DOT1Q_TUNNEL ? out->qinq_ethtype : ETHERTYPE_VLAN;
	if (!out->bonded && (!out->bridge || !classify_sends(out, f)))
		return;
	list->index[0] = 0;
	list->count = 1;
	list->plain = false;
	w->list_ports[0] = out->port->index;
	w->list_count = 1;
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
	burst->segs_used = 0;
	burst->bytes = inject.len;
	if (inject.out_vlan >= 0)
		send_out(w, in, f, (uint16_t)inject.out_vlan);
	else
		forward_decide(w, in, &in->port->counters[w->id]);
	deliver_burst(w);
	return 1;
}
