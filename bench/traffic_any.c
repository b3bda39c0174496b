/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_any: frames of several buffers, of several lengths, and those that are judged in full; and
 * sending.
 */
#include "bench/traffic_check.h"

/* ---- bytes of a frame that lies in several buffers ---- */

static void
chain_copy(
	const struct driver_used *used, uint32_t size, uint32_t from, uint8_t *to, uint32_t length)
{
	for (used += from / size, from %= size; length; used++, from = 0) {
		uint32_t part = size - from < length ? size - from : length;

		memcpy(to, (const uint8_t *)used->token + from, part);
		to += part;
		length -= part;
	}
}

static uint64_t
chain_load64(const struct driver_used *used, uint32_t size, uint32_t from)
{
	uint64_t value;

	if (from % size + sizeof(value) <= size)
		return load64((const uint8_t *)used[from / size].token + from % size);
	chain_copy(used, size, from, (uint8_t *)&value, sizeof(value));
	return value;
}

/* ---- receive ---- */

static const struct frame_shape *
shape_of(const struct frame_shape *shapes, const struct endpoint *e, uint32_t length)
{
	for (unsigned i = 0; i < e->mix->count; i++)
		if (shapes[i].length == length)
			return &shapes[i];
	return NULL;
}

/* Every buffer but the last is full. */
static bool
chain_is_full(const struct driver_used *used, unsigned count, uint32_t size)
{
	for (unsigned i = 0; i + 1 < count; i++)
		if (used[i].len != size)
			return false;
	return true;
}

static bool
is_expected(struct endpoint *e, const struct driver_used *used, unsigned count, uint32_t bytes)
{
	const struct frame_shape *s = shape_of(e->in_shapes, e, bytes - FRAME_AT);
	uint64_t stamp = frame_stamp(e->expected.sequence), d;
	uint32_t size = e->guest->pool.size;
	struct flow_words words = flow_words(&e->in, &e->expected);

	if (!s || e->verify_full || !chain_is_full(used, count, size))
		return false;
	d = head_difference(used->token, s, e->in.tagged, &words, stamp);
	if (s->tail) {
		uint32_t sample = e->sample % (s->payload_length - 7);

		d |= chain_load64(used, size, s->tail) ^ stamp;
		d |= chain_load64(used, size, s->payload + sample) ^
		     load64(frame_payload(&e->in, 0) + sample);
		e->sample += SAMPLE_STEP;
	}
	return !d;
}

static bool
receive_frame(struct endpoint *e, const struct driver_used *used, unsigned count)
{
	static __thread uint8_t flat[FRAME_ROOM];
	uint32_t bytes = 0, size = e->guest->pool.size;

	for (unsigned i = 0; i < count; i++)
		bytes += used[i].len <= size ? used[i].len : 0;
	if (is_expected(e, used, count, bytes)) {
		frame_cursor_step(&e->expected, &e->in);
		e->arrivals.next = e->expected.sequence;
	} else if (bytes > sizeof(flat) || !chain_is_full(used, count, size)) {
		e->tally.corrupt++;
		return false;
	} else {
		chain_copy(used, size, 0, flat, bytes);
		if (!traffic_judge(e, flat, bytes))
			return false;
	}
	e->tally.received++;
	e->tally.bytes += bytes - FRAME_AT;
	return true;
}

/* Buffers of the frame that begins here (5.1.6.4). */
static unsigned
buffers_of(const struct endpoint *e, const struct driver_used *used)
{
	unsigned count;

	if (!e->guest->mergeable || used->len < FRAME_AT)
		return 1;
	memcpy(&count, (const uint8_t *)used->token + 8, sizeof(count));
	count >>= 16; /* num_buffers */
	return count && count <= GUEST_CHAIN_MAX ? count : 1;
}

static void
post(struct guest *g, const struct driver_used *used, unsigned count)
{
	struct driver_buf buf = {.len = g->pool.size};

	for (unsigned i = 0; i < count; i++) {
		buf.gpa = guest_gpa(g, used[i].token);
		driver_ring_add(g->rx, &buf, 0, 1, used[i].token);
	}
	guest_publish(g, g->rx);
}

static void
record_one(struct traffic *t, const struct endpoint *e, uint64_t number)
{
	const struct endpoint *from = e->peer;
	uint64_t now = __builtin_ia32_rdtsc(),
		 at = from->start_tsc + (uint64_t)((double)(number - from->begun) * from->interval);

	histogram_add(&t->latency, now > at ? now - at : 0);
}

unsigned
traffic_receive_any(struct endpoint *e, const struct phase *phase, struct traffic *t)
{
	struct guest *g = e->guest;
	struct driver_used used[GUEST_CHAIN_MAX + TRAFFIC_BURST_MAX];
	unsigned held = e->held_count, i = 0, n, frames = 0;

	memcpy(used, e->held, held * sizeof(used[0]));
	n = held + driver_ring_collect(g->rx, used + held, TRAFFIC_BURST_MAX);
	if (n == held)
		return 0;
	while (i < n) {
		unsigned count = buffers_of(e, &used[i]);
		uint64_t number = e->expected.sequence;

		if (i + count > n)
			break;
		if (receive_frame(e, &used[i], count)) {
			if (phase->kind == PHASE_CLOSED)
				(e->returns ? e : e->peer)->credit++;
			if (phase->latency)
				record_one(t, e, number);
		}
		i += count;
		frames++;
	}
	e->held_count = n - i;
	memcpy(e->held, used + i, e->held_count * sizeof(used[0]));
	post(g, used, i);
	return frames;
}

/* ---- send ---- */

/* The frame waits, built; what differs from one to the next is written. */
static uint32_t
frame_renew(struct endpoint *e, uint8_t *buffer)
{
	struct guest *g = e->guest;
	unsigned l3 = e->out_shapes[0].l3;
	uint32_t length =
		l3 - FRAME_AT + ((uint32_t)buffer[l3 + 2] << 8 | buffer[l3 + 3]); /* of IPv4 */
	const struct frame_shape *s = shape_of(e->out_shapes, e, length);
	uint64_t stamp = frame_stamp(e->next.sequence);
	struct flow_words words = flow_words(&e->out, &e->next);

	if (e->out.shifted) {
		static __thread uint8_t flat[FRAME_ROOM];

		frame_build(flat, s, &e->out, &e->next);
		guest_scatter(g, buffer, flat, FRAME_AT + s->length);
		return FRAME_AT + s->length;
	}
	head_write(buffer, s, e->out.tagged, &words, stamp);
	if (s->tail && s->tail % g->pool.size + 8 <= g->pool.size)
		store64(buffer + s->tail / g->pool.size * g->pool.stride + s->tail % g->pool.size,
			stamp);
	else if (s->tail)
		for (uint32_t i = 0, at = s->tail; i < 8; i++, at++)
			buffer[at / g->pool.size * g->pool.stride + at % g->pool.size] =
				(uint8_t)(stamp >> 8 * i);
	return FRAME_AT + s->length;
}

unsigned
traffic_send(struct endpoint *e, unsigned count)
{
	struct guest *g = e->guest;
	unsigned idle = guest_idle_count(g), n;

	if (count > e->burst)
		count = e->burst;
	if (count > idle)
		count = idle;
	for (n = 0; n < count; n++) {
		uint8_t *buffer = guest_idle_at(g, 0);

		if (n + 1 < count)
			__builtin_prefetch(guest_idle_at(g, 1), 1);
		if (driver_ring_free(g->tx) < g->chain)
			break;
		if (guest_send(g, buffer, frame_renew(e, buffer)))
			break;
		g->idle_head++;
		frame_cursor_step(&e->next, &e->out);
	}
	if (!n)
		return 0;
	e->tally.sent += n;
	guest_publish(g, g->tx);
	return n;
}
