/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_fast: frames of one length that fit a buffer.  Each function has a body with constant flags
 * per variant, so that the loops hold nothing a variant does not need.
 */
#include "bench/traffic_check.h"

#define INLINE static inline __attribute__((always_inline))

struct burst {
	struct driver_buf bufs[TRAFFIC_BURST_MAX];
	void *tokens[TRAFFIC_BURST_MAX];
	unsigned count;
};

INLINE void
burst_add(struct burst *b, const struct guest_pool *pool, uint8_t *buffer, uint32_t length)
{
	b->tokens[b->count] = buffer;
	b->bufs[b->count].gpa = pool->gpa + (uint64_t)(buffer - pool->host);
	b->bufs[b->count++].len = length;
}

/* Posts buffers of the burst; there is always room: each came out of this ring or of `tx` before. */
INLINE void
burst_post(struct guest *g, struct burst *b)
{
	driver_ring_add_burst(g->rx, b->bufs, b->tokens, b->count, true);
	guest_publish(g, g->rx);
}

/* What a loop over received frames keeps at hand. */
struct reading {
	struct frame_shape shape;
	struct frame_path path;
	struct frame_cursor at;
	struct flow_words words;
	uint32_t bytes, sample;
};

INLINE void
reading_begin(struct reading *r, const struct endpoint *e)
{
	r->shape = e->in_shapes[0];
	r->path = e->in;
	r->at = e->expected;
	r->words = flow_words(&r->path, &r->at);
	r->bytes = FRAME_AT + r->shape.length;
	r->sample = e->sample;
}

INLINE void
reading_end(const struct reading *r, struct endpoint *e)
{
	e->expected = r->at;
	e->arrivals.next = r->at.sequence;
	e->sample = r->sample;
}

/* Is it the frame that is expected?  Then the next one is expected. */
INLINE bool
reading_take(struct reading *r, const struct driver_used *used, const uint8_t *payload, bool flows,
	bool tail, bool tagged)
{
	const uint8_t *buffer = used->token;
	uint64_t stamp = frame_stamp(r->at.sequence), d;

	if (flows)
		r->words = flow_words(&r->path, &r->at);
	d = head_difference(buffer, &r->shape, tagged, &r->words, stamp);
	d |= used->len ^ r->bytes;
	if (tail) {
		d |= load64(buffer + r->shape.tail) ^ stamp;
		d |= load64(buffer + r->shape.payload + r->sample) ^ load64(payload + r->sample);
		r->sample = sample_step(r->sample, &r->shape);
	}
	if (__builtin_expect(d != 0, 0))
		return false;
	if (flows)
		frame_cursor_step(&r->at, &r->path);
	else
		r->at.sequence++;
	return true;
}

/* Another frame than expected. */
static bool __attribute__((noinline))
take_other(struct endpoint *e, struct reading *r, const struct driver_used *used)
{
	bool taken;

	reading_end(r, e);
	taken = used->len <= e->guest->pool.size && traffic_judge(e, used->token, used->len);
	reading_begin(r, e);
	return taken;
}

INLINE void
prefetch_frames(const struct driver_used *used, unsigned n, const struct reading *r, bool tail)
{
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(used[i].token, 1);
	if (tail)
		for (unsigned i = 0; i < n; i++)
			__builtin_prefetch((uint8_t *)used[i].token + r->shape.tail, 1);
}

/* ---- return ---- */

INLINE unsigned
return_burst(struct endpoint *e, bool flows, bool tail, bool tagged)
{
	struct driver_used used[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	const struct guest_pool pool = g->pool;
	const struct frame_path out_path = e->out;
	const struct frame_shape out = e->out_shapes[0];
	const uint8_t *payload = frame_payload(&out_path, 0);
	struct frame_cursor next = e->next;
	struct flow_words words = flow_words(&out_path, &next);
	unsigned n = driver_ring_collect(g->rx, used, e->burst);
	struct burst back = {.count = 0}, drop = {.count = 0};
	struct reading in;

	if (!n)
		return 0;
	reading_begin(&in, e);
	prefetch_frames(used, n, &in, tail);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *buffer = used[i].token;
		uint64_t stamp = frame_stamp(next.sequence);

		if (!reading_take(&in, &used[i], payload, flows, tail, tagged) &&
			!take_other(e, &in, &used[i])) {
			burst_add(&drop, &pool, buffer, pool.size);
			continue;
		}
		if (flows)
			words = flow_words(&out_path, &next);
		head_write(buffer, &out, tagged, &words, stamp);
		if (tail)
			store64(buffer + out.tail, stamp);
		burst_add(&back, &pool, buffer, FRAME_AT + out.length);
		if (flows)
			frame_cursor_step(&next, &out_path);
		else
			next.sequence++;
	}
	reading_end(&in, e);
	e->next = next;
	e->tally.received += back.count;
	e->tally.bytes += (uint64_t)back.count * in.shape.length;
	/* At most twice the frames of a guest are on the way, and the ring holds those. */
	e->tally.sent += driver_ring_add_burst(g->tx, back.bufs, back.tokens, back.count, false);
	guest_publish(g, g->tx);
	if (drop.count)
		burst_post(g, &drop);
	return n;
}

/* ---- receive ---- */

static void
record_latency(
	struct traffic *t, const struct endpoint *e, uint64_t now, uint64_t first, unsigned n)
{
	const struct endpoint *from = e->peer;
	double due = (double)(first - from->begun) * from->interval;

	for (unsigned i = 0; i < n; i++, due += from->interval) {
		uint64_t at = from->start_tsc + (uint64_t)due;

		histogram_add(&t->latency, now > at ? now - at : 0);
	}
}

INLINE unsigned
receive_burst(struct endpoint *e, const struct phase *phase, struct traffic *t, bool flows,
	bool tail, bool tagged)
{
	struct driver_used used[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	const struct guest_pool pool = g->pool;
	const uint8_t *payload = frame_payload(&e->in, 0);
	unsigned n = driver_ring_collect(g->rx, used, e->burst), taken = 0;
	uint64_t first = e->expected.sequence;
	struct burst post = {.count = 0};
	struct reading in;

	if (!n)
		return 0;
	reading_begin(&in, e);
	prefetch_frames(used, n, &in, tail);
	for (unsigned i = 0; i < n; i++) {
		if (reading_take(&in, &used[i], payload, flows, tail, tagged) ||
			take_other(e, &in, &used[i]))
			taken++;
		burst_add(&post, &pool, used[i].token, pool.size);
	}
	reading_end(&in, e);
	e->tally.received += taken;
	e->tally.bytes += (uint64_t)taken * in.shape.length;
	if (phase->latency)
		record_latency(t, e, __builtin_ia32_rdtsc(), first, taken);
	if (phase->kind == PHASE_CLOSED)
		e->peer->credit += taken;
	burst_post(g, &post);
	return n;
}

/* ---- variants ---- */

#define VARIANTS(X)               \
	X(0, false, false, false) \
	X(1, true, false, false)  \
	X(2, false, true, false)  \
	X(3, true, true, false)   \
	X(4, false, false, true)  \
	X(5, true, false, true)   \
	X(6, false, true, true)   \
	X(7, true, true, true)

static unsigned
variant(const struct endpoint *e)
{
	return (e->out.flows > 1 ? 1 : 0) | (e->in_shapes[0].tail ? 2 : 0) | (e->in.tagged ? 4 : 0);
}

unsigned
traffic_return(struct endpoint *e)
{
	switch (variant(e)) {
#define RETURN(number, flows, tail, tagged) \
	case number:                        \
		return return_burst(e, flows, tail, tagged);
		VARIANTS(RETURN)
	}
	return 0;
}

unsigned
traffic_receive(struct endpoint *e, const struct phase *phase, struct traffic *t)
{
	switch (variant(e)) {
#define RECEIVE(number, flows, tail, tagged) \
	case number:                         \
		return receive_burst(e, phase, t, flows, tail, tagged);
		VARIANTS(RECEIVE)
	}
	return 0;
}

void
traffic_reclaim(struct endpoint *e, bool post)
{
	struct driver_used used[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	const struct guest_pool pool = g->pool;
	unsigned n = driver_ring_collect(g->tx, used, e->burst), room = 0;
	struct burst back = {.count = 0};

	if (!n)
		return;
	if (post)
		room = driver_ring_free(g->rx);
	for (unsigned i = 0; i < n; i++) {
		if (back.count < room)
			burst_add(&back, &pool, used[i].token, pool.size);
		else
			guest_idle_put(g, used[i].token);
	}
	if (back.count)
		burst_post(g, &back);
}
