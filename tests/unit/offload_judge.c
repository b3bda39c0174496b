/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/offload_judge.h"

unsigned
flatten(const struct frame *f, uint8_t *to)
{
	unsigned at = f->head_len;

	assert_true(f->head_len >= 14 && f->head_len <= FRAME_WHOLE);
	/* A tag may be pushed. */
	memset(f->data - FRAME_HEADROOM, 0xee, FRAME_HEADROOM);
	memcpy(to, f->data, f->head_len);
	for (unsigned i = 0; i < f->seg_count; i++) {
		assert_true(at + f->segs[i].len <= FRAME_LEN_MAX);
		memcpy(to + at, f->segs[i].addr, f->segs[i].len);
		at += f->segs[i].len;
	}
	assert_int_equal(at, f->len);
	assert_int_equal(f->vlan, 77);
	assert_int_equal(f->tci, 0x6000 | 77);
	assert_int_equal(f->tag_type, 0x88a8);
	return at;
}

static void
check_needs_nothing(const struct frame *f)
{
	assert_int_equal(f->needs, 0);
	assert_int_equal(f->gso_size, 0);
	assert_int_equal(f->csum_start, 0);
	assert_int_equal(f->csum_offset, 0);
}

static void
check_transport_sum(const struct built *b, const struct spec *s, const uint8_t *l4, unsigned len)
{
	const uint8_t *source = b->bytes + b->l3 + (s->version == 4 ? 12 : 8);
	unsigned address = s->version == 4 ? 4 : 16;
	uint32_t sum = naive_pseudo(source, b->final, address, s->protocol, len);

	assert_int_equal(
		naive_sum(l4, len, naive_sum(NULL, 0, (sum & 0xffff) + (sum >> 16))) % 0xffff, 0);
	if (s->protocol == UDP) {
		assert_int_not_equal(get16(l4 + 6), 0);
		assert_int_equal(get16(l4 + 4), len);
	}
}

/* Ethernet, tags and addresses as they were; lengths and the header's sum right. */
static void
check_ip(const struct built *b, const struct spec *s, const uint8_t *p, unsigned len)
{
	const uint8_t *ip = p + b->l3, *was = b->bytes + b->l3;

	assert_memory_equal(p, b->bytes, b->l3);
	if (s->version == 4) {
		assert_int_equal(ip[0], was[0]);
		assert_int_equal(ip[1], was[1]);
		assert_int_equal(get16(ip + 2), len - b->l3);
		assert_int_equal(ip[8], was[8]);
		assert_int_equal(ip[9], was[9]);
		assert_memory_equal(ip + 12, was + 12, 8);
		assert_int_equal(naive_sum(ip, 20 + s->options, 0), 0xffff);
	} else {
		assert_memory_equal(ip, was, 4);
		assert_int_equal(get16(ip + 4), len - b->l3 - 40);
		assert_memory_equal(ip + 7, was + 7, 33);
	}
}

static void
check_tcp(const struct built *b, const struct spec *s, const uint8_t *p, unsigned i, bool last)
{
	const uint8_t *tcp = p + b->l4, *was = b->bytes + b->l4;
	uint8_t flags = s->flags;

	if (i)
		flags &= 0x7f;
	if (!last)
		flags &= (uint8_t) ~(0x01 | 0x08);
	assert_memory_equal(tcp, was, 4);
	assert_int_equal(get32(tcp + 4), (uint32_t)(get32(was + 4) + i * s->gso_size));
	assert_memory_equal(tcp + 8, was + 8, 5);
	assert_int_equal(tcp[13], flags);
	assert_memory_equal(tcp + 14, was + 14, 2);
	assert_memory_equal(tcp + 18, was + 18, 2 + s->tcp_options);
}

/* TSO and USO: packets of their own whose payloads make the original's. */
static void
check_segments(const struct built *b, const struct spec *s, struct frame *out, unsigned count)
{
	static uint8_t p[FRAME_LEN_MAX], payload[FRAME_LEN_MAX];
	unsigned total = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned len = flatten(&out[i], p), part = len - b->payload;
		bool last = i + 1 == count;

		check_needs_nothing(&out[i]);
		check_ip(b, s, p, len);
		if (s->version == 4) {
			assert_int_equal(get16(p + b->l3 + 4), (uint16_t)(s->id + i));
			assert_int_equal(get16(p + b->l3 + 6), s->frag);
			assert_memory_equal(p + b->l3 + 20, b->bytes + b->l3 + 20, s->options);
		} else {
			assert_int_equal(p[b->l3 + 6], b->bytes[b->l3 + 6]);
			assert_memory_equal(
				p + b->l3 + 40, b->bytes + b->l3 + 40, b->l4 - b->l3 - 40);
		}
		if (s->protocol == TCP)
			check_tcp(b, s, p, i, last);
		else
			assert_memory_equal(p + b->l4, b->bytes + b->l4, 4);
		check_transport_sum(b, s, p + b->l4, len - b->l4);
		if (last)
			assert_in_range(part, s->payload ? 1 : 0, s->gso_size);
		else
			assert_int_equal(part, s->gso_size);
		memcpy(payload + total, p + b->payload, part);
		total += part;
	}
	assert_int_equal(total, s->payload);
	assert_memory_equal(payload, b->bytes + b->payload, total);
}

static void
check_fragment_ipv4(const struct built *b, const struct spec *s, const uint8_t *p, unsigned offset,
	bool last, unsigned id)
{
	const uint8_t *ip = p + b->l3, *was = b->bytes + b->l3;

	assert_int_equal(get16(ip + 4), id);
	assert_int_equal(get16(ip + 6), offset / 8 + (last ? 0 : 0x2000));
	for (unsigned i = 20; i < 20 + s->options; i++) {
		bool stamp = was[i] == 0x55 || (was[i] == 68 && was[i + 1] == 7) ||
			     (i > 20 && was[i - 1] == 68 && was[i] == 7);

		/* Bytes inside a source route are random: left to the header's sum. */
		if (s->source_route && i < 31)
			assert_int_equal(ip[i], was[i]);
		else
			assert_int_equal(ip[i], offset && stamp ? 1 : was[i]);
	}
}

static void
check_fragment_ipv6(
	const struct built *b, const uint8_t *p, unsigned offset, bool last, const uint8_t *first)
{
	const uint8_t *f = p + b->fragment;
	unsigned next_at = b->l3 + 6;

	/* The chain up to the fragment header is the original's but for the byte that names it. */
	if (b->fragment > b->l3 + 40) {
		unsigned at = b->l3 + 40;

		while (at < b->fragment) {
			next_at = at;
			at += (p[at + 1] + 1u) * 8;
		}
		assert_int_equal(at, b->fragment);
	}
	assert_int_equal(p[next_at], 44);
	for (unsigned i = b->l3 + 6; i < b->fragment; i++) {
		if (i != next_at)
			assert_int_equal(p[i], b->bytes[i]);
	}
	assert_int_equal(f[0], b->bytes[next_at]);
	assert_int_equal(f[1], 0);
	assert_int_equal(get16(f + 2), offset + !last);
	assert_memory_equal(f + 4, first + b->fragment + 4, 4);
}

/* UFO: fragments of one datagram with one sum. */
static void
check_fragments(const struct built *b, const struct spec *s, struct frame *out, unsigned count)
{
	static uint8_t p[FRAME_LEN_MAX], first[FRAME_LEN_MAX], whole[FRAME_LEN_MAX];
	unsigned extra = s->version == 6 ? 8 : 0, total = 0;
	unsigned fragmentable = b->len - b->fragment;

	for (unsigned i = 0; i < count; i++) {
		unsigned len = flatten(&out[i], p), part = len - b->fragment - extra;
		bool last = i + 1 == count;

		if (!i)
			memcpy(first, p, len);
		check_needs_nothing(&out[i]);
		if (s->version == 4) {
			check_ip(b, s, p, len);
			check_fragment_ipv4(
				b, s, p, total, last, s->frag ? get16(first + b->l3 + 4) : s->id);
		} else {
			assert_memory_equal(p, b->bytes, b->l3 + 4);
			assert_int_equal(get16(p + b->l3 + 4), len - b->l3 - 40);
			check_fragment_ipv6(b, p, total, last, first);
		}
		assert_true(part <= s->gso_size);
		if (!last)
			assert_int_equal(part, s->gso_size / 8 * 8);
		memcpy(whole + total, p + b->fragment + extra, part);
		total += part;
	}
	assert_int_equal(total, fragmentable);
	check_transport_sum(b, s, whole + (b->l4 - b->fragment), b->len - b->l4);
	assert_memory_equal(whole + (b->payload - b->fragment), b->bytes + b->payload, s->payload);
	assert_memory_equal(whole, b->bytes + b->fragment, b->l4 - b->fragment + 4);
}

/* One frame, the same but for the checksum. */
static void
check_whole(const struct built *b, const struct spec *s, struct frame *out, unsigned count)
{
	static uint8_t p[FRAME_LEN_MAX];
	unsigned field = b->l4 + (s->protocol == TCP ? 16 : 6);

	assert_int_equal(count, 1);
	assert_int_equal(flatten(out, p), b->len);
	check_needs_nothing(out);
	check_transport_sum(b, s, p + b->l4, b->len - b->l4);
	memcpy(p + field, b->bytes + field, 2);
	assert_memory_equal(p, b->bytes, b->len);
}

void
check_result(const struct built *b, const struct spec *s, struct frame *out, unsigned count)
{
	if (s->needs & OFFLOAD_UFO && b->len - b->fragment > s->gso_size)
		check_fragments(b, s, out, count);
	else if (s->needs & OFFLOAD_UFO) {
		struct spec one = *s;

		/* A datagram that fits is not cut. */
		one.gso_size = (uint16_t)(s->payload ? s->payload : 1);
		assert_int_equal(count, 1);
		check_segments(b, &one, out, count);
	} else if (s->needs & OFFLOAD_GSO)
		check_segments(b, s, out, count);
	else
		check_whole(b, s, out, count);
}
