/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What offload_complete() makes is judged by a checker of its own kind: it parses every resulting
 * frame byte by byte from the RFCs, sums naively, and puts the payload together again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/offload.h"

#define TCP 6
#define UDP 17

/* ---- a frame as the test wants it ---- */

struct spec {
	unsigned tags;     /* 0..3 */
	unsigned version;  /* 4, 6 */
	unsigned protocol; /* TCP, UDP */
	unsigned options;  /* IPv4 options, bytes, multiple of 4 */
	bool source_route; /* IPv4: the options hold one */
	unsigned hop, destination, routing, destination_last; /* IPv6: bytes, 0 or multiple of 8 */
	unsigned routing_left;                                /* segments left */
	unsigned tcp_options;
	unsigned payload;
	uint8_t needs;
	uint16_t gso_size;
	uint8_t flags;     /* TCP */
	uint16_t id, frag; /* IPv4 identification and flags */
	bool no_total;     /* the IP length is left 0 */
};

struct built {
	uint8_t bytes[FRAME_LEN_MAX + 1];
	unsigned len, l3, l4, payload;
	uint8_t final[16]; /* destination for the pseudo header */
	unsigned fragment; /* end of the unfragmentable part */
};

/* Sum by the book: big-endian words, one at a time. */
static uint32_t
naive_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned
get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static uint32_t
get32(const uint8_t *p)
{
	return get16(p) * 65536u + get16(p + 2);
}

static void
fill_random(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rand();
}

static uint32_t
naive_pseudo(const uint8_t *source, const uint8_t *final, unsigned address, unsigned protocol,
	unsigned len)
{
	uint32_t sum = naive_sum(source, address, 0);

	sum = naive_sum(final, address, sum);
	return sum + protocol + len;
}

static unsigned
build_options(uint8_t *p, const struct spec *s, uint8_t *final)
{
	unsigned at = 0;

	memset(p, 1, s->options);
	if (s->source_route) {
		assert_true(s->options >= 12);
		p[0] = 137; /* strict source and record route: two hops to go */
		p[1] = 11;
		p[2] = 4;
		fill_random(p + 3, 8);
		memcpy(final, p + 7, 4);
		at = 11;
	}
	if (s->options - at >= 8) {
		p[at] = 68; /* time stamp: not copied into fragments */
		p[at + 1] = 7;
		memset(p + at + 2, 0x55, 5);
		at += 7;
	}
	if (s->options - at >= 4) {
		p[at] = 148; /* router alert: copied */
		p[at + 1] = 4;
		p[at + 2] = p[at + 3] = 0;
		at += 4;
	}
	if (at < s->options)
		p[s->options - 1] = 0;
	return s->options;
}

static void
build_ipv4(struct built *b, const struct spec *s)
{
	uint8_t *ip = b->bytes + b->l3;

	memset(ip, 0, 20);
	ip[0] = (uint8_t)(0x45 + s->options / 4);
	ip[1] = 0x02;
	put16(ip + 4, s->id);
	put16(ip + 6, s->frag);
	ip[8] = 61;
	ip[9] = (uint8_t)s->protocol;
	put16(ip + 10, 0xdead);
	fill_random(ip + 12, 8);
	memcpy(b->final, ip + 16, 4);
	b->l4 = b->l3 + 20 + build_options(ip + 20, s, b->final);
	b->fragment = b->l4;
}

static uint8_t *
build_extension(struct built *b, uint8_t *next, unsigned type, unsigned len)
{
	uint8_t *p = b->bytes + b->l4;

	if (!len)
		return next;
	*next = (uint8_t)type;
	memset(p, 0, len);
	p[1] = (uint8_t)(len / 8 - 1);
	if (type != 43) {
		p[2] = 1; /* PadN */
		p[3] = (uint8_t)(len - 4);
	}
	b->l4 += len;
	return p;
}

static void
build_ipv6(struct built *b, const struct spec *s)
{
	uint8_t *ip = b->bytes + b->l3, *next = ip + 6;

	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[3] = 7;
	ip[7] = 63;
	fill_random(ip + 8, 32);
	memcpy(b->final, ip + 24, 16);
	b->l4 = b->l3 + 40;
	next = build_extension(b, next, 0, s->hop);
	b->fragment = b->l4;
	next = build_extension(b, next, 60, s->destination);
	if (s->routing) {
		next = build_extension(b, next, 43, s->routing);
		next[2] = 4;
		next[3] = (uint8_t)s->routing_left;
		fill_random(next + 8, s->routing - 8);
		if (s->routing_left)
			memcpy(b->final, next + 8, 16);
		b->fragment = b->l4;
	}
	next = build_extension(b, next, 60, s->destination_last);
	*next = (uint8_t)s->protocol;
}

static void
build_transport(struct built *b, const struct spec *s)
{
	uint8_t *p = b->bytes + b->l4;

	fill_random(p, 8);
	b->payload = b->l4 + 8;
	if (s->protocol == TCP) {
		fill_random(p, 20 + s->tcp_options);
		p[12] = (uint8_t)((20 + s->tcp_options) / 4 << 4);
		p[13] = s->flags;
		b->payload = b->l4 + 20 + s->tcp_options;
	}
	b->len = b->payload + s->payload;
	assert_true(b->len <= FRAME_LEN_MAX);
	fill_random(b->bytes + b->payload, s->payload);
	if (s->protocol == UDP)
		put16(p + 4, 8 + s->payload);
}

/* The checksum field as CHECKSUM_PARTIAL leaves it: the sum of the pseudo header. */
static void
build(struct built *b, const struct spec *s)
{
	unsigned address = s->version == 4 ? 4 : 16, at = 12;
	uint8_t *ip;

	fill_random(b->bytes, 12);
	for (unsigned i = 0; i < s->tags; i++, at += 4) {
		put16(b->bytes + at, i + 1 < s->tags ? 0x88a8 : 0x8100);
		put16(b->bytes + at + 2, 100 + i);
	}
	put16(b->bytes + at, s->version == 4 ? 0x0800 : 0x86dd);
	b->l3 = at + 2;
	if (s->version == 4)
		build_ipv4(b, s);
	else
		build_ipv6(b, s);
	build_transport(b, s);
	ip = b->bytes + b->l3;
	if (s->version == 4 && !s->no_total)
		put16(ip + 2, b->len - b->l3);
	else if (s->version == 6 && !s->no_total)
		put16(ip + 4, b->len - b->l3 - 40);
	put16(b->bytes + b->l4 + (s->protocol == TCP ? 16 : 6),
		naive_sum(NULL, 0,
			naive_pseudo(ip + (s->version == 4 ? 12 : 8), b->final, address,
				s->protocol, b->len - b->l4)) %
			0xffff);
}

/* ---- the frame in guest memory: a head and random segments, each an allocation of its own ---- */

#define PIECES 40

struct scattered {
	struct frame frame;
	struct frame_seg segs[PIECES];
	uint8_t *memory[PIECES + 1];
	unsigned used;
};

static uint8_t *
scattered_copy(struct scattered *x, const uint8_t *bytes, unsigned len)
{
	uint8_t *p = malloc(len ? len : 1);

	memcpy(p, bytes, len);
	x->memory[x->used++] = p;
	return p;
}

static void
scatter(struct scattered *x, const struct built *b, const struct spec *s, unsigned head)
{
	unsigned at;

	*x = (struct scattered){0};
	if (head > b->len)
		head = b->len;
	x->frame.data = scattered_copy(x, b->bytes, head);
	x->frame.head_len = (uint16_t)head;
	x->frame.len = b->len;
	x->frame.segs = x->segs;
	for (at = head; at < b->len;) {
		unsigned left = b->len - at, len = 1 + (unsigned)rand() % 5000;

		if (len > left || x->frame.seg_count == PIECES - 1)
			len = left;
		x->segs[x->frame.seg_count].addr = scattered_copy(x, b->bytes + at, len);
		x->segs[x->frame.seg_count++].len = len;
		at += len;
	}
	x->frame.needs = s->needs;
	x->frame.gso_size = s->gso_size;
	x->frame.hdr_len = (uint16_t)rand(); /* not to be believed */
	x->frame.csum_start = (uint16_t)b->l4;
	x->frame.csum_offset = s->protocol == TCP ? 16 : 6;
	x->frame.vlan = 77;
	x->frame.tci = 0x6000 | 77;
	x->frame.tagged = s->tags > 0;
	x->frame.tag_type = 0x88a8;
	x->frame.hash = 0x1122334455667788;
}

static void
scattered_free(struct scattered *x)
{
	for (unsigned i = 0; i < x->used; i++)
		free(x->memory[i]);
}

/* ---- the checker ---- */

static unsigned
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
	assert_true(f->hash == 0x1122334455667788);
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

/* ---- random matrix ---- */

static unsigned
pick(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
random_headers(struct spec *s)
{
	s->tags = pick(4);
	s->version = pick(2) ? 4 : 6;
	s->protocol = pick(2) ? TCP : UDP;
	s->id = (uint16_t)rand();
	if (s->version == 4) {
		s->frag = pick(2) ? 0x4000 : 0;
		s->options = pick(2) ? 0 : pick(11) * 4;
		s->source_route = s->options >= 12 && pick(3) == 0;
	} else if (pick(2)) {
		s->hop = pick(2) * 8;
		s->destination = pick(2) * 16;
		s->routing = pick(2) * 24;
		s->routing_left = pick(2);
		s->destination_last = pick(3) * 8;
		if (!s->routing)
			s->destination = 0;
	}
	if (s->protocol == TCP) {
		s->tcp_options = pick(11) * 4;
		s->flags = (uint8_t)(rand() & ~0x02);
	}
}

static void
random_spec(struct spec *s)
{
	static const unsigned sizes[] = {1, 7, 8, 9, 100, 536, 1000, 1400, 1448, 1460, 1480, 8948};
	unsigned most, headers;

	*s = (struct spec){0};
	random_headers(s);
	headers = 14 + s->tags * 4 +
		  (s->version == 4 ? 20 + s->options
				   : 40 + s->hop + s->destination + s->routing +
					     s->destination_last) +
		  (s->protocol == TCP ? 20 + s->tcp_options : 8);
	s->needs = OFFLOAD_CSUM;
	if (pick(4)) {
		if (s->protocol == TCP)
			s->needs |= s->version == 4 ? OFFLOAD_TSO4 : OFFLOAD_TSO6;
		else
			s->needs |= pick(2) ? OFFLOAD_UFO : OFFLOAD_USO;
		if (s->protocol == TCP && pick(3) == 0)
			s->needs |= OFFLOAD_ECN;
		s->no_total = pick(8) == 0;
	}
	s->gso_size = (uint16_t)(pick(4) ? sizes[pick(12)] : 1 + pick(9000));
	if (s->needs & OFFLOAD_UFO && s->gso_size < 8)
		s->gso_size = 8;
	most = (s->needs & OFFLOAD_UFO ? s->gso_size & ~7u : s->gso_size) * (pick(8) ? 8u : 120u);
	if (!(s->needs & OFFLOAD_GSO))
		most = pick(8) ? 3000 : 65000;
	s->payload = pick(most + 1);
	if (headers + s->payload > 65500)
		s->payload = 65500 - headers;
}

static void
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

/* ---- what a receiver accepts ---- */

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

/* ---- checksums of what is not parsed ---- */

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

/* ---- requests that contradict the frame ---- */

struct twist {
	const char *name;
	struct spec spec;
	/* Spoils the built bytes or the frame. */
	void (*spoil)(struct built *b, struct frame *f);
	bool unseen; /* the head alone does not show it: offload_check() may pass it */
	int error;
};

#define SPEC4                                                                     \
	{                                                                         \
		.version = 4, .protocol = TCP, .payload = 4000, .gso_size = 1000, \
		.needs = OFFLOAD_CSUM | OFFLOAD_TSO4, .flags = 0x10               \
	}
#define SPEC6                                                                     \
	{                                                                         \
		.version = 6, .protocol = TCP, .payload = 4000, .gso_size = 1000, \
		.needs = OFFLOAD_CSUM | OFFLOAD_TSO6, .flags = 0x10, .hop = 8     \
	}
#define SPECU                                                                     \
	{                                                                         \
		.version = 4, .protocol = UDP, .payload = 4000, .gso_size = 1000, \
		.needs = OFFLOAD_CSUM | OFFLOAD_UFO                               \
	}

#define SPOIL(name, ...)                                   \
	static void name(struct built *b, struct frame *f) \
	{                                                  \
		__VA_ARGS__;                               \
	}
SPOIL(no_csum, f->needs &= (uint8_t)~OFFLOAD_CSUM)
SPOIL(unknown_need, f->needs |= 0x80)
SPOIL(both_tso, f->needs |= OFFLOAD_TSO6)
SPOIL(tso_and_uso, f->needs |= OFFLOAD_USO)
SPOIL(other_version, f->needs ^= OFFLOAD_TSO4 | OFFLOAD_TSO6)
SPOIL(uso_of_tcp, f->needs = OFFLOAD_CSUM | OFFLOAD_USO)
SPOIL(ufo_of_tcp, f->needs = OFFLOAD_CSUM | OFFLOAD_UFO)
SPOIL(tso_of_udp, f->needs = OFFLOAD_CSUM | OFFLOAD_TSO4)
SPOIL(ecn_of_udp, f->needs |= OFFLOAD_ECN)
SPOIL(ecn_alone, f->needs = OFFLOAD_CSUM | OFFLOAD_ECN)
SPOIL(gso_size_0, f->gso_size = 0)
SPOIL(gso_size_7, f->gso_size = 7)
SPOIL(many, f->gso_size = 4000 / 128)
SPOIL(many_fragments, f->gso_size = 31)
SPOIL(csum_in_ethernet, f->csum_start = 13)
SPOIL(csum_start_at_end, f->csum_start = (uint16_t)f->len)
SPOIL(csum_start_huge, f->csum_start = 0xffff)
SPOIL(csum_offset_huge, f->csum_offset = 0xffff)
SPOIL(csum_offset_past_end, f->csum_offset = (uint16_t)(f->len - f->csum_start - 1))
SPOIL(csum_start_off, f->csum_start++)
SPOIL(csum_offset_off, f->csum_offset += 2)
SPOIL(ether_type, put16(b->bytes + 12, 0x88cc))
SPOIL(four_tags, for (unsigned i = 12; i < 28; i += 4) put16(b->bytes + i, 0x8100))
SPOIL(ip_version, b->bytes[b->l3] ^= 0x20)
SPOIL(ip_header_short, b->bytes[b->l3] = 0x44)
SPOIL(ip_header_short_csum, b->bytes[b->l3] = 0x44; f->csum_start -= 4)
SPOIL(csum_alone_in_ethernet, f->needs = OFFLOAD_CSUM; f->csum_start = 13)
SPOIL(ip_header_long, b->bytes[b->l3] = 0x4f; b->bytes[b->l3 + 72] = 0x50)
SPOIL(ip_total_long, put16(b->bytes + b->l3 + 2, b->len - b->l3 + 1))
SPOIL(ip_total_short, put16(b->bytes + b->l3 + 2, b->len - b->l3 - 1))
SPOIL(ip6_total_long, put16(b->bytes + b->l3 + 4, b->len - b->l3 - 39))
SPOIL(ip_fragment, put16(b->bytes + b->l3 + 6, 0x2000))
SPOIL(ip_fragment_last, put16(b->bytes + b->l3 + 6, 1))
SPOIL(ip_protocol, b->bytes[b->l3 + 9] = 47)
SPOIL(tcp_header_short, b->bytes[b->l4 + 12] = 0x40)
SPOIL(tcp_syn, b->bytes[b->l4 + 13] |= 2)
SPOIL(hop_long, b->bytes[b->l3 + 41] = 255)
SPOIL(hop_twice, b->bytes[b->l3 + 40] = 0)
SPOIL(next_fragment, b->bytes[b->l3 + 40] = 44)
SPOIL(next_none, b->bytes[b->l3 + 40] = 59)

static const struct twist twists[] = {
	{"gso without csum", SPEC4, no_csum},
	{"unknown bit", SPEC4, unknown_need},
	{"TSO4 and TSO6", SPEC4, both_tso},
	{"TSO4 and USO", SPEC4, tso_and_uso},
	{"TSO6 of IPv4", SPEC4, other_version},
	{"TSO4 of IPv6", SPEC6, other_version},
	{"USO of TCP", SPEC4, uso_of_tcp},
	{"UFO of TCP", SPEC6, ufo_of_tcp},
	{"TSO of UDP", SPECU, tso_of_udp},
	{"ECN of UDP", SPECU, ecn_of_udp},
	{"ECN alone", SPEC4, ecn_alone},
	{"gso_size 0", SPEC4, gso_size_0},
	{"UFO gso_size 7", SPECU, gso_size_7, .unseen = true},
	{"129 segments", SPEC4, many, .unseen = true, .error = -E2BIG},
	{"too many fragments", SPECU, many_fragments, .unseen = true, .error = -E2BIG},
	{"csum_start in the Ethernet header", SPEC4, csum_in_ethernet},
	{"csum_start at the end", SPEC4, csum_start_at_end},
	{"csum_start huge", SPEC4, csum_start_huge},
	{"csum_offset huge", SPEC4, csum_offset_huge},
	{"csum_offset past the end", SPEC4, csum_offset_past_end},
	{"csum_start off by one", SPEC4, csum_start_off},
	{"csum_offset off by two", SPEC4, csum_offset_off},
	{"EtherType", SPEC4, ether_type},
	{"four tags", SPEC4, four_tags},
	{"IPv4 version", SPEC4, ip_version},
	{"IPv6 version", SPEC6, ip_version},
	{"IPv4 header too short", SPEC4, ip_header_short},
	{"IPv4 header too short, csum_start to match", SPEC4, ip_header_short_csum},
	{"csum-only in the Ethernet header", SPEC4, csum_alone_in_ethernet},
	{"IPv4 header too long", SPEC4, ip_header_long},
	{"IPv4 length too long", SPEC4, ip_total_long},
	{"IPv4 length too short", SPEC4, ip_total_short},
	{"IPv6 length too long", SPEC6, ip6_total_long},
	{"fragment", SPEC4, ip_fragment},
	{"last fragment", SPECU, ip_fragment_last},
	{"GRE", SPEC4, ip_protocol},
	{"TCP header too short", SPEC4, tcp_header_short},
	{"SYN with data for several", SPEC4, tcp_syn, .unseen = true},
	{"hop-by-hop header too long", SPEC6, hop_long, .unseen = true},
	{"two hop-by-hop headers", SPEC6, hop_twice},
	{"IPv6 fragment", SPEC6, next_fragment},
	{"no next header", SPEC6, next_none},
};

static void
test_contradictions(void **state)
{
	struct offload *o;

	assert_int_equal(offload_create(&o), 0);
	for (unsigned i = 0; i < sizeof(twists) / sizeof(twists[0]); i++) {
		const struct twist *t = &twists[i];
		static struct built b;
		struct scattered x;
		struct frame *out = NULL;
		unsigned count = 0;
		int error;

		/* Once for the request, once for the bytes: the order of the two must not matter. */
		build(&b, &t->spec);
		scatter(&x, &b, &t->spec, FRAME_PREFIX);
		t->spoil(&b, &(struct frame){.len = b.len});
		scattered_free(&x);
		scatter(&x, &b, &t->spec, FRAME_PREFIX);
		t->spoil(&b, &x.frame);
		error = offload_check(&x.frame);
		if (error != (t->unseen ? 0 : -EINVAL))
			fail_msg("%s: check gave %d", t->name, error);
		error = offload_complete(o, &x.frame, 0, &out, &count);
		if (error != (t->error ? t->error : -EINVAL) || out || count)
			fail_msg("%s: complete gave %d", t->name, error);
		scattered_free(&x);
	}
	offload_destroy(o);
}

/* What the head does not show is passed by offload_check(), what the request shows is not. */
static void
test_unseen(void **state)
{
	static struct built b;
	struct spec s = SPEC4;
	struct scattered x;

	build(&b, &s);
	for (unsigned head = FRAME_LEN_MIN; head < b.payload; head++) {
		scatter(&x, &b, &s, head);
		assert_int_equal(offload_check(&x.frame), 0);
		x.frame.needs |= OFFLOAD_TSO6;
		assert_int_equal(offload_check(&x.frame), -EINVAL);
		scattered_free(&x);
	}
}

/* A frame cut off anywhere: refused or completed, never read behind its end (sanitizers see). */
static void
test_cut_short(void **state)
{
	static const struct spec specs[] = {SPEC4, SPEC6, SPECU,
		{.version = 6,
			.protocol = UDP,
			.payload = 400,
			.gso_size = 100,
			.tags = 2,
			.needs = OFFLOAD_CSUM | OFFLOAD_USO,
			.routing = 24,
			.hop = 8}};
	struct offload *o;

	assert_int_equal(offload_create(&o), 0);
	for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		static struct built b;
		unsigned whole;

		build(&b, &specs[i]);
		whole = b.payload + 10;
		for (b.len = FRAME_LEN_MIN; b.len < whole; b.len++) {
			for (unsigned head = FRAME_LEN_MIN; head <= b.len; head += 7) {
				struct scattered x;
				struct frame *out;
				unsigned count;

				scatter(&x, &b, &specs[i], head);
				offload_check(&x.frame);
				assert_int_equal(
					offload_complete(o, &x.frame, 0, &out, &count), -EINVAL);
				x.frame.needs = OFFLOAD_CSUM;
				offload_check(&x.frame);
				offload_complete(o, &x.frame, 0, &out, &count);
				scattered_free(&x);
			}
		}
	}
	offload_destroy(o);
}

/* A description that does not add up is refused before anything is copied past the buffer. */
static void
test_bad_description(void **state)
{
	static struct built b;
	struct spec s = SPEC4;
	struct scattered x;
	struct frame *out, f;
	struct offload *o;
	unsigned count;

	assert_int_equal(offload_create(&o), 0);
	build(&b, &s);
	scatter(&x, &b, &s, FRAME_PREFIX);
	f = x.frame;
	f.len = FRAME_LEN_MAX + 1;
	assert_int_equal(offload_complete(o, &f, 0, &out, &count), -EINVAL);
	f.len = 13;
	assert_int_equal(offload_complete(o, &f, 0, &out, &count), -EINVAL);
	f = x.frame;
	f.len--;
	assert_int_equal(offload_complete(o, &f, 0, &out, &count), -EINVAL);
	f.len += 2;
	assert_int_equal(offload_complete(o, &f, 0, &out, &count), -EINVAL);
	f = x.frame;
	f.seg_count--;
	assert_int_equal(offload_complete(o, &f, 0, &out, &count), -EINVAL);
	scattered_free(&x);
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
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_identification),
		cmocka_unit_test(test_generic_csum),
		cmocka_unit_test(test_zero_sum),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_bad_description),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
