/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was joined is cut again by the software segmentation, which has tests of its own: the same
 * frames must come out, byte for byte, each flow in its order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/gro.h"
#include "tests/unit/offload_frames.h"

#define FLOWS  12
#define ROUNDS 4000
#define MACS   12

struct piece {
	unsigned len;
	uint8_t bytes[FRAME_LEN_MAX];
};

static struct offload *o;
static struct piece in[FRAME_BURST], out[16 * FRAME_BURST];
static unsigned in_count, out_count;
static struct burst burst;

static unsigned
gather(const struct frame *f, uint8_t *to)
{
	unsigned at = f->head_len;

	memcpy(to, f->data, at);
	for (unsigned s = 0; s < f->seg_count; s++) {
		memcpy(to + at, f->segs[s].addr, f->segs[s].len);
		at += f->segs[s].len;
	}
	assert_int_equal(at, f->len);
	return at;
}

static void
plain_spec(struct spec *s)
{
	static const unsigned sizes[] = {1, 7, 100, 536, 1448, 1460, 8948};

	*s = (struct spec){.tags = pick(3),
		.version = pick(2) ? 4 : 6,
		.protocol = TCP,
		.tcp_options = pick(2) * 12,
		.gso_size = (uint16_t)sizes[pick(7)],
		.flags = (uint8_t)(0x10 | pick(2) * 0x08),
		.id = (uint16_t)rand(),
		.frag = (uint16_t)(pick(2) * 0x4000)};
	s->needs = OFFLOAD_CSUM | (s->version == 4 ? OFFLOAD_TSO4 : OFFLOAD_TSO6);
	s->payload = 1 + pick(s->gso_size * 9u);
	if (s->payload > 60000)
		s->payload = 60000;
}

/* Appends the segments of a large frame to those that arrive. */
static void
cut(const struct spec *s)
{
	static struct built b;
	struct scattered x;
	struct frame *made;
	unsigned count;

	build(&b, s);
	scatter(&x, &b, s, FRAME_PREFIX);
	assert_int_equal(offload_complete(o, &x.frame, 0, &made, &count), 0);
	for (unsigned i = 0; i < count && in_count < FRAME_BURST; i++, in_count++)
		in[in_count].len = gather(&made[i], in[in_count].bytes);
	scattered_free(&x);
}

static bool
same_stations(const struct piece *a, const struct piece *b)
{
	return memcmp(a->bytes, b->bytes, MACS) == 0;
}

static void
swap(struct piece *a, struct piece *b)
{
	static struct piece t;

	t = *a;
	*a = *b;
	*b = t;
}

/* Frames of different flows change places; those of one keep their order. */
static void
mix(void)
{
	for (unsigned n = 0; n < 4 * in_count; n++) {
		unsigned i = pick(in_count);

		if (i + 1 < in_count && !same_stations(&in[i], &in[i + 1]))
			swap(&in[i], &in[i + 1]);
	}
}

/* A bit falls over anywhere: also in addresses, lengths, flags. */
static void
damage(void)
{
	struct piece *p = &in[pick(in_count)];

	p->bytes[pick(p->len < 80 ? p->len : 80)] ^= (uint8_t)(1u << pick(8));
}

/* What else networks do to frames. */
static void
disturb(void)
{
	unsigned i = pick(in_count), j = pick(in_count);
	struct piece *p = &in[i];

	switch (pick(5)) {
	case 0:
		p->bytes[p->len - 1] ^= 0x10;
		break;
	case 1: /* something else between the same stations */
		memset(p->bytes + MACS, 0x11, p->len - MACS);
		break;
	case 2:
		p->len -= p->len > 60 ? pick(20) : 0;
		break;
	case 3: /* twice */
		in[j] = *p;
		break;
	default:
		swap(p, &in[j]);
		break;
	}
}

/* The frames in a burst as a port leaves them: a private beginning, the rest in pieces. */
static void
receive(void)
{
	memset(&burst, 0, offsetof(struct burst, cookie));
	for (unsigned i = 0; i < in_count; i++) {
		struct frame *f = &burst.frames[i];
		uint32_t len = in[i].len, head = len <= FRAME_WHOLE ? len : 120 + pick(130);
		uint32_t at = head;

		f->data = burst.slots[i].bytes;
		frame_start(f, f->data, len, head, 0);
		f->segs = &burst.segs[burst.segs_used];
		memcpy(f->data, in[i].bytes, head);
		while (at < len) {
			uint32_t n = f->seg_count < 3 ? 1 + pick(len - at) : len - at;

			burst.segs[burst.segs_used++] =
				(struct frame_seg){.addr = in[i].bytes + at, .len = n};
			f->seg_count++;
			at += n;
		}
		burst.bytes += len;
	}
	burst.count = (uint16_t)in_count;
}

static void
cut_again(void)
{
	uint32_t bytes = 0;

	out_count = 0;
	for (unsigned i = 0; i < burst.count; i++) {
		struct frame *f = &burst.frames[i], *made = f;
		unsigned count = 1;

		bytes += f->len;
		if (f->needs) {
			assert_int_equal(offload_check(f), 0);
			assert_int_equal(offload_complete(o, f, 0, &made, &count), 0);
			assert_true(count > 1);
		}
		for (unsigned n = 0; n < count; n++, out_count++) {
			assert_true(out_count < FRAME_BURST);
			out[out_count].len = gather(&made[n], out[out_count].bytes);
		}
	}
	assert_int_equal(bytes, burst.bytes);
}

static void
check_flows(void)
{
	assert_int_equal(out_count, in_count);
	for (unsigned i = 0; i < in_count; i++) {
		unsigned before = 0, n = 0;

		/* Its number among those between its stations. */
		for (unsigned k = 0; k < i; k++)
			before += same_stations(&in[k], &in[i]);
		for (;; n++) {
			assert_true(n < out_count);
			if (same_stations(&out[n], &in[i]) && !before--)
				break;
		}
		assert_int_equal(out[n].len, in[i].len);
		assert_memory_equal(out[n].bytes, in[i].bytes, in[i].len);
	}
}

static unsigned
join(void)
{
	unsigned joined;

	receive();
	joined = gro_join(&burst);
	assert_int_equal(burst.count + joined, in_count);
	cut_again();
	check_flows();
	return joined;
}

static void
test_comes_apart_as_it_was(void **state)
{
	uint64_t joined = 0, frames = 0;

	(void)state;
	srand(11);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned flows = 1 + pick(FLOWS);

		in_count = 0;
		for (unsigned n = 0; n < flows && in_count < FRAME_BURST; n++) {
			struct spec s;

			plain_spec(&s);
			cut(&s);
		}
		mix();
		/* One that is damaged may become one of another flow, whose place among these is free:
		 * it leaves a gap in its own. */
		if (pick(3) == 0)
			damage();
		else
			for (unsigned n = pick(4); n; n--)
				disturb();
		joined += join();
		frames += in_count;
	}
	/* Most could be joined: else this test would show nothing. */
	assert_true(joined > frames / 3);
}

static void
test_a_stream_becomes_one_frame(void **state)
{
	struct spec s = {.version = 4,
		.protocol = TCP,
		.tcp_options = 12,
		.needs = OFFLOAD_CSUM | OFFLOAD_TSO4,
		.gso_size = 1448,
		.payload = 40 * 1448 + 100,
		.flags = 0x18,
		.frag = 0x4000};

	(void)state;
	in_count = 0;
	cut(&s);
	assert_int_equal(in_count, 41);
	assert_int_equal(join(), 40);
	assert_int_equal(burst.frames[0].gso_size, 1448);
	/* No longer than a packet can be. */
	in_count = 0;
	cut(&s);
	s.payload = 10 * 1448;
	cut(&s);
	join();
}

/* Everything else is left as it came, request and all. */
static void
test_others_stay(void **state)
{
	struct spec s = {.version = 6,
		.protocol = UDP,
		.needs = OFFLOAD_CSUM | OFFLOAD_USO,
		.gso_size = 500,
		.payload = 5000};
	static const uint8_t flags[] = {0x11, 0x14, 0x30, 0x50, 0x00};

	(void)state;
	in_count = 0;
	cut(&s);
	assert_int_equal(join(), 0);
	for (unsigned i = 0; i < sizeof(flags); i++) {
		s = (struct spec){.version = 4,
			.protocol = TCP,
			.needs = OFFLOAD_CSUM | OFFLOAD_TSO4,
			.gso_size = 500,
			.payload = 5000,
			.flags = flags[i]};
		in_count = 0;
		cut(&s);
		/* FIN stands on the last segment alone. */
		assert_int_equal(join(), flags[i] == 0x11 ? 8 : 0);
	}
	/* Options, extension headers. */
	s.flags = 0x10;
	s.options = 4;
	in_count = 0;
	cut(&s);
	assert_int_equal(join(), 0);
}

static int
start(void **state)
{
	(void)state;
	return offload_create(&o);
}

static int
stop(void **state)
{
	(void)state;
	offload_destroy(o);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_apart_as_it_was),
		cmocka_unit_test(test_a_stream_becomes_one_frame),
		cmocka_unit_test(test_others_stay),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
