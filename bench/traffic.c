/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "bench/traffic_check.h"

#define KICK_ROUNDS 16

/* ---- mixes ---- */

void
traffic_mix_single(struct traffic_mix *mix, uint32_t size)
{
	*mix = (struct traffic_mix){.count = 1, .sizes = {size}, .turns = 1};
}

void
traffic_mix_imix(struct traffic_mix *mix)
{
	*mix = (struct traffic_mix){.count = 3,
		.sizes = {64, 594, 1514},
		.turn = {0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 1, 0},
		.turns = 12};
}

double
traffic_mix_mean(const struct traffic_mix *mix)
{
	double sum = 0;

	for (unsigned i = 0; i < mix->turns; i++)
		sum += mix->sizes[mix->turn[i]];
	return sum / mix->turns;
}

/* ---- judging ---- */

static bool
is_length_of_ours(const struct endpoint *e, uint32_t bytes)
{
	for (unsigned i = 0; i < e->mix->count; i++)
		if (FRAME_AT + e->in_shapes[i].length == bytes)
			return true;
	return false;
}

bool
traffic_judge(struct endpoint *e, const uint8_t *flat, uint32_t bytes)
{
	uint64_t number = e->expected.sequence, duplicates = e->arrivals.duplicates;
	enum frame_verdict verdict = frame_judge(flat, bytes, &e->in, &number);

	e->tally.inspected++;
	if (verdict == FRAME_GOOD && !is_length_of_ours(e, bytes))
		verdict = FRAME_CORRUPT;
	switch (verdict) {
	case FRAME_FOREIGN:
		e->tally.foreign++;
		return false;
	case FRAME_STRAY:
		e->tally.stray++;
		return false;
	case FRAME_CORRUPT:
		e->tally.corrupt++;
		return false;
	case FRAME_GOOD:
		break;
	}
	e->arrivals.next = e->expected.sequence;
	sequence_arrived(&e->arrivals, number);
	frame_cursor_set(&e->expected, &e->in, e->arrivals.next);
	return e->arrivals.duplicates == duplicates;
}

void
traffic_record(struct traffic *t, const struct endpoint *e, uint64_t first, unsigned count)
{
	const struct endpoint *from = e->peer;
	double due = (double)(first - from->begun) * from->interval;
	uint64_t now = __builtin_ia32_rdtsc();

	for (unsigned i = 0; i < count; i++, due += from->interval) {
		uint64_t at = from->start_tsc + (uint64_t)due;

		histogram_add(&t->latency, now > at ? now - at : 0);
	}
}

/* ---- begin and end of a phase ---- */

static void
build_frames(struct endpoint *e)
{
	static __thread uint8_t flat[FRAME_ROOM];
	struct guest *g = e->guest;
	unsigned count = guest_idle_count(g);

	for (unsigned i = 0; i < count; i++) {
		const struct frame_shape *s = &e->out_shapes[e->mix->turn[i % e->mix->turns]];

		frame_build(flat, s, &e->out, &e->next);
		guest_scatter(g, guest_idle_at(g, i), flat, FRAME_AT + s->length);
	}
}

static void
prepare(struct endpoint *e, const struct phase *phase, bool first)
{
	e->out.run = e->in.run = phase->run;
	e->out.shifted = e->in.shifted = e->verify_full;
	for (unsigned i = 0; i < e->mix->count; i++) {
		frame_shape(&e->out_shapes[i], &e->out, e->mix->sizes[i]);
		frame_shape(&e->in_shapes[i], &e->in, e->mix->sizes[i]);
	}
	frame_cursor_set(&e->next, &e->out, 0);
	frame_cursor_set(&e->expected, &e->in, 0);
	sequence_start(&e->arrivals, 0, e->in.flows);
	memset(&e->tally, 0, sizeof(e->tally));
	e->held_count = 0;
	e->begun = 0;
	e->sends = first || phase->two_way;
	e->returns = phase->kind == PHASE_CLOSED && phase->two_way;
	e->credit = e->sends && phase->kind == PHASE_CLOSED ? phase->window : 0;
	e->interval = phase->rate > 0 ? (double)phase->tsc_hz / phase->rate : 0;
	build_frames(e);
	for (unsigned i = 0; i < e->mix->count; i++) {
		head_init(&e->out_heads[i], &e->out_shapes[i], &e->out, &e->next);
		head_init(&e->in_heads[i], &e->in_shapes[i], &e->in, &e->expected);
	}
}

static void
conclude(struct endpoint *e)
{
	e->arrivals.next = e->expected.sequence;
	sequence_end(&e->arrivals, e->peer->next.sequence);
	e->tally.lost = e->arrivals.missing;
	e->tally.stuck = driver_ring_in_flight(e->guest->tx);
	e->tally.unsent = e->due > e->next.sequence ? e->due - e->next.sequence : 0;
	e->tally.duplicates = e->arrivals.duplicates;
	e->tally.reordered = e->arrivals.reordered;
}

/* ---- steps ---- */

/* Frames that are due by the clock and have not left. */
static unsigned
frames_due(struct traffic *t, struct endpoint *e, uint64_t now)
{
	uint64_t due, late;

	if (now < e->start_tsc)
		return 0;
	due = 1 + (uint64_t)((double)(now - e->start_tsc) / e->interval);
	if (t->phase.frames && due > t->phase.frames)
		due = t->phase.frames;
	if (due <= e->next.sequence)
		return 0;
	late = now - e->start_tsc - (uint64_t)((double)e->next.sequence * e->interval);
	if (late > t->late)
		t->late = late;
	due -= e->next.sequence;
	return due < e->burst ? (unsigned)due : e->burst;
}

static unsigned
send_some(struct traffic *t, const struct traffic_steps *steps, struct endpoint *e, uint64_t now)
{
	unsigned n;

	if (t->phase.kind == PHASE_OPEN)
		return steps->send(e, frames_due(t, e, now));
	n = steps->send(e, e->credit);
	e->credit -= n;
	return n;
}

/*
 * One turn of a guest, which sends what is due at `now`; returns the frames received.  When draining,
 * nothing is sent.
 */
static unsigned
turn(struct traffic *t, struct endpoint *e, uint64_t now, bool draining)
{
	const struct traffic_steps *steps = t->any ? &traffic_steps_any : &traffic_steps_fast;
	unsigned n;

	if (e->returns && steps->give_back && !draining)
		n = steps->give_back(e);
	else
		n = steps->receive(e, &t->phase, t);
	if (!draining && ((e->sends && t->phase.kind == PHASE_OPEN) || e->credit))
		send_some(t, steps, e, now);
	steps->reclaim(e, e->returns);
	return n;
}

static void
sum(const struct traffic *t, uint64_t *frames, uint64_t *bytes)
{
	*frames = *bytes = 0;
	for (unsigned i = 0; i < t->count; i++) {
		*frames += t->endpoints[i].tally.received;
		*bytes += t->endpoints[i].tally.bytes;
	}
}

static bool
all_sent(const struct traffic *t)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->endpoints[i].sends && t->endpoints[i].next.sequence < t->phase.frames)
			return false;
	return true;
}

/*
 * A switch that sleeps is told about what was published.  One that works needs not be asked whether
 * it does: it is looked at when no frame came, and now and then.
 */
static void
kick(struct traffic *t)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < t->count; i++)
		guest_kick(t->endpoints[i].guest);
}

/* Keeps the frames going while a stage lasts, or until a phase of so many frames has sent them. */
static void
go_on(struct traffic *t, enum traffic_stage stage)
{
	struct traffic_window *w = &t->window;
	uint64_t now = __builtin_ia32_rdtsc();
	unsigned rounds = 0;

	while ((int)stage == atomic_load_explicit(&t->stage, memory_order_relaxed)) {
		uint64_t before = now;
		unsigned received = 0, turns = 0, full = 0;

		for (unsigned i = 0; i < t->count; i++) {
			struct endpoint *e = &t->endpoints[i];
			unsigned n = turn(t, e, now, false);

			received += n;
			turns += n > 0;
			full += n >= (e->full ? e->full : e->burst);
		}
		w->turns += turns;
		w->full += full;
		if (!received || rounds % KICK_ROUNDS == 0)
			kick(t);
		now = __builtin_ia32_rdtsc();
		if (received)
			w->busy += now - before;
		if (t->phase.full_rounds && full && full == turns)
			histogram_add(&t->rounds, (now - before) * TRAFFIC_ROUND_SCALE / received);
		if (t->on_round) {
			t->on_round(t->arg);
			now = __builtin_ia32_rdtsc();
		}
		if (++rounds % 64)
			continue;
		if (t->phase.frames && all_sent(t))
			break;
		sum(t, &w->frames, &w->bytes);
		atomic_store_explicit(&t->progress, w->frames, memory_order_relaxed);
	}
}

static bool
everything_back(const struct traffic *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct endpoint *e = &t->endpoints[i];

		if (driver_ring_in_flight(e->guest->tx) || e->arrivals.missing ||
			e->expected.sequence != e->peer->next.sequence)
			return false;
	}
	return true;
}

/* Time in which this thread was ready and did not run: the second number of schedstat. */
static uint64_t
waited_ns(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "re");
	unsigned long long waited = 0;

	if (f && fscanf(f, "%*s %llu", &waited) != 1)
		waited = 0;
	if (f)
		fclose(f);
	return waited;
}

/* Frames that were due and have not left. */
static bool
sends_on(const struct traffic *t)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->endpoints[i].next.sequence < t->endpoints[i].due)
			return true;
	return false;
}

static void
drain(struct traffic *t, uint64_t end)
{
	uint64_t last = end, now = end;

	while ((!everything_back(t) || (sends_on(t) && now - end < t->phase.grace)) &&
		now - last < t->phase.quiet && t->stage != TRAFFIC_ABORT) {
		bool sending = now - end < t->phase.grace;
		unsigned received = 0;

		for (unsigned i = 0; i < t->count; i++)
			received += turn(t, &t->endpoints[i], end, !sending);
		kick(t);
		if (t->on_round)
			t->on_round(t->arg);
		now = __builtin_ia32_rdtsc();
		if (received)
			last = now;
	}
}

/* How many frames each guest should have sent by now. */
static void
note_due(struct traffic *t, uint64_t now)
{
	for (unsigned i = 0; i < t->count; i++) {
		struct endpoint *e = &t->endpoints[i];

		e->due = 0;
		if (e->sends && t->phase.kind == PHASE_OPEN)
			e->due = t->phase.frames ? t->phase.frames
						 : 1 + (uint64_t)((double)(now - e->start_tsc) /
								  e->interval);
	}
}

void
traffic_run(struct traffic *t)
{
	const struct phase *phase = &t->phase;
	uint64_t start, end, frames, bytes;

	histogram_clear(&t->latency);
	histogram_clear(&t->rounds);
	t->late = 0;
	t->broken = false;
	for (unsigned i = 0; i < t->count; i++)
		prepare(&t->endpoints[i], phase, i % 2 == 0);
	start = __builtin_ia32_rdtsc();
	for (unsigned i = 0; i < t->count; i++)
		t->endpoints[i].start_tsc = start;
	go_on(t, TRAFFIC_SETTLE);
	memset(&t->window, 0, sizeof(t->window));
	t->window.waited_ns = waited_ns();
	t->window.cycles = __builtin_ia32_rdtsc();
	sum(t, &frames, &bytes);
	go_on(t, TRAFFIC_MEASURE);
	t->window.cycles = __builtin_ia32_rdtsc() - t->window.cycles;
	t->window.waited_ns = waited_ns() - t->window.waited_ns;
	sum(t, &t->window.frames, &t->window.bytes);
	t->window.frames -= frames;
	t->window.bytes -= bytes;
	end = __builtin_ia32_rdtsc();
	note_due(t, end);
	drain(t, end);
	for (unsigned i = 0; i < t->count; i++) {
		conclude(&t->endpoints[i]);
		t->broken |= driver_ring_broken(t->endpoints[i].guest->rx) ||
			     driver_ring_broken(t->endpoints[i].guest->tx);
	}
}
