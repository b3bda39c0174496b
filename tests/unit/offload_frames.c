/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/offload_frames.h"

uint32_t
naive_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

unsigned
get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

uint32_t
get32(const uint8_t *p)
{
	return get16(p) * 65536u + get16(p + 2);
}

void
fill_random(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rand();
}

uint32_t
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
void
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

static uint8_t *
scattered_copy(struct scattered *x, const uint8_t *bytes, unsigned len)
{
	uint8_t *p = malloc(len ? len : 1);

	memcpy(p, bytes, len);
	x->memory[x->used++] = p;
	return p;
}

void
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
}

void
scattered_free(struct scattered *x)
{
	for (unsigned i = 0; i < x->used; i++)
		free(x->memory[i]);
}

unsigned
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

void
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
