/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic_any: frames of several buffers, and those that are judged in full.
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

/* Which of the lengths it is; -1 = none. */
static int
length_index(const struct frame_shape *shapes, const struct endpoint *e, uint32_t length)
{
	for (unsigned i = 0; i < e->mix->count; i++)
		if (shapes[i].length == length)
			return (int)i;
	return -1;
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
	int index = length_index(e->in_shapes, e, bytes - FRAME_AT);
	const struct frame_shape *s;
	uint32_t size = e->guest->pool.size, sample;
	struct head head;

	if (index < 0 || e->verify_full || !chain_is_full(used, count, size))
		return false;
	s = &e->in_shapes[index];
	head = e->in_heads[index];
	head_set(&head, s, &e->in, &e->expected);
	if (!head_matches(&head, used->token, head_vectors(s)))
		return false;
	if (!s->tail)
		return true;
	sample = (uint32_t)(e->expected.sequence * SAMPLE_STEP) % (s->payload_length - 7);
	return chain_load64(used, size, s->tail) == frame_stamp(e->expected.sequence) &&
	       chain_load64(used, size, s->payload + sample) ==
		       load64(frame_payload(&e->in, 0) + sample);
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
	driver_ring_publish(g->rx);
}

static unsigned
receive_any(struct endpoint *e, const struct phase *phase, struct traffic *t)
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
				traffic_record(t, e, number, 1);
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

/* The bytes from `from` on of a frame in buffers of our own. */
static void
frame_patch(struct guest *g, uint8_t *frame, uint32_t from, uint64_t value)
{
	uint32_t size = g->pool.size;

	if (from % size + sizeof(value) <= size) {
		store64(frame + from / size * g->pool.stride + from % size, value);
		return;
	}
	for (unsigned i = 0; i < sizeof(value); i++, from++)
		frame[from / size * g->pool.stride + from % size] = (uint8_t)(value >> 8 * i);
}

/* The frame waits, built; what differs from one to the next is written.  Returns its length. */
static uint32_t
frame_renew(struct endpoint *e, uint8_t *frame)
{
	unsigned l3 = e->out_shapes[0].l3;
	uint32_t length =
		l3 - FRAME_AT + ((uint32_t)frame[l3 + 2] << 8 | frame[l3 + 3]); /* of IPv4 */
	int index = length_index(e->out_shapes, e, length);
	const struct frame_shape *s = &e->out_shapes[index];

	if (e->out.shifted) {
		static __thread uint8_t flat[FRAME_ROOM];

		frame_build(flat, s, &e->out, &e->next);
		guest_scatter(e->guest, frame, flat, FRAME_AT + length);
		return FRAME_AT + length;
	}
	head_set(&e->out_heads[index], s, &e->out, &e->next);
	head_write(&e->out_heads[index], frame, head_vectors(s));
	if (s->tail)
		frame_patch(e->guest, frame, s->tail, frame_stamp(e->next.sequence));
	return FRAME_AT + length;
}

static unsigned
send_any(struct endpoint *e, unsigned count)
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
	driver_ring_publish(g->tx);
	return n;
}

static void
reclaim(struct endpoint *e, bool back)
{
	struct driver_used used[TRAFFIC_BURST_MAX];
	unsigned n = driver_ring_collect(e->guest->tx, used, e->burst);

	for (unsigned i = 0; i < n; i++)
		guest_idle_put(e->guest, used[i].token);
}

const struct traffic_steps traffic_steps_any = {NULL, receive_any, send_any, reclaim};
