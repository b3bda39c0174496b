/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_fast: frames of one length that fit a buffer.  Each function has a body with constant flags
 * per variant, so that the loops hold nothing a variant does not need.
 */
#include "bench/traffic_check.h"
#include "vhost/driver_burst.h"

#define INLINE static inline __attribute__((always_inline))

/* What differs between the loops. */
struct variant {
	unsigned vectors; /* of a head */
	bool flows;       /* more than one */
	bool tail;        /* frames have a second stamp, and payload to take samples of */
	bool tagged;
};

/* Guest physical address of a buffer, less its address here. */
INLINE uint64_t
to_gpa(const struct guest *g)
{
	return g->pool.gpa - (uintptr_t)g->pool.host;
}

INLINE void
post(struct guest *g, uint8_t *const *buffers, unsigned count)
{
	driver_burst_add(g->rx, buffers, count, to_gpa(g), g->pool.size, true);
	guest_publish(g, g->rx);
}

/* ---- one direction of a path, in registers as far as they go ---- */

struct lane {
	struct head head;
	const struct frame_path *path;
	const struct frame_shape *shape;
	struct frame_cursor at;
};

INLINE void
lane_step(struct lane *l, const struct variant v)
{
	head_step(&l->head, v.vectors);
	if (v.flows)
		frame_cursor_step(&l->at, l->path);
	else
		l->at.sequence++;
}

INLINE struct lane
lane_in(const struct endpoint *e)
{
	return (struct lane){e->in_heads[0], &e->in, &e->in_shapes[0], e->expected};
}

INLINE void
lane_in_end(struct endpoint *e, const struct lane *l)
{
	e->in_heads[0] = l->head;
	e->expected = l->at;
}

INLINE struct lane
lane_out(const struct endpoint *e)
{
	return (struct lane){e->out_heads[0], &e->out, &e->out_shapes[0], e->next};
}

INLINE void
lane_out_end(struct endpoint *e, const struct lane *l)
{
	e->out_heads[0] = l->head;
	e->next = l->at;
}

/* Where the sample of a frame is taken. */
INLINE uint32_t
sample_at(const struct lane *l)
{
	return (uint32_t)(l->at.sequence * SAMPLE_STEP) % (l->shape->payload_length - 7);
}

/* Is it the frame that is expected?  Then the next one is expected. */
INLINE bool
lane_read(struct lane *l, const uint8_t *buffer, uint32_t length, const uint8_t *payload,
	const struct variant v)
{
	bool same;

	if (v.flows)
		head_flow(&l->head, l->path, &l->at, v.tagged);
	same = head_matches(&l->head, buffer, v.vectors) & (length == FRAME_AT + l->shape->length);
	if (v.tail) {
		uint32_t sample = sample_at(l);

		same &= load64(buffer + l->shape->tail) == frame_stamp(l->at.sequence);
		same &= load64(buffer + l->shape->payload + sample) == load64(payload + sample);
	}
	if (__builtin_expect(!same, 0))
		return false;
	lane_step(l, v);
	return true;
}

INLINE void
lane_write(struct lane *l, uint8_t *buffer, const struct variant v)
{
	if (v.flows)
		head_flow(&l->head, l->path, &l->at, v.tagged);
	head_write(&l->head, buffer, v.vectors);
	if (v.tail)
		store64(buffer + l->shape->tail, frame_stamp(l->at.sequence));
	lane_step(l, v);
}

/* Another frame than expected: true when it counts all the same. */
static bool __attribute__((noinline))
take_other(struct endpoint *e, const uint8_t *buffer, uint32_t length)
{
	bool taken;

	taken = length <= e->guest->pool.size && traffic_judge(e, buffer, length);
	head_init(&e->in_heads[0], &e->in_shapes[0], &e->in, &e->expected);
	return taken;
}

INLINE void
prefetch_frames(uint8_t *const *buffers, unsigned n, uint32_t tail, const struct variant v)
{
	for (unsigned i = 0; i < n; i++) {
		__builtin_prefetch(buffers[i], 1);
		if (v.vectors > 4)
			__builtin_prefetch(buffers[i] + 64, 1);
		if (v.tail)
			__builtin_prefetch(buffers[i] + tail, 1);
	}
}

/* Reads frames, and makes them answers, up to the first that is not as expected; returns how many. */
INLINE unsigned
read_run(struct endpoint *e, uint8_t *const *buffers, const uint32_t *lengths, unsigned n,
	bool answer, const struct variant v)
{
	const uint8_t *payload = frame_payload(&e->in, 0);
	struct lane in = lane_in(e), out = lane_out(e);
	unsigned i;

	for (i = 0; i < n && lane_read(&in, buffers[i], lengths[i], payload, v); i++)
		if (answer)
			lane_write(&out, buffers[i], v);
	lane_in_end(e, &in);
	if (answer)
		lane_out_end(e, &out);
	return i;
}

/*
 * Reads a burst of frames.  Those that do not count are moved behind the others; returns how many
 * count.
 */
INLINE unsigned
read_burst(struct endpoint *e, uint8_t **buffers, const uint32_t *lengths, unsigned n, bool answer,
	const struct variant v)
{
	unsigned i = 0, good = 0;

	prefetch_frames(buffers, n, e->in_shapes[0].tail, v);
	for (;;) {
		unsigned run = read_run(e, buffers + i, lengths + i, n - i, answer, v);
		uint8_t *other;

		for (unsigned k = 0; good != i && k < run; k++) {
			other = buffers[good + k];
			buffers[good + k] = buffers[i + k];
			buffers[i + k] = other;
		}
		good += run;
		i += run;
		if (i == n)
			return good;
		other = buffers[i];
		if (take_other(e, other, lengths[i])) {
			struct lane out = lane_out(e);

			if (answer) {
				lane_write(&out, other, v);
				lane_out_end(e, &out);
			}
			buffers[i] = buffers[good];
			buffers[good++] = other;
		}
		i++;
	}
}

/* ---- steps ---- */

INLINE unsigned
give_back_burst(struct endpoint *e, const struct variant v)
{
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	uint32_t lengths[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	unsigned n = driver_burst_collect(g->rx, buffers, lengths, e->burst), good;

	if (!n)
		return 0;
	good = read_burst(e, buffers, lengths, n, true, v);
	e->tally.received += good;
	e->tally.bytes += (uint64_t)good * e->in_shapes[0].length;
	/* At most twice the frames of a guest are on the way, and the ring holds those. */
	e->tally.sent += driver_burst_add(
		g->tx, buffers, good, to_gpa(g), FRAME_AT + e->out_shapes[0].length, false);
	guest_publish(g, g->tx);
	if (good < n)
		post(g, buffers + good, n - good);
	return n;
}

INLINE unsigned
receive_burst(
	struct endpoint *e, const struct phase *phase, struct traffic *t, const struct variant v)
{
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	uint32_t lengths[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	unsigned n = driver_burst_collect(g->rx, buffers, lengths, e->burst), good;
	uint64_t first = e->expected.sequence;

	if (!n)
		return 0;
	good = read_burst(e, buffers, lengths, n, false, v);
	e->tally.received += good;
	e->tally.bytes += (uint64_t)good * e->in_shapes[0].length;
	if (phase->latency)
		traffic_record(t, e, first, good);
	if (phase->kind == PHASE_CLOSED)
		e->peer->credit += good;
	post(g, buffers, n);
	return n;
}

INLINE unsigned
send_burst(struct endpoint *e, unsigned count, const struct variant v)
{
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	unsigned idle = guest_idle_count(g), room = driver_ring_free(g->tx);
	struct lane out = lane_out(e);

	count = count < e->burst ? count : e->burst;
	count = count < idle ? count : idle;
	count = count < room ? count : room;
	if (!count)
		return 0;
	for (unsigned i = 0; i < count; i++)
		buffers[i] = guest_idle_at(g, i);
	g->idle_head += count;
	prefetch_frames(buffers, count, e->out_shapes[0].tail, v);
	for (unsigned i = 0; i < count; i++)
		lane_write(&out, buffers[i], v);
	lane_out_end(e, &out);
	e->tally.sent += count;
	driver_burst_add(
		g->tx, buffers, count, to_gpa(g), FRAME_AT + e->out_shapes[0].length, false);
	guest_publish(g, g->tx);
	return count;
}

static void
reclaim(struct endpoint *e, bool back)
{
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	unsigned n = driver_burst_collect(g->tx, buffers, NULL, e->burst), posted = 0;

	if (!n)
		return;
	if (back) {
		posted = driver_ring_free(g->rx);
		posted = posted < n ? posted : n;
	}
	if (posted)
		post(g, buffers, posted);
	for (unsigned i = posted; i < n; i++)
		guest_idle_put(g, buffers[i]);
}

/* ---- variants ---- */

#define VARIANTS(X)                  \
	X(0, 4, false, false, false) \
	X(1, 4, true, false, false)  \
	X(2, 4, false, true, false)  \
	X(3, 4, true, true, false)   \
	X(4, 5, false, false, true)  \
	X(5, 5, true, false, true)   \
	X(6, 5, false, true, true)   \
	X(7, 5, true, true, true)    \
	/* TCP without tag */        \
	X(8, 5, false, true, false)  \
	X(9, 5, true, true, false)

#define CASE(number, vectors, flows, tail, tagged) \
	case number:                               \
		return CALL(((const struct variant){vectors, flows, tail, tagged}));

static unsigned
variant_of(const struct endpoint *e)
{
	unsigned flows = e->out.flows > 1;

	if (e->out.kind == FRAME_TSO && !e->in.tagged)
		return 8 + flows;
	return flows | (e->in_shapes[0].tail ? 2 : 0) | (e->in.tagged ? 4 : 0);
}

static unsigned
give_back(struct endpoint *e)
{
	switch (variant_of(e)) {
#define CALL(v) give_back_burst(e, v)
		VARIANTS(CASE)
#undef CALL
	}
	return 0;
}

static unsigned
receive(struct endpoint *e, const struct phase *phase, struct traffic *t)
{
	switch (variant_of(e)) {
#define CALL(v) receive_burst(e, phase, t, v)
		VARIANTS(CASE)
#undef CALL
	}
	return 0;
}

static unsigned
send_same(struct endpoint *e, unsigned count)
{
	switch (variant_of(e)) {
#define CALL(v) send_burst(e, count, v)
		VARIANTS(CASE)
#undef CALL
	}
	return 0;
}

const struct traffic_steps traffic_steps_fast = {give_back, receive, send_same, reclaim};
