/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: frames come from whoever can send to an interface.  Headers are parsed from private
 * bytes with every length checked (datapath/offload_parse.c); a frame is believed to be whole only
 * when its checksum says so.  Sizes of what is joined are bounded by those of a frame and a burst.
 */
#include "datapath/gro.h"
#include "datapath/offload_internal.h"
#include "lib/ethernet.h"

#define FLOWS_MAX   8 /* that are joined at the same time; the oldest gives way */
#define NONE        0xff
#define IPV4_HEADER 20
#define IPV4_DF     0x4000
#define IP_MAX      65535 /* bytes of a packet */

/* Places in a TCP header. */
#define SEQ_AT    4
#define ACK_AT    8
#define FLAGS_AT  13
#define WINDOW_AT 14
#define SUM_AT    16
#define URGENT_AT 18 /* options follow it */
#define ACK_FLAG  0x10
#define PSH_FLAG  0x08

struct segment {
	struct offload_headers at;
	uint32_t payload;
	uint8_t next; /* the frame that follows in its flow and is joined to it; NONE */
};

/* What is being joined. */
struct flow {
	uint8_t first, last; /* frames */
	uint32_t len;        /* of the whole so far */
	uint32_t seq;        /* the next segment's */
	bool open;
};

struct joining {
	struct burst *burst;
	struct flow flows[FLOWS_MAX];
	unsigned flow_next; /* the place that is used next */
	struct segment segments[FRAME_BURST];
};

/* ---- is it a segment that may be joined? ---- */

/* The sum of all bytes from a position in the private part on, as 16-bit words. */
static uint32_t
sum_from(const struct frame *f, unsigned from)
{
	uint32_t sum = offload_sum(f->data + from, f->head_len - from, 0);
	bool odd = (f->head_len - from) & 1;

	for (unsigned s = 0; s < f->seg_count; s++) {
		uint32_t part = offload_sum(f->segs[s].addr, f->segs[s].len, 0);

		/* Its words begin in the middle of ours. */
		if (odd) {
			part = (part & 0xffff) + (part >> 16);
			part = (part & 0xffff) + (part >> 16);
			part = (part >> 8 | part << 8) & 0xffff;
		}
		sum = offload_sum(&part, sizeof(part), sum);
		odd ^= f->segs[s].len & 1;
	}
	return sum;
}

static uint32_t
pseudo_sum(const struct frame *f, const struct offload_headers *at, uint32_t len)
{
	const uint8_t field[2] = {(uint8_t)(len >> 8), (uint8_t)len};

	return offload_sum(field, sizeof(field), offload_pseudo_sum(f->data, at));
}

static bool
sums_are_right(const struct frame *f, const struct offload_headers *at)
{
	uint32_t len = f->len - at->l4, sum;

	if (at->version == 4 && offload_fold(offload_sum(f->data + at->l3, IPV4_HEADER, 0)))
		return false;
	if (f->verified || f->needs & OFFLOAD_CSUM)
		return true;
	sum = sum_from(f, at->l4);
	return !offload_fold(offload_sum(&sum, sizeof(sum), pseudo_sum(f, at, len)));
}

static bool
is_plain_ip(const uint8_t *data, const struct offload_headers *at)
{
	if (at->version == 4)
		return at->l4 == at->l3 + IPV4_HEADER && !(load16(data + at->l3 + 6) & ~IPV4_DF);
	return at->l4 == at->l3 + IPV6_HEADER;
}

/* Fills all but `next`; false: it goes on as it is. */
static bool
may_join(const struct frame *f, struct segment *s)
{
	const uint8_t *tcp = f->data + s->at.l4;

	if (s->at.protocol != IP_PROTO_TCP || f->needs & OFFLOAD_GSO ||
		!is_plain_ip(f->data, &s->at) || s->at.payload > f->head_len ||
		f->len <= s->at.payload || (tcp[FLAGS_AT] & ~PSH_FLAG) != ACK_FLAG ||
		load16(f->data + s->at.l3 + (s->at.version == 4 ? 2 : 4)) !=
			f->len - s->at.l3 - (s->at.version == 4 ? 0 : IPV6_HEADER))
		return false;
	s->payload = f->len - s->at.payload;
	return sums_are_right(f, &s->at);
}

/* ---- flows ---- */

static bool
same_flow(const struct frame *a, const struct segment *x, const struct frame *b,
	const struct segment *y)
{
	unsigned address = x->at.version == 4 ? 12 : 8, l4 = x->at.l4 + 4;

	if (x->at.l3 != y->at.l3 || x->at.version != y->at.version || x->at.l4 != y->at.l4)
		return false;
	/* Ethernet and tags; then IP addresses and TCP ports, which are neighbours. */
	return memcmp(a->data, b->data, x->at.l3) == 0 &&
	       memcmp(a->data + x->at.l3 + address, b->data + x->at.l3 + address,
		       l4 - x->at.l3 - address) == 0;
}

static bool
same_ip(const struct frame *first, const struct frame *last, const struct frame *f,
	const struct offload_headers *at)
{
	const uint8_t *a = first->data + at->l3, *b = f->data + at->l3;
	uint16_t id = (uint16_t)(load16(last->data + at->l3 + 4) + 1);

	if (at->version == 6)
		return memcmp(a, b, 4) == 0 && a[7] == b[7];
	/* A packet that is not to be fragmented needs no identification (RFC 6864). */
	return a[1] == b[1] && a[8] == b[8] && a[6] == b[6] &&
	       (a[6] & IPV4_DF >> 8 || load16(b + 4) == id);
}

/* Does the segment go on where the flow ends, as if both had been cut from one frame? */
static bool
continues(const struct joining *j, const struct flow *flow, const struct frame *f,
	const struct segment *s)
{
	const struct segment *x = &j->segments[flow->first], *end = &j->segments[flow->last];
	const struct frame *first = &j->burst->frames[flow->first];
	const struct frame *last = &j->burst->frames[flow->last];
	const uint8_t *a = first->data + x->at.l4, *b = f->data + s->at.l4;

	/* One that was shorter, or pushed, was the last. */
	if (!flow->open || end->payload != x->payload ||
		last->data[end->at.l4 + FLAGS_AT] & PSH_FLAG)
		return false;
	return load32(b + SEQ_AT) == flow->seq && s->payload <= x->payload &&
	       s->at.payload == x->at.payload && flow->len + s->payload - x->at.l3 <= IP_MAX &&
	       flow->len + s->payload <= FRAME_LEN_MAX &&
	       memcmp(a + ACK_AT, b + ACK_AT, FLAGS_AT - ACK_AT) == 0 &&
	       memcmp(a + WINDOW_AT, b + WINDOW_AT, SUM_AT - WINDOW_AT) == 0 &&
	       memcmp(a + URGENT_AT, b + URGENT_AT, s->at.payload - s->at.l4 - URGENT_AT) == 0 &&
	       same_ip(first, last, f, &s->at);
}

/* A frame that is not understood may be one of any flow between its stations. */
static void
close_stations(struct joining *j, const struct frame *f)
{
	for (unsigned n = 0; n < FLOWS_MAX; n++)
		if (j->flows[n].open &&
			memcmp(j->burst->frames[j->flows[n].first].data, f->data, 2 * MAC_LEN) == 0)
			j->flows[n].open = false;
}

static void
begin_flow(struct joining *j, unsigned i)
{
	const struct frame *f = &j->burst->frames[i];
	const struct segment *s = &j->segments[i];
	struct flow *flow = &j->flows[j->flow_next];

	j->flow_next = (j->flow_next + 1) % FLOWS_MAX;
	*flow = (struct flow){.first = (uint8_t)i,
		.last = (uint8_t)i,
		.len = f->len,
		.seq = load32(f->data + s->at.l4 + SEQ_AT) + s->payload,
		.open = true};
}

static void
sort_in(struct joining *j, unsigned i)
{
	const struct frame *f = &j->burst->frames[i];
	struct segment *s = &j->segments[i];
	struct flow *flow = NULL;
	bool may;

	s->next = NONE;
	if (offload_parse(f->data, f->head_len, f->len, &s->at) != OFFLOAD_PARSED) {
		close_stations(j, f);
		return;
	}
	may = may_join(f, s);
	for (unsigned n = 0; n < FLOWS_MAX && !flow; n++)
		if (j->flows[n].open && same_flow(&j->burst->frames[j->flows[n].first],
						&j->segments[j->flows[n].first], f, s))
			flow = &j->flows[n];
	if (flow && may && continues(j, flow, f, s)) {
		j->segments[flow->last].next = (uint8_t)i;
		flow->last = (uint8_t)i;
		flow->len += s->payload;
		flow->seq += s->payload;
		return;
	}
	if (flow)
		flow->open = false;
	if (may)
		begin_flow(j, i);
}

/* ---- joining ---- */

static void
add_seg(struct burst *b, const uint8_t *addr, uint32_t len)
{
	b->segs[b->segs_used++] = (struct frame_seg){.addr = addr, .len = len};
}

/* The payload of a segment behind what is there; its memory stays where it is until rx_done. */
static void
append(struct burst *b, struct frame *to, const struct frame *f, const struct segment *s)
{
	unsigned own = f->head_len - s->at.payload;

	if (own)
		add_seg(b, f->data + s->at.payload, own);
	for (unsigned n = 0; n < f->seg_count; n++)
		add_seg(b, f->segs[n].addr, f->segs[n].len);
	to->len += s->payload;
	to->seg_count = (uint16_t)(to->seg_count + (own > 0) + f->seg_count);
}

/* Headers and request of a frame that is large now. */
static void
finish(struct frame *f, const struct segment *s, uint8_t last_flags)
{
	uint8_t *ip = f->data + s->at.l3, *tcp = f->data + s->at.l4;
	uint32_t len = f->len - s->at.l3;

	if (s->at.version == 4) {
		store16(ip + 2, len);
		store16(ip + 10, 0);
		store_sum(ip + 10, offload_fold(offload_sum(ip, IPV4_HEADER, 0)));
	} else {
		store16(ip + 4, len - IPV6_HEADER);
	}
	tcp[FLAGS_AT] |= last_flags & PSH_FLAG;
	/* The sum of the pseudo header, for whoever completes it. */
	store_sum(tcp + SUM_AT, (uint16_t)~offload_fold(pseudo_sum(f, &s->at, f->len - s->at.l4)));
	f->needs = OFFLOAD_CSUM | (s->at.version == 4 ? OFFLOAD_TSO4 : OFFLOAD_TSO6);
	f->verified = 0;
	f->gso_size = (uint16_t)s->payload;
	f->hdr_len = s->at.payload;
	f->csum_start = s->at.l4;
	f->csum_offset = TCP_CSUM_OFFSET;
}

/* Joins to a frame those that follow it; returns them as a mask of frames that are gone. */
static uint64_t
join_to(struct joining *j, unsigned first)
{
	struct burst *b = j->burst;
	struct frame *f = &b->frames[first];
	unsigned segs = f->seg_count, last = first;
	uint64_t gone = 0;

	for (unsigned i = j->segments[first].next; i != NONE; i = j->segments[i].next)
		segs += 1u + b->frames[i].seg_count;
	if (b->segs_used + segs > FRAME_SEGS)
		return 0;
	if (f->seg_count)
		memcpy(&b->segs[b->segs_used], f->segs, f->seg_count * sizeof(*f->segs));
	f->segs = &b->segs[b->segs_used];
	b->segs_used = (uint16_t)(b->segs_used + f->seg_count);
	for (unsigned i = j->segments[first].next; i != NONE; i = j->segments[i].next) {
		append(b, f, &b->frames[i], &j->segments[i]);
		b->bytes -= j->segments[i].at.payload;
		gone |= UINT64_C(1) << i;
		last = i;
	}
	finish(f, &j->segments[first], b->frames[last].data[j->segments[last].at.l4 + FLAGS_AT]);
	return gone;
}

unsigned
gro_join(struct burst *burst)
{
	struct joining j = {.burst = burst};
	uint64_t gone = 0;
	unsigned kept = 0, count = burst->count;

	for (unsigned i = 0; i < count; i++)
		sort_in(&j, i);
	for (unsigned i = 0; i < count; i++)
		if (j.segments[i].next != NONE && !(gone & UINT64_C(1) << i))
			gone |= join_to(&j, i);
	if (!gone)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		if (gone & UINT64_C(1) << i)
			continue;
		if (kept != i)
			burst->frames[kept] = burst->frames[i];
		kept++;
	}
	burst->count = (uint16_t)kept;
	return count - kept;
}
