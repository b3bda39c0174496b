/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "datapath/offload_internal.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_CWR 0x80

#define IPV4_DONT_FRAGMENT  0x4000
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OPTION_COPIED  0x80
#define IPV6_PROTO_FRAGMENT 44

/* The frame being cut. */
struct cut {
	struct offload *offload;
	const struct frame *in;
	struct offload_headers headers;
	unsigned header_len; /* bytes repeated in front of every piece */
	unsigned size;       /* payload bytes of each piece but the last */
	unsigned count;
};

static inline unsigned
piece_len(const struct cut *cut, unsigned i)
{
	unsigned left = cut->in->len - cut->header_len - i * cut->size;

	return left < cut->size ? left : cut->size;
}

static inline uint8_t *
piece_payload(const struct cut *cut, unsigned i)
{
	return offload_packet(cut->offload) + cut->header_len + i * cut->size;
}

/* Describes frame i: a copy of the headers, `extra` bytes longer, and the payload where it is. */
static uint8_t *
piece_begin(const struct cut *cut, unsigned i, unsigned extra)
{
	struct offload *o = cut->offload;
	unsigned len = piece_len(cut, i);
	struct frame *frame = &o->frames[i];
	uint8_t *head = o->slots[i].bytes;

	memcpy(head, offload_packet(o), cut->header_len);
	o->segs[i] = (struct frame_seg){.addr = piece_payload(cut, i), .len = len};
	*frame = *cut->in;
	frame->data = head;
	frame->segs = &o->segs[i];
	frame->seg_count = len ? 1 : 0;
	frame->head_len = (uint16_t)(cut->header_len + extra);
	frame->len = cut->header_len + extra + len;
	frame_clear_request(frame);
	return head;
}

static void
ipv4_finish(uint8_t *ip, unsigned total)
{
	unsigned header_len = (ip[0] & 0xf) * 4u;

	store16(ip + 2, total);
	store16(ip + 10, 0);
	store_sum(ip + 10, offload_fold(offload_sum(ip, header_len, 0)));
}

/* Lengths, identification and the IPv4 header's sum of a segment that is a packet of its own. */
static void
ip_finish(const struct cut *cut, unsigned i, uint8_t *head)
{
	uint8_t *ip = head + cut->headers.l3;
	unsigned total = cut->offload->frames[i].len - cut->headers.l3;

	if (cut->headers.version == 6) {
		store16(ip + 4, total - IPV6_HEADER);
		return;
	}
	store16(ip + 4, load16(ip + 4) + i);
	ipv4_finish(ip, total);
}

static void
cut_tcp(const struct cut *cut)
{
	const struct offload_headers *h = &cut->headers;
	uint32_t pseudo = offload_pseudo_sum(offload_packet(cut->offload), h);
	uint32_t sequence = load32(offload_packet(cut->offload) + h->l4 + 4);

	for (unsigned i = 0; i < cut->count; i++) {
		uint8_t *head = piece_begin(cut, i, 0), *tcp = head + h->l4;
		unsigned tcp_len = cut->header_len - h->l4, len = piece_len(cut, i);
		uint8_t length[2];
		uint32_t sum;

		store32(tcp + 4, sequence + i * cut->size);
		if (i)
			tcp[13] &= (uint8_t)~TCP_CWR;
		if (i + 1 < cut->count)
			tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		ip_finish(cut, i, head);

		store16(length, tcp_len + len);
		store16(tcp + TCP_CSUM_OFFSET, 0);
		sum = offload_sum(length, sizeof(length), pseudo);
		sum = offload_sum(tcp, tcp_len, sum);
		sum = offload_sum(piece_payload(cut, i), len, sum);
		store_sum(tcp + TCP_CSUM_OFFSET, offload_fold(sum));
	}
}

/* Fills length and checksum of the UDP header in front of len bytes at payload. */
static void
udp_finish(uint8_t *udp, const uint8_t *payload, unsigned len, uint32_t pseudo)
{
	uint16_t folded;
	uint32_t sum;

	store16(udp + 4, UDP_HEADER + len);
	store16(udp + UDP_CSUM_OFFSET, 0);
	sum = offload_sum(udp + 4, 2, pseudo);
	sum = offload_sum(udp, UDP_HEADER, sum);
	sum = offload_sum(payload, len, sum);
	folded = offload_fold(sum);
	store_sum(udp + UDP_CSUM_OFFSET, folded ? folded : 0xffff);
}

static void
cut_datagrams(const struct cut *cut)
{
	const struct offload_headers *h = &cut->headers;
	uint32_t pseudo = offload_pseudo_sum(offload_packet(cut->offload), h);

	for (unsigned i = 0; i < cut->count; i++) {
		uint8_t *head = piece_begin(cut, i, 0);

		ip_finish(cut, i, head);
		udp_finish(head + h->l4, piece_payload(cut, i), piece_len(cut, i), pseudo);
	}
}

/*
 * A number that no other datagram of this worker had for long and that is not guessed from earlier
 * ones (RFC 7739): a keyed permutation of a counter.
 */
static uint32_t
next_identification(struct offload *o)
{
	uint32_t x = o->identification++ ^ o->secret;

	x = (x ^ x >> 16) * 0x85ebca6bu;
	x = (x ^ x >> 13) * 0xc2b2ae35u;
	return x ^ x >> 16 ^ o->secret;
}

/* Options that only the first fragment carries become no-operations (RFC 791, 3.1). */
static void
ipv4_drop_uncopied_options(uint8_t *ip)
{
	unsigned header_len = (ip[0] & 0xf) * 4u, at = 20, len;

	while ((len = offload_ipv4_option(ip, header_len, &at))) {
		if (!(ip[at - len] & IPV4_OPTION_COPIED))
			memset(ip + at - len, 1, len);
	}
}

static void
cut_ipv4_fragments(const struct cut *cut)
{
	uint8_t *original = offload_packet(cut->offload) + cut->headers.l3;

	/* With "don't fragment" the sender had no reason to choose a distinct number. */
	if (load16(original + 6) & IPV4_DONT_FRAGMENT)
		store16(original + 4, next_identification(cut->offload) & 0xffff);
	for (unsigned i = 0; i < cut->count; i++) {
		uint8_t *ip = piece_begin(cut, i, 0) + cut->headers.l3;
		unsigned more = i + 1 < cut->count ? IPV4_MORE_FRAGMENTS : 0;

		store16(ip + 6, more | i * cut->size / 8);
		if (i)
			ipv4_drop_uncopied_options(ip);
		ipv4_finish(ip, cut->offload->frames[i].len - cut->headers.l3);
	}
}

static void
cut_ipv6_fragments(const struct cut *cut)
{
	uint32_t identification = next_identification(cut->offload);
	const struct offload_headers *h = &cut->headers;

	for (unsigned i = 0; i < cut->count; i++) {
		uint8_t *head = piece_begin(cut, i, IPV6_FRAGMENT_HEADER);
		uint8_t *fragment = head + cut->header_len;

		fragment[0] = head[h->next];
		fragment[1] = 0;
		store16(fragment + 2, i * cut->size | (i + 1 < cut->count));
		store32(fragment + 4, identification);
		head[h->next] = IPV6_PROTO_FRAGMENT;
		store16(head + h->l3 + 4, cut->offload->frames[i].len - h->l3 - IPV6_HEADER);
	}
}

/* One UDP datagram in IP fragments, with one checksum over the whole. */
static void
cut_fragments(const struct cut *cut)
{
	const struct offload_headers *h = &cut->headers;
	uint8_t *packet = offload_packet(cut->offload);

	if (cut->count == 1) {
		cut_datagrams(cut);
		return;
	}
	udp_finish(packet + h->l4, packet + h->payload, cut->in->len - h->payload,
		offload_pseudo_sum(packet, h));
	if (h->version == 4)
		cut_ipv4_fragments(cut);
	else
		cut_ipv6_fragments(cut);
}

/* How many pieces of which size, and what is repeated in front of them. */
static int
cut_plan(struct cut *cut)
{
	const struct offload_headers *h = &cut->headers;
	unsigned len = cut->in->len, payload;

	cut->header_len = h->payload;
	cut->size = cut->in->gso_size;
	if (cut->in->needs & OFFLOAD_UFO && len - h->fragment > cut->size) {
		cut->header_len = h->fragment;
		cut->size &= ~7u;
		if (!cut->size)
			return -EINVAL;
	}
	payload = len - cut->header_len;
	cut->count = payload ? (payload + cut->size - 1) / cut->size : 1;
	return cut->count > OFFLOAD_SEGMENTS_MAX ? -E2BIG : 0;
}

int
offload_segment(struct offload *offload, const struct frame *in)
{
	struct cut cut = {.offload = offload, .in = in};
	const uint8_t *packet = offload_packet(offload);
	int error;

	if (offload_parse(packet, in->len, in->len, &cut.headers) != OFFLOAD_PARSED)
		return -EINVAL;
	error = cut_plan(&cut);
	if (error)
		return error;
	if (in->needs & (OFFLOAD_TSO4 | OFFLOAD_TSO6)) {
		/* A SYN's data cannot be told from the SYN's own sequence number. */
		if (cut.count > 1 && packet[cut.headers.l4 + 13] & TCP_SYN)
			return -EINVAL;
		cut_tcp(&cut);
	} else if (in->needs & OFFLOAD_USO) {
		cut_datagrams(&cut);
	} else {
		cut_fragments(&cut);
	}
	return (int)cut.count;
}
