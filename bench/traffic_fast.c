/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_fast: frames that fit a buffer, and are not verified in full.  Each function has a body with
 * constant flags per variant, so that the loops hold nothing a variant does not need.
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
	bool mixed; /* several lengths: the three above are looked up for each frame */
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
	driver_burst_add(g->rx, buffers, NULL, count, to_gpa(g), g->pool.size, true);
	driver_ring_publish(g->rx);
}

/* ---- one direction of a path, in registers as far as they go ---- */

struct lane {
	struct head head;
	const struct frame_path *path;
	const struct frame_shape *shapes;
	struct frame_cursor at;
	unsigned count; /* of shapes, and of heads where there are several */
	struct head *heads;
};

INLINE struct lane
lane_in(struct endpoint *e)
{
	return (struct lane){
		e->in_heads[0], &e->in, e->in_shapes, e->expected, e->mix->count, e->in_heads};
}

INLINE void
lane_in_end(struct endpoint *e, const struct lane *l, const struct variant v)
{
	if (!v.mixed)
		e->in_heads[0] = l->head;
	e->expected = l->at;
}

INLINE struct lane
lane_out(struct endpoint *e)
{
	return (struct lane){
		e->out_heads[0], &e->out, e->out_shapes, e->next, e->mix->count, e->out_heads};
}

INLINE void
lane_out_end(struct endpoint *e, const struct lane *l, const struct variant v)
{
	if (!v.mixed)
		e->out_heads[0] = l->head;
	e->next = l->at;
}

INLINE void
lane_step(struct lane *l, const struct variant v)
{
	if (!v.mixed)
		head_step(&l->head, v.vectors);
	if (v.flows)
		frame_cursor_step(&l->at, l->path);
	else
		l->at.sequence++;
}

/* Where the sample of a frame is taken. */
INLINE uint32_t
sample_at(const struct lane *l, const struct frame_shape *shape)
{
	return (uint32_t)(l->at.sequence * SAMPLE_STEP) % (shape->payload_length - 7);
}

/* Are the second stamp and a part of the payload what they should be? */
INLINE bool
rest_matches(const struct lane *l, const struct frame_shape *shape, const uint8_t *buffer,
	const uint8_t *payload)
{
	uint32_t sample = sample_at(l, shape);
	uint64_t d = load64(buffer + shape->tail) ^ frame_stamp(l->at.sequence);

	return !(d | (load64(buffer + shape->payload + sample) ^ load64(payload + sample)));
}

/* Of several lengths; NULL = none of ours.  *head becomes the one of the next frame. */
INLINE const struct frame_shape *
lane_find(struct lane *l, uint32_t length, struct head **head, const struct variant v)
{
	for (unsigned i = 0; i < l->count; i++) {
		const struct frame_shape *shape = &l->shapes[i];

		if (shape->length + FRAME_AT != length)
			continue;
		*head = &l->heads[i];
		head_stamp(*head, shape, l->at.sequence);
		if (v.flows)
			head_flow(*head, l->path, &l->at, l->path->tagged);
		return shape;
	}
	return NULL;
}

INLINE bool
lane_matches_mixed(struct lane *l, const uint8_t *buffer, uint32_t length, const uint8_t *payload,
	const struct variant v)
{
	struct head *head;
	const struct frame_shape *shape = lane_find(l, length, &head, v);

	return shape && head_matches(head, buffer, head_vectors(shape)) &&
	       (!shape->tail || rest_matches(l, shape, buffer, payload));
}

INLINE bool
lane_matches(struct lane *l, const uint8_t *buffer, uint32_t length, const uint8_t *payload,
	const struct variant v)
{
	if (v.flows)
		head_flow(&l->head, l->path, &l->at, v.tagged);
	return head_matches(&l->head, buffer, v.vectors) &&
	       length == FRAME_AT + l->shapes->length &&
	       (!v.tail || rest_matches(l, l->shapes, buffer, payload));
}

/* Is it the frame that is expected?  Then the next one is expected. */
INLINE bool
lane_read(struct lane *l, const uint8_t *buffer, uint32_t length, const uint8_t *payload,
	const struct variant v)
{
	bool same = v.mixed ? lane_matches_mixed(l, buffer, length, payload, v)
			    : lane_matches(l, buffer, length, payload, v);

	if (__builtin_expect(!same, 0))
		return false;
	lane_step(l, v);
	return true;
}

/* Makes a buffer with a frame of this length, header included, the next frame. */
INLINE void
lane_write(struct lane *l, uint8_t *buffer, uint32_t length, const struct variant v)
{
	const struct frame_shape *shape = l->shapes;
	struct head *head = &l->head;

	if (v.mixed)
		shape = lane_find(l, length, &head, v);
	else if (v.flows)
		head_flow(head, l->path, &l->at, v.tagged);
	head_write(head, buffer, v.mixed ? head_vectors(shape) : v.vectors);
	if (v.mixed ? shape->tail : v.tail)
		store64(buffer + shape->tail, frame_stamp(l->at.sequence));
	lane_step(l, v);
}

/* Of a frame built by us, from its IPv4 header. */
INLINE uint32_t
length_of(const struct endpoint *e, const uint8_t *buffer)
{
	unsigned l3 = e->out_shapes[0].l3;

	return l3 + ((uint32_t)buffer[l3 + 2] << 8 | buffer[l3 + 3]);
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
		if (v.tail && !v.mixed)
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
			lane_write(&out, buffers[i], lengths[i], v);
	lane_in_end(e, &in, v);
	if (answer)
		lane_out_end(e, &out, v);
	return i;
}

/* Frames received, those that count in front. */
struct burst {
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	uint32_t lengths[TRAFFIC_BURST_MAX];
	unsigned count, good;
};

INLINE void
burst_swap(struct burst *b, unsigned i, unsigned k)
{
	uint8_t *buffer = b->buffers[i];
	uint32_t length = b->lengths[i];

	b->buffers[i] = b->buffers[k];
	b->lengths[i] = b->lengths[k];
	b->buffers[k] = buffer;
	b->lengths[k] = length;
}

INLINE void
burst_read(struct endpoint *e, struct burst *b, bool answer, const struct variant v)
{
	unsigned i = 0;

	prefetch_frames(b->buffers, b->count, e->in_shapes[0].tail, v);
	driver_burst_prefetch(answer ? e->guest->tx : e->guest->rx, b->count);
	b->good = 0;
	for (;;) {
		unsigned run = read_run(e, b->buffers + i, b->lengths + i, b->count - i, answer, v);

		for (unsigned k = 0; b->good != i && k < run; k++)
			burst_swap(b, b->good + k, i + k);
		b->good += run;
		i += run;
		if (i == b->count)
			return;
		if (take_other(e, b->buffers[i], b->lengths[i])) {
			struct lane out = lane_out(e);

			if (answer) {
				lane_write(&out, b->buffers[i], b->lengths[i], v);
				lane_out_end(e, &out, v);
			}
			burst_swap(b, b->good++, i);
		}
		i++;
	}
}

INLINE void
burst_count(struct endpoint *e, const struct burst *b, const struct variant v)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; v.mixed && i < b->good; i++)
		bytes += b->lengths[i] - FRAME_AT;
	e->tally.received += b->good;
	e->tally.bytes += v.mixed ? bytes : (uint64_t)b->good * e->in_shapes[0].length;
}

/* ---- steps ---- */

INLINE unsigned
give_back_burst(struct endpoint *e, const struct variant v)
{
	struct guest *g = e->guest;
	unsigned room = driver_ring_free(g->tx);
	struct burst b;

	/* The switch may have sent frames and not said so yet: then the ring is full meanwhile. */
	b.count = driver_burst_collect(
		g->rx, b.buffers, b.lengths, room < e->burst ? room : e->burst);
	if (!b.count)
		return 0;
	burst_read(e, &b, true, v);
	burst_count(e, &b, v);
	e->tally.sent += driver_burst_add(g->tx, b.buffers, v.mixed ? b.lengths : NULL, b.good,
		to_gpa(g), FRAME_AT + e->out_shapes[0].length, false);
	driver_ring_publish(g->tx);
	if (b.good < b.count)
		post(g, b.buffers + b.good, b.count - b.good);
	return b.count;
}

INLINE unsigned
receive_burst(
	struct endpoint *e, const struct phase *phase, struct traffic *t, const struct variant v)
{
	struct guest *g = e->guest;
	uint64_t first = e->expected.sequence;
	struct burst b;

	b.count = driver_burst_collect(g->rx, b.buffers, b.lengths, e->burst);
	if (!b.count)
		return 0;
	burst_read(e, &b, false, v);
	burst_count(e, &b, v);
	if (phase->latency)
		traffic_record(t, e, first, b.good);
	if (phase->kind == PHASE_CLOSED)
		e->peer->credit += b.good;
	post(g, b.buffers, b.count);
	return b.count;
}

INLINE unsigned
send_burst(struct endpoint *e, unsigned count, const struct variant v)
{
	struct guest *g = e->guest;
	unsigned idle = guest_idle_count(g), room = driver_ring_free(g->tx);
	struct lane out = lane_out(e);
	struct burst b;

	count = count < e->burst ? count : e->burst;
	count = count < idle ? count : idle;
	count = count < room ? count : room;
	if (!count)
		return 0;
	for (unsigned i = 0; i < count; i++)
		b.buffers[i] = guest_idle_at(g, i);
	g->idle_head += count;
	prefetch_frames(b.buffers, count, e->out_shapes[0].tail, v);
	for (unsigned i = 0; i < count; i++) {
		b.lengths[i] = v.mixed ? length_of(e, b.buffers[i]) : 0;
		lane_write(&out, b.buffers[i], b.lengths[i], v);
	}
	lane_out_end(e, &out, v);
	e->tally.sent += count;
	driver_burst_add(g->tx, b.buffers, v.mixed ? b.lengths : NULL, count, to_gpa(g),
		FRAME_AT + e->out_shapes[0].length, false);
	driver_ring_publish(g->tx);
	return count;
}

/* Buffers that waited are posted where few are left: so many may be done with at once. */
static void __attribute__((noinline)) post_idle(struct guest *g, unsigned room)
{
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	unsigned n = guest_idle_count(g);

	n = n < room ? n : room;
	n = n < TRAFFIC_BURST_MAX ? n : TRAFFIC_BURST_MAX;
	for (unsigned i = 0; i < n; i++)
		buffers[i] = guest_idle_at(g, i);
	g->idle_head += n;
	post(g, buffers, n);
}

/* One burst; false when there was less. */
static bool
reclaim_burst(struct endpoint *e, bool back)
{
	uint8_t *buffers[TRAFFIC_BURST_MAX];
	struct guest *g = e->guest;
	unsigned n = driver_burst_collect(g->tx, buffers, NULL, e->burst), posted = 0;

	if (n && back) {
		driver_burst_prefetch(g->rx, n);
		posted = driver_ring_free(g->rx);
		posted = posted < n ? posted : n;
	}
	if (posted)
		post(g, buffers, posted);
	for (unsigned i = posted; i < n; i++)
		guest_idle_put(g, buffers[i]);
	return n == e->burst;
}

static void
reclaim(struct endpoint *e, bool back)
{
	struct guest *g = e->guest;
	unsigned room;

	while (reclaim_burst(e, back))
		;
	room = driver_ring_free(g->rx);
	if (__builtin_expect(back && !e->credit && room > g->frames, 0))
		post_idle(g, room);
}

/* ---- variants ---- */

#define VARIANTS                     \
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
	X(9, 5, true, true, false)   \
	/* several lengths */        \
	MIXED(10, false)             \
	MIXED(11, true)

#define X(number, vectors, flows, tail, tagged) \
	case number:                            \
		return CALL(((const struct variant){vectors, flows, tail, tagged, false}));
#define MIXED(number, flows) \
	case number:         \
		return CALL(((const struct variant){0, flows, false, false, true}));

static unsigned
variant_of(const struct endpoint *e)
{
	unsigned flows = e->out.flows > 1;

	if (e->mix->count > 1)
		return 10 + flows;
	if (e->out.kind == FRAME_TSO && !e->in.tagged)
		return 8 + flows;
	return flows | (e->in_shapes[0].tail ? 2 : 0) | (e->in.tagged ? 4 : 0);
}

static unsigned
give_back(struct endpoint *e)
{
	switch (variant_of(e)) {
#define CALL(v) give_back_burst(e, v)
		VARIANTS
#undef CALL
	}
	return 0;
}

static unsigned
receive(struct endpoint *e, const struct phase *phase, struct traffic *t)
{
	switch (variant_of(e)) {
#define CALL(v) receive_burst(e, phase, t, v)
		VARIANTS
#undef CALL
	}
	return 0;
}

static unsigned
send_same(struct endpoint *e, unsigned count)
{
	switch (variant_of(e)) {
#define CALL(v) send_burst(e, count, v)
		VARIANTS
#undef CALL
	}
	return 0;
}

const struct traffic_steps traffic_steps_fast = {give_back, receive, send_same, reclaim};
