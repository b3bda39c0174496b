/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <pthread.h>

#include "bench/frame.h"

#define ETHERNET  14
#define IPV4      20
#define UDP       8
#define TCP       20
#define MARK      2
#define STAMP     8
#define PORT      0xc350 /* 50000: both ports */
#define SHIFTS    4096   /* starting points of the payload, in steps of two bytes */
#define PATTERN   (FRAME_ROOM + 2 * SHIFTS + 8)
#define CSUM_PART VIRTIO_NET_HDR_F_NEEDS_CSUM

static uint8_t pattern[PATTERN];
static pthread_once_t pattern_once = PTHREAD_ONCE_INIT;

/* xorshift64 (Marsaglia): no period within the buffer, so that displaced bytes are noticed. */
static void
pattern_fill(void)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	for (unsigned i = 0; i < PATTERN; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 56);
	}
}

const uint8_t *
frame_payload(const struct frame_path *path, uint64_t sequence)
{
	pthread_once(&pattern_once, pattern_fill);
	return pattern + (path->shifted ? 2 * ((uint32_t)sequence % SHIFTS) : 0);
}

void
frame_cursor_set(struct frame_cursor *cursor, const struct frame_path *path, uint64_t sequence)
{
	cursor->sequence = sequence;
	cursor->flow = (uint32_t)(sequence % path->flows);
	cursor->mac = cursor->flow % path->macs;
	cursor->vlan = path->vlans ? (uint16_t)(cursor->flow % path->vlans) : 0;
}

/* ---- checksums (RFC 1071) ---- */

static uint32_t
sum_words(const uint8_t *bytes, size_t length, uint32_t sum)
{
	uint64_t total = sum;

	for (size_t i = 0; i + 1 < length; i += 2)
		total += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (length & 1)
		total += (uint32_t)bytes[length - 1] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

static void
put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint32_t
get16(const uint8_t *from)
{
	return (uint32_t)from[0] << 8 | from[1];
}

static uint32_t
sum_pseudo_header(const uint8_t *ip, uint32_t l4_length)
{
	return sum_words(ip + 12, 8, ip[9] + l4_length);
}

/* ---- building ---- */

static bool
is_tcp(const struct frame_path *path)
{
	return path->kind == FRAME_TSO;
}

void
frame_shape(struct frame_shape *s, const struct frame_path *path, uint32_t size)
{
	uint32_t end, l4_length;

	s->length = size + (path->tagged ? FRAME_TAG : 0);
	s->l3 = FRAME_AT + ETHERNET + (path->tagged ? FRAME_TAG : 0);
	s->l4 = s->l3 + IPV4;
	s->data = s->l4 + (is_tcp(path) ? TCP : UDP);
	end = FRAME_AT + s->length;
	l4_length = end - s->l4;
	s->payload = s->data + MARK + STAMP;
	/* At an even distance, as checksums take words. */
	s->tail = size < FRAME_TAIL_MIN ? 0 : s->l4 + ((l4_length - STAMP) & ~1u);
	s->payload_length = (s->tail ? s->tail : end) - s->payload;
}

static void
put_frame_header(uint8_t *flat, const struct frame_shape *s, const struct frame_path *path)
{
	struct virtio_net_hdr header = {0};

	if (path->kind != FRAME_UDP) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.gso_type =
			is_tcp(path) ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4;
		header.hdr_len = (uint16_t)(s->data - FRAME_AT);
		header.gso_size = FRAME_GSO_SIZE;
		header.csum_start = (uint16_t)(s->l4 - FRAME_AT);
		header.csum_offset = is_tcp(path) ? 16 : 6;
	}
	memcpy(flat, &header, sizeof(header));
}

static void
put_ethernet(uint8_t *frame, const struct frame_path *path, const struct frame_cursor *cursor)
{
	struct frame_macs macs = frame_macs(path, cursor->mac);

	store64(frame, macs.first);
	store32(frame + 8, macs.last);
	frame += 12;
	if (path->tagged) {
		store32(frame, frame_tag(cursor->vlan + 1));
		frame += FRAME_TAG;
	}
	put16(frame, 0x0800);
}

static void
put_ipv4(uint8_t *ip, const struct frame_shape *s, const struct frame_path *path)
{
	memset(ip, 0, IPV4);
	ip[0] = 0x45;
	put16(ip + 2, s->length + FRAME_AT - s->l3);
	put16(ip + 6, 0x4000); /* don't fragment */
	ip[8] = 64;
	ip[9] = is_tcp(path) ? IPPROTO_TCP : IPPROTO_UDP;
	memcpy(ip + 12, (uint8_t[]){198, 18, 0, path->source}, 4); /* RFC 2544, C.2.2 */
	memcpy(ip + 16, (uint8_t[]){198, 18, 0, path->target}, 4);
	put16(ip + 10, ~sum_words(ip, IPV4, 0));
}

/* Behind its payload: the checksum covers that. */
static void
put_transport(uint8_t *flat, const struct frame_shape *s, const struct frame_path *path)
{
	uint8_t *l4 = flat + s->l4;
	uint32_t length = s->length + FRAME_AT - s->l4, sum;

	memset(l4, 0, s->data - s->l4);
	put16(l4, PORT);
	put16(l4 + 2, PORT);
	if (is_tcp(path)) {
		put16(l4 + 6, 1); /* sequence number */
		l4[12] = TCP / 4 << 4;
		l4[13] = 0x10; /* ACK */
		put16(l4 + 14, 0xffff);
	} else {
		put16(l4 + 4, length);
	}
	sum = sum_pseudo_header(flat + s->l3, length);
	if (path->kind == FRAME_UDP) {
		sum = ~sum_words(l4, length, sum) & 0xffff;
		if (!sum)
			sum = 0xffff; /* 0 would mean none */
	}
	put16(l4 + (is_tcp(path) ? 16 : 6), sum);
}

void
frame_build(uint8_t *flat, const struct frame_shape *s, const struct frame_path *path,
	const struct frame_cursor *cursor)
{
	const uint8_t *payload = frame_payload(path, cursor->sequence);
	uint64_t stamp = frame_stamp(cursor->sequence);
	uint32_t end = FRAME_AT + s->length;

	put_frame_header(flat, s, path);
	put_ethernet(flat + FRAME_AT, path, cursor);
	put_ipv4(flat + s->l3, s, path);
	put16(flat + s->data, (uint32_t)path->run << 8 | path->pair);
	memcpy(flat + s->payload, payload, end - s->payload);
	store64(flat + s->data + MARK, stamp);
	if (s->tail)
		store64(flat + s->tail, stamp);
	put_transport(flat, s, path);
}

/* ---- checking ---- */

/* Is it a frame of this run between this pair of guests, for the target? */
static enum frame_verdict
judge_origin(const uint8_t *flat, uint32_t length, const struct frame_shape *s,
	const struct frame_path *path)
{
	uint32_t mark;

	if (length < s->payload || get16(flat + s->l3 - 2) != 0x0800 || flat[s->l3] != 0x45 ||
		get16(flat + s->l3 + 12) != 0xc612 || get16(flat + s->l4) != PORT ||
		get16(flat + s->l4 + 2) != PORT)
		return FRAME_FOREIGN;
	mark = get16(flat + s->data);
	if (mark >> 8 != path->run)
		return FRAME_FOREIGN; /* a late one of the run before */
	if ((mark & 0xff) != path->pair || flat[s->l3 + 19] != path->target ||
		flat[s->l3 + 15] != path->source)
		return FRAME_STRAY;
	return FRAME_GOOD;
}

static bool
checksum_right(const uint8_t *flat, const struct frame_shape *s, const uint8_t *want)
{
	uint32_t length = s->length + FRAME_AT - s->l4;
	unsigned at = s->l4 + (flat[s->l3 + 9] == IPPROTO_TCP ? 16 : 6);

	if (flat[0] & (CSUM_PART | VIRTIO_NET_HDR_F_DATA_VALID))
		return get16(flat + at) == get16(want + at) || flat[0] != CSUM_PART;
	return sum_words(flat + s->l4, length, sum_pseudo_header(flat + s->l3, length)) == 0xffff;
}

/* What the switch may have changed in the frame header without harm. */
static bool
header_right(const uint8_t *flat, const uint8_t *want)
{
	struct virtio_net_hdr is, was;

	memcpy(&is, flat, sizeof(is));
	memcpy(&was, want, sizeof(was));
	if (is.gso_type != was.gso_type)
		return false;
	if (is.gso_type && is.gso_size != was.gso_size)
		return false;
	return !(is.flags & CSUM_PART) ||
	       (was.flags & CSUM_PART && is.csum_start == was.csum_start &&
		       is.csum_offset == was.csum_offset);
}

enum frame_verdict
frame_judge(const uint8_t *flat, uint32_t length, const struct frame_path *path, uint64_t *sequence)
{
	static __thread uint8_t want[FRAME_ROOM];
	struct frame_cursor cursor;
	struct frame_shape s;
	enum frame_verdict verdict;
	uint32_t ip_length, csum;
	uint64_t stamp;

	frame_shape(&s, path, FRAME_MIN);
	verdict = judge_origin(flat, length, &s, path);
	stamp = load64(flat + s.data + MARK);
	if (verdict == FRAME_FOREIGN || verdict == FRAME_STRAY)
		return verdict;
	*sequence = frame_sequence(stamp, *sequence);
	ip_length = get16(flat + s.l3 + 2);
	if (!frame_stamp_valid(stamp) || s.l3 + ip_length != length ||
		length - FRAME_AT < FRAME_MIN || length > FRAME_ROOM)
		return FRAME_CORRUPT;
	frame_shape(&s, path, length - FRAME_AT - (path->tagged ? FRAME_TAG : 0));
	frame_cursor_set(&cursor, path, *sequence);
	frame_build(want, &s, path, &cursor);
	if (!header_right(flat, want) || !checksum_right(flat, &s, want))
		return FRAME_CORRUPT;
	csum = s.l4 + (is_tcp(path) ? 16 : 6);
	if (memcmp(flat + FRAME_AT, want + FRAME_AT, csum - FRAME_AT) != 0 ||
		memcmp(flat + csum + 2, want + csum + 2, length - csum - 2) != 0)
		return FRAME_CORRUPT;
	return FRAME_GOOD;
}
