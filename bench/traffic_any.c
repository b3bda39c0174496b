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

/* Bits that differ from what is expected in the headers, and in the first stamp. */
static uint64_t
head_difference(const uint8_t *buffer, const struct frame_shape *s, const struct frame_path *path,
	const struct frame_cursor *at)
{
	struct frame_macs macs = frame_macs(path, at->mac);
	uint64_t d = (load64(buffer) & s->header_mask) ^ s->header;

	d |= load64(buffer + FRAME_AT) ^ macs.first;
	d |= load32(buffer + FRAME_AT + 8) ^ macs.last;
	if (path->tagged)
		d |= load32(buffer + FRAME_AT + 12) ^ frame_tag(at->vlan + 1);
	d |= load64(buffer + s->l3 + 12) ^ s->addresses;
	d |= load64(buffer + s->data - 6) ^ s->mark;
	return d | (load64(buffer + s->data + 2) ^ frame_stamp(at->sequence));
}

static bool
is_expected(struct endpoint *e, const struct driver_used *used, unsigned count, uint32_t bytes)
{
	const struct frame_shape *s = shape_of(e->in_shapes, e, bytes - FRAME_AT);
	uint64_t stamp = frame_stamp(e->expected.sequence), d;
	uint32_t size = e->guest->pool.size;

	if (!s || e->verify_full || !chain_is_full(used, count, size))
		return false;
	d = head_difference(used->token, s, &e->in, &e->expected);
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
	struct frame_macs macs = frame_macs(&e->out, e->next.mac);

	if (e->out.shifted) {
		static __thread uint8_t flat[FRAME_ROOM];

		frame_build(flat, s, &e->out, &e->next);
		guest_scatter(g, buffer, flat, FRAME_AT + s->length);
		return FRAME_AT + s->length;
	}
	store64(buffer + FRAME_AT, macs.first);
	store32(buffer + FRAME_AT + 8, macs.last);
	if (e->out.tagged)
		store32(buffer + FRAME_AT + 12, frame_tag(e->next.vlan + 1));
	store64(buffer + s->data + 2, stamp);
	if (s->tail && s->tail % g->pool.size + 8 <= g->pool.size)
		store64(buffer + s->tail / g->pool.size * g->pool.stride + s->tail % g->pool.size,
			stamp);
	else if (s->tail)
		for (uint32_t i = 0, at = s->tail; i < 8; i++, at++)
			buffer[at / g->pool.size * g->pool.stride + at % g->pool.size] =
				(uint8_t)(stamp >> 8 * i);
	return FRAME_AT + s->length;
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
	guest_publish(g, g->tx);
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
