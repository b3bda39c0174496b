/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that contradict the frame. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/offload_frames.h"

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
#define SPEC6_LONG(length)                                                           \
	{                                                                            \
		.version = 6, .protocol = TCP, .payload = 4000, .gso_size = 1000,    \
		.needs = OFFLOAD_CSUM | OFFLOAD_TSO6, .flags = 0x10, .hop = (length) \
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
SPOIL(nothing, (void)b; (void)f)
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
	{"headers too long to repeat", SPEC6_LONG(176), nothing, .unseen = true},
	{"headers longer than a frame's head", SPEC6_LONG(800), nothing, .unseen = true},
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_bad_description),
	};

	return cmocka_run_group_tests_name("offload_refusals", tests, NULL, NULL);
}
