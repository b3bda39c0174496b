/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/offload_judge.h"

static void
run_spec(struct offload *o, const struct spec *s, unsigned head)
{
	static struct built b;
	struct scattered x;
	struct frame *out, before;
	unsigned count = 0;

	build(&b, s);
	scatter(&x, &b, s, head);
	before = x.frame;
	assert_int_equal(offload_check(&x.frame), 0);
	assert_memory_equal(&before, &x.frame, sizeof(before));
	assert_int_equal(offload_complete(o, &x.frame, 0, &out, &count), 0);
	assert_memory_equal(&before, &x.frame, sizeof(before));
	/* Nothing of the result leads into the sender's memory. */
	for (unsigned i = 0; i < x.frame.seg_count; i++)
		memset((uint8_t *)x.segs[i].addr, 0xa5, x.segs[i].len);
	assert_in_range(count, 1, OFFLOAD_SEGMENTS_MAX);
	check_result(&b, s, out, count);
	scattered_free(&x);
}

static void
test_matrix(void **state)
{
	struct offload *o;

	srand(7);
	assert_int_equal(offload_create(&o), 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct spec s;
		unsigned heads[] = {FRAME_PREFIX, FRAME_WHOLE, 14 + pick(200)};

		random_spec(&s);
		run_spec(o, &s, heads[pick(3)]);
	}
	offload_destroy(o);
	offload_destroy(NULL);
}

static void
expect(struct offload *o, const struct spec *s, unsigned accepts, bool passes)
{
	static struct built b;
	static uint8_t p[FRAME_LEN_MAX];
	struct scattered x;
	struct frame *out;
	unsigned count;

	build(&b, s);
	scatter(&x, &b, s, FRAME_PREFIX);
	assert_int_equal(offload_complete(o, &x.frame, accepts, &out, &count), 0);
	if (!passes) {
		check_result(&b, s, out, count);
	} else {
		assert_int_equal(count, 1);
		assert_int_equal(flatten(out, p), b.len);
		assert_memory_equal(p, b.bytes, b.len);
		assert_int_equal(out->needs, s->needs);
		assert_int_equal(out->gso_size, s->gso_size);
		assert_int_equal(out->csum_start, b.l4);
		assert_int_equal(out->csum_offset, s->protocol == TCP ? 16 : 6);
	}
	scattered_free(&x);
}

static void
test_accepts(void **state)
{
	struct spec tcp = {
		.version = 4, .protocol = TCP, .payload = 5000, .gso_size = 1448, .flags = 0x98};
	struct spec udp = {.version = 6, .protocol = UDP, .payload = 5000, .gso_size = 1000};
	struct offload *o;

	assert_int_equal(offload_create(&o), 0);
	tcp.needs = OFFLOAD_CSUM;
	expect(o, &tcp, OFFLOAD_CSUM, true);
	expect(o, &tcp, OFFLOAD_TSO4, false);
	tcp.needs = OFFLOAD_CSUM | OFFLOAD_TSO4;
	expect(o, &tcp, OFFLOAD_CSUM | OFFLOAD_TSO4, true);
	expect(o, &tcp, OFFLOAD_CSUM, false);
	expect(o, &tcp, OFFLOAD_CSUM | OFFLOAD_TSO6, false);
	expect(o, &tcp, OFFLOAD_TSO4, false);
	tcp.needs |= OFFLOAD_ECN;
	expect(o, &tcp, OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_ECN, true);
	expect(o, &tcp, OFFLOAD_CSUM | OFFLOAD_TSO4, false);
	udp.needs = OFFLOAD_CSUM | OFFLOAD_USO;
	expect(o, &udp, OFFLOAD_CSUM | OFFLOAD_USO, true);
	expect(o, &udp, OFFLOAD_CSUM | OFFLOAD_UFO, false);
	udp.needs = OFFLOAD_CSUM | OFFLOAD_UFO;
	expect(o, &udp, OFFLOAD_CSUM | OFFLOAD_UFO, true);
	expect(o, &udp, OFFLOAD_CSUM | OFFLOAD_USO, false);
	offload_destroy(o);
}

/* Identifications of fragments differ between datagrams. */
static void
test_identification(void **state)
{
	static struct built b;
	struct spec s = {.version = 6,
		.protocol = UDP,
		.payload = 3000,
		.gso_size = 1448,
		.needs = OFFLOAD_CSUM | OFFLOAD_UFO};
	uint32_t seen[64];
	struct offload *o;

	assert_int_equal(offload_create(&o), 0);
	for (unsigned i = 0; i < 64; i++) {
		struct scattered x;
		struct frame *out;
		unsigned count;

		build(&b, &s);
		scatter(&x, &b, &s, FRAME_PREFIX);
		assert_int_equal(offload_complete(o, &x.frame, 0, &out, &count), 0);
		seen[i] = get32(out[0].data + b.fragment + 4);
		for (unsigned j = 0; j < i; j++)
			assert_true(seen[j] != seen[i]);
		scattered_free(&x);
	}
	offload_destroy(o);
}

static void
test_generic_csum(void **state)
{
	struct offload *o;

	srand(3);
	assert_int_equal(offload_create(&o), 0);
	for (unsigned i = 0; i < 3000; i++) {
		static struct built b;
		static uint8_t p[FRAME_LEN_MAX];
		struct spec s = {.protocol = TCP, .needs = OFFLOAD_CSUM};
		unsigned offset, count;
		struct scattered x;
		struct frame *out;

		b.len = 20 + pick(i % 10 ? 600 : 65000);
		fill_random(b.bytes, b.len);
		b.l4 = 14 + pick(b.len - 15);
		offset = pick(b.len - b.l4 - 1) & ~1u;
		scatter(&x, &b, &s, 14 + pick(200));
		x.frame.csum_offset = (uint16_t)offset;
		assert_int_equal(offload_check(&x.frame), 0);
		assert_int_equal(offload_complete(o, &x.frame, 0, &out, &count), 0);
		assert_int_equal(count, 1);
		assert_int_equal(flatten(out, p), b.len);
		put16(b.bytes + b.l4 + offset,
			~naive_sum(b.bytes + b.l4, b.len - b.l4, 0) & 0xffff);
		if (offset == 6 && get16(b.bytes + b.l4 + 6) == 0)
			put16(b.bytes + b.l4 + 6, 0xffff);
		assert_memory_equal(p, b.bytes, b.len);
		scattered_free(&x);
	}
	offload_destroy(o);
}

/* A UDP sum that comes out as 0 must not say "no checksum"; TCP has no such meaning. */
static void
test_zero_sum(void **state)
{
	static struct built b;
	static uint8_t p[FRAME_LEN_MAX];
	struct offload *o;

	assert_int_equal(offload_create(&o), 0);
	for (unsigned i = 0; i < 4; i++) {
		static const uint8_t needs[] = {OFFLOAD_CSUM, OFFLOAD_CSUM | OFFLOAD_USO,
			OFFLOAD_CSUM | OFFLOAD_UFO, OFFLOAD_CSUM | OFFLOAD_UFO};
		struct spec s = {.version = i % 2 ? 6 : 4,
			.protocol = UDP,
			.payload = 100,
			.gso_size = (uint16_t)(i == 3 ? 64 : 1000),
			.needs = needs[i]};
		struct scattered x;
		struct frame *out;
		unsigned count, sum;

		build(&b, &s);
		/* The last word makes the whole sum 0xffff, whose complement is 0. */
		put16(b.bytes + b.len - 2, 0);
		sum = naive_sum(b.bytes + b.l4, b.len - b.l4, 0);
		put16(b.bytes + b.len - 2, 0xffff - sum);
		scatter(&x, &b, &s, FRAME_PREFIX);
		assert_int_equal(offload_complete(o, &x.frame, 0, &out, &count), 0);
		flatten(&out[0], p);
		if (i == 3)
			assert_int_equal(get16(out[0].segs[0].addr + 6), 0xffff);
		else
			assert_int_equal(get16(p + b.l4 + 6), 0xffff);
		scattered_free(&x);
	}
	offload_destroy(o);
}

/* The largest frames there are, and the most segments. */
static void
test_limits(void **state)
{
	struct spec s = {.version = 4,
		.protocol = TCP,
		.needs = OFFLOAD_CSUM | OFFLOAD_TSO4,
		.gso_size = 512,
		.payload = 128 * 512,
		.flags = 0x19};
	struct spec u = {.version = 6,
		.protocol = UDP,
		.needs = OFFLOAD_CSUM | OFFLOAD_UFO,
		.gso_size = 1448,
		.payload = 65527,
		.tags = 0};
	struct spec h = {.version = 6,
		.protocol = TCP,
		.needs = OFFLOAD_CSUM | OFFLOAD_TSO6,
		.gso_size = 512,
		.payload = 1500,
		.tcp_options = 4,
		.flags = 0x18};
	struct offload *o;

	assert_int_equal(offload_create(&o), 0);
	s.payload = 65535 - 40;
	run_spec(o, &s, FRAME_PREFIX);
	s.tags = 1;
	run_spec(o, &s, FRAME_PREFIX);
	s.gso_size = 65535;
	run_spec(o, &s, FRAME_PREFIX);
	s.gso_size = 1;
	s.payload = 128;
	run_spec(o, &s, FRAME_PREFIX);
	s.payload = 0;
	run_spec(o, &s, FRAME_PREFIX);
	/* The longest headers that are cut. */
	h.hop = 168;
	run_spec(o, &h, FRAME_PREFIX);
	run_spec(o, &h, FRAME_WHOLE);
	u.payload = FRAME_LEN_MAX - 14 - 40 - 8;
	run_spec(o, &u, FRAME_PREFIX);
	u.needs = OFFLOAD_CSUM;
	run_spec(o, &u, FRAME_PREFIX);
	offload_destroy(o);
}

static void
test_sum(void **state)
{
	static uint8_t bytes[FRAME_LEN_MAX + 16];

	srand(5);
	fill_random(bytes, sizeof(bytes));
	for (unsigned i = 0; i < 5000; i++) {
		unsigned at = pick(16), len = pick(i % 50 ? 300 : FRAME_LEN_MAX), first;
		uint32_t expected, sum;
		uint16_t folded;

		expected = ~naive_sum(bytes + at, len, 0) & 0xffff;
		first = len ? pick(len) & ~1u : 0;
		sum = offload_sum(bytes + at, first, 0);
		folded = offload_fold(offload_sum(bytes + at + first, len - first, sum));
		assert_int_equal(get16((uint8_t *)&folded), expected);
	}
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(offload_fold(offload_sum(bytes, FRAME_LEN_MAX - 1, 0xffffffff)), 0);
	assert_int_equal(offload_fold(0), 0xffff);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_identification),
		cmocka_unit_test(test_generic_csum),
		cmocka_unit_test(test_zero_sum),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
