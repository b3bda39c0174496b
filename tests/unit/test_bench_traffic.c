/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests joined by the loopback instead of a switch: every layout of rings and frames, and frames to
 * which happens what a broken switch might do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/loopback.h"
#include "bench/traffic.h"

#define TSC_HZ UINT64_C(2000000000)

/* What is tried. */
struct setup {
	bool packed, in_order, mergeable, indirect, one_way, open, full, tagged, imix;
	uint32_t size, buffer, macs;
	uint16_t vlans, ring_size;
	enum frame_kind kind;
	unsigned rounds; /* 0 = 300 */
	unsigned lag;    /* of the loopback */
	bool moody;      /* the loopback works now and then, and then a lot or a little */
};

struct bench {
	struct endpoint *endpoints;
	struct traffic_mix mix;
	struct traffic *traffic;
	struct loopback *loopback;
	unsigned rounds, rounds_left;
	bool moody;
	unsigned seed, pause;
	unsigned least; /* buffers posted, the frames in them included */
};

/* Pauses of any length; then either all that is there goes round, or a part. */
static void
poll_moodily(struct bench *b)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned posted = driver_ring_in_flight(b->endpoints[i].guest->rx);

		b->least = posted < b->least ? posted : b->least;
	}
	if (b->pause && b->pause--)
		return;
	for (unsigned n = 1 + (unsigned)rand_r(&b->seed) % 4; n && loopback_poll(b->loopback); n--)
		;
	if (rand_r(&b->seed) % 4 == 0)
		b->loopback->hold = (unsigned)rand_r(&b->seed) % 3;
	b->pause = rand_r(&b->seed) % 3 ? 0 : (unsigned)rand_r(&b->seed) % 64;
}

static void
on_round(void *arg)
{
	struct bench *b = arg;

	if (b->moody)
		poll_moodily(b);
	else
		loopback_poll(b->loopback);
	if (b->rounds_left && --b->rounds_left == 0)
		b->traffic->stage = TRAFFIC_DRAIN;
	if (b->traffic->stage == TRAFFIC_DRAIN)
		b->loopback->hold = 0;
}

static void
open_guest(struct bench *b, const struct setup *s, unsigned number)
{
	struct endpoint *e = &b->endpoints[number];
	struct guest_options options = {
		.features = VIRTIO_BIT(VIRTIO_F_VERSION_1) |
			    (s->packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
			    (s->in_order ? VIRTIO_BIT(VIRTIO_F_IN_ORDER) : 0) |
			    (s->mergeable ? VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) : 0) |
			    (s->indirect ? VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0),
		.ring_size = s->ring_size ? s->ring_size : 256,
		.buffer = s->buffer,
		.frame_max = FRAME_AT + FRAME_TAG + (s->imix ? 1514 : s->size),
		.indirect = s->indirect};
	struct err err;

	if (guest_create_alone(&e->guest, &options, &err))
		fail_msg("%s", err.text);
	e->peer = &b->endpoints[!number];
	e->mix = &b->mix;
	e->burst = 32;
	e->verify_full = s->full;
	e->out = (struct frame_path){.kind = s->kind,
		.source = (uint8_t)number,
		.target = !number,
		.tagged = s->tagged,
		.macs = s->macs ? s->macs : 1,
		.vlans = s->vlans};
	e->out.flows = e->out.macs > e->out.vlans ? e->out.macs : e->out.vlans;
	e->in = e->out;
	e->in.source = !number;
	e->in.target = (uint8_t)number;
}

static struct bench *
bench_open(const struct setup *s)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->endpoints = calloc(2, sizeof(*b->endpoints));
	b->traffic = calloc(1, sizeof(*b->traffic));
	b->loopback = calloc(1, sizeof(*b->loopback));
	if (s->imix)
		traffic_mix_imix(&b->mix);
	else
		traffic_mix_single(&b->mix, s->size);
	for (unsigned i = 0; i < 2; i++)
		open_guest(b, s, i);
	loopback_init(
		b->loopback, (struct guest *const[]){b->endpoints[0].guest, b->endpoints[1].guest});
	b->loopback->lag = s->lag;
	b->rounds = s->rounds ? s->rounds : 300;
	b->moody = s->moody;
	*b->traffic = (struct traffic){.endpoints = b->endpoints,
		.count = 2,
		.any = s->full || b->endpoints[0].guest->chain > 1,
		.on_round = on_round,
		.arg = b};
	return b;
}

static void
bench_run(struct bench *b, const struct setup *s, uint8_t run)
{
	b->traffic->phase = (struct phase){.kind = s->open ? PHASE_OPEN : PHASE_CLOSED,
		.two_way = !s->one_way,
		.rate = s->open ? 1e6 : 0,
		.window = b->endpoints[0].guest->frames,
		.grace = s->open ? TSC_HZ / 10 : 0,
		.quiet =
			TSC_HZ / 200, /* the loopback is this thread: it may be late, never later */
		.run = run,
		.latency = s->open,
		.tsc_hz = TSC_HZ};
	b->rounds_left = b->rounds;
	b->traffic->stage = TRAFFIC_MEASURE;
	traffic_run(b->traffic);
}

static void
bench_close(struct bench *b)
{
	for (unsigned i = 0; i < 2; i++)
		guest_destroy(b->endpoints[i].guest);
	free(b->endpoints);
	free(b->traffic);
	free(b->loopback);
	free(b);
}

static struct tally
tally_of(const struct bench *b)
{
	struct tally sum = {0};

	for (unsigned i = 0; i < 2; i++) {
		const struct tally *t = &b->endpoints[i].tally;

		sum.sent += t->sent;
		sum.received += t->received;
		sum.bytes += t->bytes;
		sum.lost += t->lost;
		sum.duplicates += t->duplicates;
		sum.reordered += t->reordered;
		sum.corrupt += t->corrupt;
		sum.stray += t->stray;
		sum.foreign += t->foreign;
		sum.inspected += t->inspected;
	}
	return sum;
}

/* ---- all is well ---- */

static void
check_clean(const struct setup *s)
{
	struct bench *b = bench_open(s);

	/* A second phase finds everything where it was. */
	for (uint8_t run = 0; run < 2; run++) {
		struct tally t;

		bench_run(b, s, run);
		t = tally_of(b);
		if (t.lost || t.corrupt || t.duplicates || t.reordered || t.stray || t.foreign ||
			t.received != t.sent || !t.sent || b->traffic->broken ||
			(!s->full && t.inspected))
			fail_msg("%s%s%s%s%s%s%s%s%s %u bytes, buffers of %u, %u flows: of %llu "
				 "sent %llu received, %llu lost, %llu corrupt, %llu twice, %llu "
				 "reordered, %llu inspected%s",
				s->packed ? "packed " : "split ", s->in_order ? "in order " : "",
				s->mergeable ? "mergeable " : "", s->indirect ? "indirect " : "",
				s->one_way ? "one-way " : "", s->open ? "open " : "",
				s->full ? "full " : "", s->tagged ? "tagged " : "",
				s->imix ? "imix" : "", s->size, s->buffer,
				b->endpoints[0].out.flows, (unsigned long long)t.sent,
				(unsigned long long)t.received, (unsigned long long)t.lost,
				(unsigned long long)t.corrupt, (unsigned long long)t.duplicates,
				(unsigned long long)t.reordered, (unsigned long long)t.inspected,
				b->traffic->broken ? ", ring broken" : "");
		if (!s->imix)
			assert_int_equal(t.bytes, t.received * (s->size + (s->tagged ? 4 : 0)));
		for (unsigned i = 0; i < 2; i++) {
			const struct guest *g = b->endpoints[i].guest;

			assert_int_equal(driver_ring_in_flight(g->tx), 0);
			assert_int_equal(
				driver_ring_in_flight(g->rx), s->ring_size ? s->ring_size : 256);
			assert_int_equal(guest_idle_count(g), 2 * g->frames);
		}
		if (s->open)
			assert_int_equal(b->traffic->latency.count, t.received);
	}
	bench_close(b);
}

static void
for_each_ring(const struct setup *setup)
{
	for (unsigned bits = 0; bits < 16; bits++) {
		struct setup s = *setup;

		s.packed = bits & 1;
		s.in_order = bits & 2;
		s.one_way = bits & 4;
		s.mergeable = s.mergeable || bits & 8;
		check_clean(&s);
	}
}

/* Whatever the switch does when, there is a buffer for each frame on the way. */
static void
test_no_starving(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 40; seed++) {
		const struct setup s = {.size = 64,
			.packed = seed & 1,
			.in_order = seed & 2,
			.mergeable = true,
			.ring_size = 1024,
			.rounds = 2000,
			.moody = true};
		struct bench *b = bench_open(&s);

		b->seed = seed;
		b->least = UINT32_MAX;
		bench_run(b, &s, 0);
		if (b->loopback->starved || b->least < s.ring_size / 2)
			fail_msg("seed %u: %llu times no buffer, %u at least", seed,
				(unsigned long long)b->loopback->starved, b->least);
		bench_close(b);
	}
}

static void
test_short_frames(void **state)
{
	for_each_ring(&(struct setup){.size = 64});
	for_each_ring(&(struct setup){.size = 64, .tagged = true, .vlans = 1});
	for_each_ring(&(struct setup){.size = 127});
	for_each_ring(&(struct setup){.size = 128});
}

static void
test_flows(void **state)
{
	for_each_ring(&(struct setup){.size = 64, .macs = 100});
	for_each_ring(&(struct setup){.size = 64, .macs = 10, .vlans = 3, .tagged = true});
	for_each_ring(&(struct setup){.size = 1500, .macs = 7, .vlans = 4094, .tagged = true});
	for_each_ring(&(struct setup){.size = 1500, .macs = 100});
}

static void
test_long_frames_in_one_buffer(void **state)
{
	for_each_ring(&(struct setup){.size = 1500});
	for_each_ring(&(struct setup){.size = 1514, .tagged = true, .vlans = 1});
	for_each_ring(
		&(struct setup){.size = 9000, .buffer = 9100, .kind = FRAME_TSO, .ring_size = 64});
	for_each_ring(&(struct setup){
		.size = 9000, .buffer = 9100, .kind = FRAME_TSO, .macs = 3, .ring_size = 64});
	for_each_ring(&(struct setup){.size = 9000,
		.buffer = 9100,
		.kind = FRAME_TSO,
		.tagged = true,
		.vlans = 2,
		.ring_size = 64});
	for_each_ring(
		&(struct setup){.size = 9000, .buffer = 9100, .kind = FRAME_USO, .ring_size = 64});
}

static void
test_frames_of_several_buffers(void **state)
{
	static const uint32_t buffers[] = {512, 2048, 4096};

	for (unsigned i = 0; i < 3; i++)
		for (unsigned indirect = 0; indirect < 2; indirect++) {
			struct setup s = {.mergeable = true,
				.indirect = indirect,
				.buffer = buffers[i],
				.kind = FRAME_TSO,
				.rounds = 50};

			/* The second stamp in one buffer, in two, in the last alone. */
			for (s.size = 8180; s.size <= 8200; s.size += 7)
				for_each_ring(&s);
			s.size = 65536;
			s.ring_size = 512;
			for_each_ring(&s);
		}
}

static void
test_mixed_lengths(void **state)
{
	for_each_ring(&(struct setup){.imix = true});
	for_each_ring(&(struct setup){.imix = true, .mergeable = true, .buffer = 600});
	for_each_ring(&(struct setup){.imix = true, .tagged = true, .vlans = 5, .macs = 3});
}

static void
test_full_verification(void **state)
{
	for_each_ring(&(struct setup){.size = 64, .full = true});
	for_each_ring(&(struct setup){.size = 1500, .full = true, .macs = 3, .rounds = 100});
	for_each_ring(&(struct setup){
		.size = 20000, .full = true, .mergeable = true, .kind = FRAME_TSO, .rounds = 50});
	for_each_ring(&(struct setup){.imix = true, .full = true, .rounds = 100});
}

static void
test_by_the_clock(void **state)
{
	for_each_ring(&(struct setup){.size = 64, .open = true});
	for_each_ring(&(struct setup){.size = 1500, .open = true, .macs = 2});
	for_each_ring(&(struct setup){.imix = true, .open = true});
	for_each_ring(&(struct setup){
		.size = 20000, .open = true, .mergeable = true, .kind = FRAME_TSO, .rounds = 100});
}

/* A switch that delivers at once and gives buffers back late. */
static void
test_late_completion(void **state)
{
	static const unsigned lags[] = {2, 7, 40};

	for (unsigned i = 0; i < 3; i++) {
		for_each_ring(&(struct setup){.size = 64, .lag = lags[i], .ring_size = 64});
		for_each_ring(&(struct setup){.imix = true, .lag = lags[i], .ring_size = 64});
		for_each_ring(&(struct setup){.size = 300, .full = true, .lag = lags[i]});
	}
}

static void
test_odd_ring_sizes(void **state)
{
	for (uint16_t size = 65; size < 100; size += 7)
		for (unsigned in_order = 0; in_order < 2; in_order++)
			check_clean(&(struct setup){.size = 64,
				.packed = true,
				.in_order = in_order,
				.ring_size = size});
}

/* ---- something happens to a frame ---- */

struct accident {
	uint64_t number; /* of the first guest's frames */
	enum loopback_fate fate;
	int byte;       /* to change, -1 = none */
	int32_t length; /* to add */
};

static enum loopback_fate
happen(void *arg, unsigned from, uint64_t number, uint8_t *flat, uint32_t *length)
{
	const struct accident *a = arg;

	if (from || number != a->number)
		return LOOPBACK_PASS;
	if (a->byte >= 0)
		flat[a->byte] ^= 0x10;
	*length += (uint32_t)a->length;
	return a->fate;
}

static struct tally
run_with(const struct setup *s, struct accident accident)
{
	struct bench *b = bench_open(s);
	struct tally t;

	b->loopback->fate = happen;
	b->loopback->arg = &accident;
	bench_run(b, s, 0);
	t = tally_of(b);
	assert_false(b->traffic->broken);
	bench_close(b);
	return t;
}

/* Rings and loads that take different ways through the code. */
static const struct setup ways[] = {
	{.size = 64, .in_order = true},
	{.size = 64, .packed = true},
	{.size = 64, .one_way = true},
	{.size = 64, .open = true, .packed = true, .in_order = true},
	{.size = 1500, .in_order = true},
	{.size = 64, .full = true},
	{.imix = true},
	{.size = 8000, .mergeable = true, .kind = FRAME_TSO},
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void
test_loss_is_noticed(void **state)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct tally t = run_with(&ways[i], (struct accident){5, LOOPBACK_DROP, -1, 0});

		assert_int_equal(t.lost, 1);
		assert_int_equal(t.received, t.sent - 1);
		assert_int_equal(t.corrupt + t.duplicates + t.reordered, 0);
	}
}

static void
test_repetition_is_noticed(void **state)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct tally t = run_with(&ways[i], (struct accident){7, LOOPBACK_TWICE, -1, 0});

		assert_int_equal(t.duplicates, 1);
		assert_int_equal(t.lost + t.corrupt + t.reordered, 0);
		assert_int_equal(t.received, t.sent);
	}
}

static void
test_order_is_noticed(void **state)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct setup s = ways[i];
		struct tally t = run_with(&s, (struct accident){9, LOOPBACK_LATER, -1, 0});

		assert_int_equal(t.reordered, 1);
		assert_int_equal(t.lost + t.corrupt + t.duplicates, 0);
		/* Between flows there is no order. */
		s.macs = 2;
		t = run_with(&s, (struct accident){9, LOOPBACK_LATER, -1, 0});
		assert_int_equal(t.reordered + t.lost + t.corrupt + t.duplicates, 0);
	}
}

static void
test_changed_bytes_are_noticed(void **state)
{
	for (unsigned i = 0; i < WAYS; i++) {
		/* Of the frame: addresses, lengths, checksums, the first stamp. */
		for (int byte = FRAME_AT; byte < 64; byte++) {
			struct tally t =
				run_with(&ways[i], (struct accident){3, LOOPBACK_PASS, byte, 0});

			if (t.lost != 1 || t.received != t.sent - 1 ||
				t.corrupt + t.foreign + t.stray < 1)
				fail_msg("way %u, byte %d: %llu lost, %llu corrupt", i, byte,
					(unsigned long long)t.lost, (unsigned long long)t.corrupt);
		}
	}
}

static void
test_changed_payload_is_noticed(void **state)
{
	const struct setup full = {.size = 300, .full = true}, sample = {.size = 300};
	struct tally t;

	for (int byte = FRAME_AT; byte < FRAME_AT + 300; byte += 5) {
		t = run_with(&full, (struct accident){3, LOOPBACK_PASS, byte, 0});
		assert_int_equal(t.lost, 1);
		assert_true(t.corrupt + t.foreign + t.stray >= 1);
	}
	/* The second stamp: the end of a frame. */
	for (int byte = FRAME_AT + 292; byte < FRAME_AT + 300; byte++) {
		t = run_with(&sample, (struct accident){3, LOOPBACK_PASS, byte, 0});
		assert_int_equal(t.corrupt, 1);
	}
}

static void
test_changed_length_is_noticed(void **state)
{
	for (unsigned i = 0; i < WAYS; i++)
		for (int d = -30; d <= 30; d += 10) {
			struct tally t =
				run_with(&ways[i], (struct accident){3, LOOPBACK_PASS, -1, d});

			assert_int_equal(t.lost, d ? 1 : 0);
			assert_int_equal(t.corrupt + t.foreign, d ? 1 : 0);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_starving),
		cmocka_unit_test(test_short_frames),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_long_frames_in_one_buffer),
		cmocka_unit_test(test_frames_of_several_buffers),
		cmocka_unit_test(test_mixed_lengths),
		cmocka_unit_test(test_full_verification),
		cmocka_unit_test(test_by_the_clock),
		cmocka_unit_test(test_late_completion),
		cmocka_unit_test(test_odd_ring_sizes),
		cmocka_unit_test(test_loss_is_noticed),
		cmocka_unit_test(test_repetition_is_noticed),
		cmocka_unit_test(test_order_is_noticed),
		cmocka_unit_test(test_changed_bytes_are_noticed),
		cmocka_unit_test(test_changed_payload_is_noticed),
		cmocka_unit_test(test_changed_length_is_noticed),
	};

	return cmocka_run_group_tests_name("bench_traffic", tests, NULL, NULL);
}
