/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/bond.h"
#include "datapath/capture_impl.h"
#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/deliver.h"
#include "datapath/handoff.h"
#include "datapath/mirror.h"
#include "datapath/shape.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define TCP_HEADER_MIN 20
#define UDP_HEADER_LEN 8

const uint8_t deliver_all[FRAME_LIST_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
	39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
	62, 63};

void
deliver_queue(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters, bool handed)
{
	struct port *port = out->port;

	if (!count)
		return;
	if (UNLIKELY(out->tx_worker[queue] != w->id || out->tx_held & 1u << queue) &&
		!(handed && out->tx_held & 1u << queue && out->tx_last == w->id)) {
		handoff_send(w, out, queue, out->tx_worker[queue], frames, list, count, counters);
		return;
	}
	if (UNLIKELY(!out->plain_out)) {
		if (out->shaper)
			count = shape_frames(w, out, queue, frames, list, count, counters);
		if (!count)
			return;
		capture_tx(w, out, queue, frames, list, count, counters);
	} else {
		port->ops->tx(port, queue, frames, list, count, counters);
	}
	worker_touch_tx(w, port->index, queue);
}

/* Spreads frames over the port's queues: flows keep their queue. */
static inline void
send_queues(struct worker *w, const struct snapshot_port *out, const struct frame *frames,
	const uint8_t *list, unsigned count, unsigned queues, struct port_counters *counters)
{
	uint8_t parts[PORT_QUEUES_MAX][FRAME_BURST], counts[PORT_QUEUES_MAX] = {0};
	uint32_t used = 0; /* queues */

	if (LIKELY(queues == 1)) {
		deliver_queue(w, out, 0, frames, list, count, counters, false);
		return;
	}
	for (unsigned k = 0; k < count; k++) {
		unsigned q = classify_flow_hash(&frames[list[k]]) % queues;

		parts[q][counts[q]++] = list[k];
		used |= 1u << q;
	}
	for (; used; used &= used - 1) {
		unsigned q = (unsigned)__builtin_ctz(used);

		deliver_queue(w, out, q, frames, parts[q], counts[q], counters, false);
	}
}

/* Spreads frames over the members of a bond: flows keep their member. */
static void
send_bonded(struct worker *w, const struct snapshot_port *bond, const struct frame *frames,
	const uint8_t *list, unsigned count, struct port_counters *counters)
{
	uint8_t parts[BOND_MEMBERS_MAX][FRAME_BURST], counts[BOND_MEMBERS_MAX] = {0};

	for (unsigned k = 0; k < count; k++) {
		unsigned m = bond_choose(bond->bond, &frames[list[k]]);

		parts[m][counts[m]++] = list[k];
		counters->tx_bytes += frames[list[k]].len;
	}
	counters->tx_packets += count;
	if (UNLIKELY(bond->captures_out))
		capture_sent(w, bond, frames, list, count, CAPTURE_DELIVERED);
	for (unsigned m = 0; m < bond->bond->count; m++) {
		const struct snapshot_port *out = &w->now->ports[bond->bond->ports[m]];
		struct port_counters *own = &out->port->counters[w->id];
		unsigned queues = atomic_load_explicit(&out->port->tx_queues, memory_order_relaxed);

		if (!counts[m])
			continue;
		w->busy_out = out->port;
		if (queues) {
			send_queues(w, out, frames, parts[m], counts[m], queues, own);
			continue;
		}
		own->drops[DROP_PORT_DOWN] += counts[m];
		capture_sent(w, out, frames, parts[m], counts[m], DROP_PORT_DOWN);
	}
	w->busy_out = bond->port;
}

static void
send_frames(struct worker *w, const struct snapshot_port *out, const struct frame *frames,
	const uint8_t *list, unsigned count, unsigned queues, struct port_counters *counters)
{
	if (UNLIKELY(out->bond != NULL))
		send_bonded(w, out, frames, list, count, counters);
	else
		send_queues(w, out, frames, list, count, queues, counters);
}

/* Is a frame of this length, in the form in which f leaves, too long for the port? */
static inline bool
exceeds_mtu(const struct snapshot_port *out, const struct frame *f, uint32_t len)
{
	return len > out->max_len && len - out->max_len > (f->tagged ? VLAN_TAG : 0);
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
		capture_drop(w, out, f, DROP_NO_OFFLOAD);
		return;
	}
	counters->tx_segmented += count - 1;
	counters->tx_csum += count;
	for (unsigned done = 0; done < count; done += FRAME_BURST) {
		uint8_t part[FRAME_BURST];
		unsigned n = 0;

		/* The sender chose how long the pieces are; some have options. */
		for (unsigned i = 0; i < FRAME_BURST && done + i < count; i++)
			if (exceeds_mtu(out, &made[done + i], made[done + i].len)) {
				counters->drops[DROP_MTU]++;
				capture_drop(w, out, &made[done + i], DROP_MTU);
			} else {
				part[n++] = (uint8_t)i;
			}
		send_frames(w, out, made + done, part, n, queues, counters);
	}
}

/* Leaves of a list the frames that these checks of the port let pass. */
static void
deliver_checked(
	struct worker *w, const struct snapshot_port *out, uint32_t checks, struct frame_list *list)
{
	uint64_t frames, meant = 0;

	if (LIKELY(list->count == w->burst.count))
		meant = UINT64_MAX >> (64 - list->count);
	else
		for (unsigned k = 0; k < list->count; k++)
			meant |= UINT64_C(1) << list->index[k];
	if (!list->plain || w->shared)
		for (unsigned k = 0; k < list->count; k++)
			classify_form(out, &w->burst.frames[list->index[k]]);
	frames = checks_out(w, out, checks, meant);
	if (LIKELY(frames == meant))
		return;
	list->count = 0;
	while (frames)
		list->index[list->count++] = (uint8_t)check_next(&frames);
}

/* Length of the frames that a large one will be cut into, at least: TCP may have options. */
static inline uint32_t
piece_len(const struct frame *f)
{
	unsigned header = f->needs & (OFFLOAD_TSO4 | OFFLOAD_TSO6) ? TCP_HEADER_MIN
			  : f->needs & OFFLOAD_USO                 ? UDP_HEADER_LEN
								   : 0;

	return (uint32_t)f->csum_start + header + f->gso_size;
}

/* Is nothing to be done to any frame of a list, does it go out as it is? */
static inline bool
is_ready(const struct worker *w, const struct snapshot_port *out, const struct frame_list *list,
	unsigned accepts)
{
	return list->plain && !w->shared && !(w->needs & ~accepts) && w->longest <= out->max_len;
}

/* Second pass, for one destination. */
static inline void
deliver_list(
	struct worker *w, const struct snapshot_port *out, uint32_t checks, struct frame_list *list)
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
		capture_sent(w, out, frames, list->index, list->count, DROP_PORT_DOWN);
		return;
	}
	if (UNLIKELY(checks) && w->source)
		deliver_checked(w, out, checks, list);
	if (LIKELY(is_ready(w, out, list, accepts))) {
		send_frames(w, out, frames, list->index, list->count, queues, counters);
		return;
	}
	for (unsigned k = 0; k < list->count; k++) {
		unsigned i = list->index[k];
		struct frame *f = &frames[i];

		classify_form(out, f);
		if (UNLIKELY(exceeds_mtu(out, f, f->len)) &&
			(!(f->needs & OFFLOAD_GSO) || exceeds_mtu(out, f, piece_len(f)))) {
			counters->drops[DROP_MTU]++;
			capture_drop(w, out, f, DROP_MTU);
			list->settled++;
			continue;
		}
		if (UNLIKELY(f->needs & ~accepts)) {
			/* What was collected goes first: frames of a flow stay in order. */
			send_frames(w, out, frames, list->index, kept, queues, counters);
			list->settled = (uint16_t)(list->settled + kept);
			kept = 0;
			send_completed(w, out, f, accepts, queues, counters);
			list->settled++;
			continue;
		}
		list->index[kept++] = (uint8_t)i;
	}
	send_frames(w, out, frames, list->index, kept, queues, counters);
}

void
deliver_copies(struct worker *w, const struct snapshot_port *out, struct frame_list *list)
{
	deliver_list(w, out, out->out_checks & CHECK_OUT_OF_COPIES, list);
}

void
deliver_burst(struct worker *w)
{
	for (unsigned l = 0; l < w->list_count; l++) {
		const struct snapshot_port *out = &w->now->ports[w->list_ports[l]];
		struct frame_list *list = &w->lists[w->list_ports[l]];

		deliver_list(w, out, out->out_checks, list);
		list->count = 0;
		list->settled = 0;
	}
	w->list_count = 0;
	if (UNLIKELY(w->mirrors))
		mirror_deliver(w);
	w->shared = false;
	w->pulled = 0;
}
