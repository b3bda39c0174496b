/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "datapath/capture_impl.h"
#include "datapath/deliver.h"
#include "datapath/mbuf.h"
#include "datapath/mirror.h"
#include "datapath/police.h"
#include "datapath/shape.h"

int
shaper_create(struct shaper **out, unsigned queues, struct err *err)
{
	struct rte_mempool *pool = mbuf_pool_waiting(SHAPE_POOL, err);
	struct shaper *s;

	if (!pool)
		return -ENOMEM;
	s = calloc(1, sizeof(*s) + queues * sizeof(s->queues[0]));
	if (!s)
		return err_set(err, -ENOMEM, "no memory for a queue");
	s->pool = pool;
	s->mbufs_most = SHAPE_PORT_MBUFS / queues;
	for (; s->queue_count < queues; s->queue_count++) {
		struct shape_queue *q = &s->queues[s->queue_count];

		q->mbufs = calloc(SHAPE_PORT_MBUFS, sizeof(struct rte_mbuf *));
		if (!q->mbufs) {
			shaper_destroy(s);
			return err_set(err, -ENOMEM, "no memory for a queue");
		}
	}
	*out = s;
	return 0;
}

static struct rte_mbuf **
slot(const struct shape_queue *q, uint32_t at)
{
	return &q->mbufs[at % SHAPE_PORT_MBUFS];
}

void
shaper_destroy(struct shaper *s)
{
	for (unsigned i = 0; s && i < s->queue_count; i++) {
		struct shape_queue *q = &s->queues[i];

		for (; q->head != q->tail; q->head++)
			rte_pktmbuf_free(*slot(q, q->head));
		free(q->mbufs);
	}
	free(s);
}

/* A copy of the frame at the end of the queue; DROP_COUNT, or why not. */
static enum drop
enqueue(const struct shaper *s, struct shape_queue *q, const struct frame *f, uint64_t most,
	uint16_t mirror)
{
	struct rte_mbuf *m;

	/* Mbufs for bytes that lie close together; a chain of 64 KiB has 33. */
	if (!most)
		return DROP_RATE_OUT;
	if (q->bytes + f->len > most || q->mbuf_count + f->len / MBUF_DATA + 1 > s->mbufs_most)
		return DROP_QUEUE_FULL;
	m = mbuf_from_frame(s->pool, f);
	if (!m)
		return DROP_NO_MBUF;
	mbuf_note(m)->mirror = mirror;
	q->bytes += f->len;
	q->mbuf_count += m->nb_segs;
	*slot(q, q->tail++) = m;
	mbuf_settle();
	return DROP_COUNT;
}

unsigned
shape_frames(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	bool limited = out->out_rate.limit_bytes || out->out_rate.limit_packets;
	/* What waits when the limit is lifted goes first. */
	uint64_t most = limited ? out->shape_bytes : UINT64_MAX;
	struct shape_queue *q = &out->shaper->queues[queue];
	unsigned now = 0;

	/* Nothing overtakes what waits. */
	if (q->head == q->tail)
		while (now < count &&
			police_take(&out->out_rate, w->tsc, police_cost(&frames[list[now]])))
			now++;
	for (unsigned k = now; k < count; k++) {
		enum drop drop =
			enqueue(out->shaper, q, &frames[list[k]], most, (uint16_t)w->copying);

		if (drop == DROP_COUNT)
			continue;
		counters->drops[drop]++;
		capture_drop(w, out, &frames[list[k]], drop);
	}
	w->shaping |= q->head != q->tail;
	return now;
}

/* Takes the first frames out of the queue. */
static void
drop_first(struct shape_queue *q, unsigned count)
{
	for (unsigned k = 0; k < count; k++, q->head++) {
		struct rte_mbuf *m = *slot(q, q->head);

		q->mbuf_count -= m->nb_segs;
		q->bytes -= rte_pktmbuf_pkt_len(m);
		rte_pktmbuf_free(m);
	}
}

/* Puts into the burst what of the queue may go. */
static void
fill_burst(struct worker *w, const struct snapshot_port *out, const struct shape_queue *q)
{
	struct burst *burst = &w->burst;

	burst->count = 0;
	burst->segs_used = 0;
	burst->bytes = 0;
	for (uint32_t at = q->head; at != q->tail; at++) {
		if (!mbuf_to_burst(*slot(q, at), burst))
			break;
		if (!police_take(&out->out_rate, w->tsc,
			    police_cost(&burst->frames[burst->count - 1]))) {
			burst->count--;
			break;
		}
	}
}

/* What waits for a port that a mirror has for itself are that mirror's copies. */
static void
begin_copies(struct worker *w, const struct snapshot_port *out, const struct shape_queue *q,
	const struct port_counters *counters)
{
	if (out->closed == DROP_MIRROR_PORT && q->head != q->tail)
		mirror_begin(w, mbuf_note(*slot(q, q->head))->mirror, counters);
}

/*
 * The frames stay in the queue until they are sent: when the receiver's memory fails under it
 * (lib/fault.h), nothing is lost track of.
 */
static unsigned
serve(struct worker *w, const struct snapshot_port *out, unsigned queue)
{
	struct port_counters *counters = &out->port->counters[w->id];
	struct shape_queue *q = &out->shaper->queues[queue];
	struct port *port = out->port;

	if (queue >= atomic_load_explicit(&port->tx_queues, memory_order_relaxed)) {
		begin_copies(w, out, q, counters);
		counters->drops[DROP_PORT_DOWN] += q->tail - q->head;
		mirror_end(w);
		drop_first(q, q->tail - q->head);
		return 0;
	}
	fill_burst(w, out, q);
	if (!w->burst.count)
		return 0;
	w->busy_out = port;
	begin_copies(w, out, q, counters);
	capture_tx(w, out, queue, w->burst.frames, deliver_all, w->burst.count, counters);
	mirror_end(w);
	worker_touch_tx(w, port->index, queue);
	drop_first(q, w->burst.count);
	return w->burst.count;
}

unsigned
shape_turn(struct worker *w)
{
	const struct snapshot_worker *mine = &w->now->workers[w->id];
	unsigned frames = 0;

	w->busy_in = NULL;
	w->shaping = false;
	for (unsigned i = 0; i < mine->shape_count; i++) {
		const struct snapshot_port *out = &w->now->ports[mine->shape[i].port];
		const struct shape_queue *q = &out->shaper->queues[mine->shape[i].queue];

		if (q->head != q->tail)
			frames += serve(w, out, mine->shape[i].queue);
		w->shaping |= q->head != q->tail;
	}
	return frames;
}
