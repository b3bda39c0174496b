/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The half of captures that workers do.
 *
 * Threat model: frames are hostile, and so may be the reader (lib/capture_ring.h).  What is recorded is
 * private, or in buffers of ours; what the sender could still change is made private first, within
 * bounds, and that is what the receivers get as well.
 */
#include <rte_cycles.h>

#include "datapath/capture_impl.h"
#include "datapath/view.h"

#define FORM_ROOM  8  /* a tag that is pushed needs less */
#define FORM_BYTES 32 /* and addresses and tag */

/* Numbers of the captures that a mask has bits for. */
static inline unsigned
next_bit(unsigned *mask)
{
	unsigned i = (unsigned)__builtin_ctz(*mask);

	*mask &= *mask - 1;
	return i;
}

/* Is it a frame of the burst, not one that was made of it? */
static bool
is_of_burst(const struct worker *w, const struct frame *f)
{
	return f >= w->burst.frames && f < w->burst.frames + FRAME_BURST;
}

/* How much of the frame may be read, of `wanted` bytes. */
static uint32_t
readable(struct worker *w, struct frame *f, uint32_t wanted)
{
	if (wanted > f->len)
		wanted = f->len;
	/* Frames that wait, and those made here, lie in memory of ours. */
	if (!w->busy_in || !is_of_burst(w, f) ||
		pull_private(w->pull, &w->burst, f, wanted, &w->pulled))
		return wanted;
	return f->head_len;
}

/* Copies the first bytes of a frame into a lane. */
static void
put_bytes(struct capture_lane *lane, const struct frame *f, uint32_t captured)
{
	uint64_t at = lane->head + sizeof(struct capture_record);
	uint32_t n = captured < f->head_len ? captured : f->head_len;

	capture_lane_put(lane, at, f->data, n);
	captured -= n;
	for (unsigned s = 0; captured; s++) {
		at += n;
		n = captured < f->segs[s].len ? captured : f->segs[s].len;
		capture_lane_put(lane, at, f->segs[s].addr, n);
		captured -= n;
	}
}

static void
record(struct worker *w, const struct capture *c, const struct snapshot_port *port, struct frame *f,
	unsigned direction, unsigned drop)
{
	struct capture_lane *lane = &c->lanes[w->id];
	struct capture_record r = {
		.len = f->len,
		.captured = readable(w, f, c->snaplen),
		.direction = (uint8_t)direction,
		.drop = (uint8_t)drop,
	};

	r.size = capture_record_size(r.captured);
	if (!capture_lane_reserve(lane, r.size))
		return;
	put_bytes(lane, f, r.captured);
	r.tsc = rte_rdtsc();
	memcpy(r.port, port->port->name, sizeof(r.port));
	capture_lane_commit(lane, &r);
}

/* The same for a frame that was made here: more of it is in private segments. */
static bool
made_matches(const struct bpf_jit *jit, const struct frame *f)
{
	static _Thread_local uint8_t area[BPF_JIT_ROOM + PULL_MAX];
	uint32_t answer = bpf_jit_run(jit, f->data, f->head_len, f->len), seen = f->head_len;

	if (answer != BPF_JIT_MORE || seen > PULL_MAX)
		return answer == 1;
	memcpy(area + BPF_JIT_ROOM, f->data, seen);
	for (unsigned s = 0; s < f->seg_count && seen < PULL_MAX; s++) {
		uint32_t n = f->segs[s].len < PULL_MAX - seen ? f->segs[s].len : PULL_MAX - seen;

		memcpy(area + BPF_JIT_ROOM + seen, f->segs[s].addr, n);
		seen += n;
	}
	return bpf_jit_run(jit, area + BPF_JIT_ROOM, seen, f->len) == 1;
}

static bool
wants(struct worker *w, const struct capture *c, struct frame *f)
{
	struct view v = {w, f, f->data, f->head_len, f->len};

	if (!c->jit.bpf)
		return true;
	return is_of_burst(w, f) ? view_matches(&v, &c->jit) : made_matches(&c->jit, f);
}

/* How a frame came: a decision may bring it into another form. */
struct received {
	uint8_t *at; /* what a change of its tag can touch begins here */
	uint8_t bytes[FORM_BYTES];
	struct frame frame;
};

static _Thread_local struct received received[FRAME_BURST];

void
capture_begin(struct worker *w)
{
	memset(w->fates, CAPTURE_DELIVERED, w->burst.count);
	for (unsigned i = 0; i < w->burst.count; i++) {
		struct received *r = &received[i];

		r->frame = w->burst.frames[i];
		r->at = r->frame.data - FORM_ROOM;
		memcpy(r->bytes, r->at, FORM_BYTES);
	}
}

/* From one form to the other, and back. */
static void
swap_form(struct frame *f, struct received *r)
{
	uint8_t bytes[FORM_BYTES];
	struct frame other = r->frame;

	/* Of what is behind its head more may be private than before. */
	other.segs = f->segs;
	other.seg_count = f->seg_count;
	r->frame = *f;
	*f = other;
	memcpy(bytes, r->at, FORM_BYTES);
	memcpy(r->at, r->bytes, FORM_BYTES);
	memcpy(r->bytes, bytes, FORM_BYTES);
}

/* Shows a received frame to the captures that its fate is for. */
static void
show_received(struct worker *w, const struct snapshot_port *in, unsigned i)
{
	struct frame *f = &w->burst.frames[i];
	unsigned mask = in->captures_in;

	while (mask) {
		const struct capture *c = w->now->captures[next_bit(&mask)];

		if (c->drops_only && w->fates[i] == CAPTURE_DELIVERED)
			continue;
		if (wants(w, c, f))
			record(w, c, in, f, CAPTURE_IN, w->fates[i]);
	}
}

void
capture_one(struct worker *w, const struct snapshot_port *in, unsigned i, unsigned fate)
{
	w->fates[i] = (uint8_t)fate;
	show_received(w, in, i);
}

void
capture_received(struct worker *w, const struct snapshot_port *in)
{
	for (unsigned i = 0; i < w->burst.count; i++) {
		swap_form(&w->burst.frames[i], &received[i]);
		show_received(w, in, i);
		swap_form(&w->burst.frames[i], &received[i]);
	}
}

/* The captures of a port that want a frame; what they want of it can be read from then on. */
static unsigned
find_captures(struct worker *w, const struct snapshot_port *out, struct frame *f)
{
	unsigned mask = out->captures_out, wanting = 0;

	while (mask) {
		unsigned i = next_bit(&mask);
		const struct capture *c = w->now->captures[i];

		if (!wants(w, c, f))
			continue;
		readable(w, f, c->snaplen);
		wanting |= 1u << i;
	}
	return wanting;
}

static void
record_sent(struct worker *w, const struct snapshot_port *out, struct frame *f, unsigned captures,
	unsigned drop)
{
	while (captures) {
		const struct capture *c = w->now->captures[next_bit(&captures)];

		if (!c->drops_only || drop != CAPTURE_DELIVERED)
			record(w, c, out, f, CAPTURE_OUT, drop);
	}
}

/* Sends one frame; the reason for which the port dropped it, or CAPTURE_DELIVERED. */
static unsigned
send_one(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	struct port_counters *counters)
{
	uint64_t before[DROP_COUNT];

	memcpy(before, counters->drops, sizeof(before));
	port->ops->tx(port, queue, frames, list, 1, counters);
	for (unsigned d = 0; d < DROP_COUNT; d++)
		if (counters->drops[d] != before[d])
			return d;
	return CAPTURE_DELIVERED;
}

static struct frame *
nth(const struct frame *frames, const uint8_t *list, unsigned k)
{
	return (struct frame *)(uintptr_t)&frames[list[k]];
}

/*
 * Frames that a capture wants are sent one by one: what becomes of each is what the port has counted
 * meanwhile.
 */
void
capture_tx(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	struct port *port = out->port;
	unsigned sent = 0;

	for (unsigned k = 0; k < count; k++) {
		unsigned captures = find_captures(w, out, nth(frames, list, k)), drop;

		if (!captures)
			continue;
		if (k > sent)
			port->ops->tx(port, queue, frames, list + sent, k - sent, counters);
		sent = k + 1;
		drop = send_one(port, queue, frames, list + k, counters);
		record_sent(w, out, nth(frames, list, k), captures, drop);
	}
	if (count > sent)
		port->ops->tx(port, queue, frames, list + sent, count - sent, counters);
}

void
capture_sent(struct worker *w, const struct snapshot_port *out, const struct frame *frames,
	const uint8_t *list, unsigned count, unsigned fate)
{
	for (unsigned k = 0; k < count; k++) {
		struct frame *f = nth(frames, list, k);

		record_sent(w, out, f, find_captures(w, out, f), fate);
	}
}

void
capture_checked(struct worker *w, const struct snapshot_port *port, uint64_t frames, enum drop drop)
{
	for (; frames; frames &= frames - 1) {
		unsigned i = (unsigned)__builtin_ctzll(frames);

		if (drop_direction(drop) == DROP_IN)
			w->fates[i] = (uint8_t)drop;
		else
			capture_drop(w, port, &w->burst.frames[i], drop);
	}
}
