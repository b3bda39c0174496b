/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * classify: VLAN membership on the way in, tag form on the way out (IEEE 802.1Q-2022 clauses 6.9
 * and 8.6, port modes as ovs-vswitchd.conf.db(5) describes them).  Reads and writes the private
 * head of a frame only.
 */
#ifndef DATAPATH_CLASSIFY_H
#define DATAPATH_CLASSIFY_H

#include <nmmintrin.h>
#include <string.h>

#include <rte_byteorder.h>

#include "datapath/snapshot.h"

#define ETHERTYPE_VLAN   0x8100
#define ETHERTYPE_QINQ   0x88a8
#define ETHERNET_TYPE_AT 12
#define ETHERNET_HEADER  14
#define VLAN_TAG         4
#define VLAN_VID_MASK    0x0fff
#define VLAN_PCP_MASK    0xf000 /* PCP and DEI */
/* In frame.tci, below PCP and DEI: */
#define VLAN_HAD_TAG     0x0001 /* the frame came with a tag */
#define VLAN_HAS_VID     0x0002 /* the tag it holds right now names its VLAN */

static inline uint16_t
classify_load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return rte_be_to_cpu_16(v);
}

static inline bool
classify_is_tag(uint16_t ethertype)
{
	return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ;
}

/* Does the port carry this VLAN? */
static inline bool
classify_carries(const struct snapshot_port *p, unsigned vlan)
{
	switch (p->vlan_mode) {
	case VLAN_TRUNK:
		return p->all_vlans || vlan_set_has(&p->trunks, vlan);
	case VLAN_ACCESS:
	case VLAN_DOT1Q_TUNNEL:
		return vlan == p->tag;
	default:
		/* Never VLAN 0: what leaves untagged would come back in the native VLAN. */
		return vlan == p->tag || (vlan && (p->all_vlans || vlan_set_has(&p->trunks, vlan)));
	}
}

/* classify_vlan() of a frame with a tag. */
static inline enum drop
classify_tagged(const struct snapshot_port *p, struct frame *f)
{
	unsigned vid, tci;

	if (f->head_len < ETHERNET_HEADER + VLAN_TAG)
		return DROP_VLAN_MALFORMED;
	tci = classify_load16(f->data + ETHERNET_HEADER);
	vid = tci & VLAN_VID_MASK;
	if (vid == VLAN_VID_MASK)
		return DROP_VLAN_MALFORMED;
	if (p->vlan_mode == VLAN_DOT1Q_TUNNEL) {
		/* The customer's tag is payload; the bridge's own goes in front of it. */
		f->tag = p->untagged;
		return p->all_cvlans || vlan_set_has(&p->cvlans, vid) ? DROP_COUNT
								      : DROP_VLAN_DENIED;
	}
	f->tagged = 1;
	f->tci = (uint16_t)((tci & VLAN_PCP_MASK) | VLAN_HAD_TAG | (vid ? VLAN_HAS_VID : 0));
	f->tag_type = classify_load16(f->data + ETHERNET_TYPE_AT);
	f->vlan = (uint16_t)vid;
	switch (p->vlan_mode) {
	case VLAN_TRUNK:
		return p->all_vlans || vlan_set_has(&p->trunks, vid) ? DROP_COUNT
								     : DROP_VLAN_DENIED;
	case VLAN_ACCESS:
		f->vlan = p->tag;
		return vid ? DROP_VLAN_DENIED : DROP_COUNT;
	default:
		f->vlan = vid ? (uint16_t)vid : p->tag;
		return f->vlan == p->tag || p->all_vlans || vlan_set_has(&p->trunks, vid)
			       ? DROP_COUNT
			       : DROP_VLAN_DENIED;
	}
}

/*
 * Finds the VLAN of a received frame and describes its tag in the frame.  Returns DROP_COUNT when
 * the frame may enter, else the reason why not.
 */
static inline enum drop
classify_vlan(const struct snapshot_port *p, struct frame *f)
{
	if (__builtin_expect(classify_is_tag(classify_load16(f->data + ETHERNET_TYPE_AT)), 0))
		return classify_tagged(p, f);
	f->tag = p->untagged;
	return (enum drop)p->untagged_drop;
}

/* control thread: notes what is the same for all frames without a tag. */
static inline void
classify_prepare(struct snapshot_port *p)
{
	struct frame f = {.tag_type = ETHERTYPE_VLAN};
	bool enters = true;

	switch (p->vlan_mode) {
	case VLAN_TRUNK:
		enters = p->all_vlans || vlan_set_has(&p->trunks, 0);
		break;
	case VLAN_DOT1Q_TUNNEL:
		f.tag_type = p->qinq_ethtype;
		f.vlan = p->tag;
		enters = p->all_cvlans || vlan_set_has(&p->cvlans, 0);
		break;
	default:
		f.vlan = p->tag;
		break;
	}
	p->untagged = f.tag;
	p->untagged_drop = enters ? DROP_COUNT : DROP_VLAN_DENIED;
}

/*
 * What frames must have in common to be treated alike: addresses, type, and what their tags say, of
 * which two count.
 */
struct classify_begin {
	__m128i first, care; /* bytes 0 to 15 */
	uint32_t next;       /* 16 to 19 */
	unsigned next_len;   /* of them, how many count: 0, 2 behind a tag, 4 for a second one */
};

#define CLASSIFY_BEGIN_LEN 20

/* Of a frame of CLASSIFY_BEGIN_LEN private bytes that may enter. */
static inline struct classify_begin
classify_begin(const struct frame *f)
{
	struct classify_begin b = {.first = _mm_loadu_si128((const __m128i *)(const void *)f->data),
		.care = _mm_set_epi16(0, -1, -1, -1, -1, -1, -1, -1)};

	if (__builtin_expect(classify_is_tag(classify_load16(f->data + ETHERNET_TYPE_AT)), 0)) {
		b.care = _mm_set1_epi8(-1);
		memcpy(&b.next, f->data + ETHERNET_HEADER + 2, sizeof(b.next));
		b.next_len = classify_is_tag(rte_be_to_cpu_16((uint16_t)b.next)) ? 4 : 2;
	}
	return b;
}

/* Does a frame, of as many bytes, begin like that?  next_len: b's. */
static inline __attribute__((always_inline)) bool
classify_begins(const struct classify_begin *b, const struct frame *f, const unsigned next_len)
{
	__m128i differs =
		_mm_xor_si128(b->first, _mm_loadu_si128((const __m128i *)(const void *)f->data));
	uint32_t next = b->next;

	if (!_mm_testz_si128(differs, b->care))
		return false;
	return !next_len || !memcmp(&next, f->data + ETHERNET_HEADER + 2, next_len);
}

static inline void
classify_shift(struct frame *f, int by)
{
	f->len = (uint32_t)((int)f->len + by);
	f->head_len = (uint16_t)(f->head_len + by);
	if (f->needs & OFFLOAD_CSUM)
		f->csum_start = (uint16_t)(f->csum_start + by);
	if (f->hdr_len)
		f->hdr_len = (uint16_t)(f->hdr_len + by);
}

/* The VLAN that the port's tag names on this frame; 0 where it has none. */
static inline unsigned
classify_vid(const struct snapshot_port *p, const struct frame *f)
{
	if (p->vlan_mode == VLAN_ACCESS || p->vlan_mode == VLAN_DOT1Q_TUNNEL ||
		(p->vlan_mode == VLAN_NATIVE_UNTAGGED && f->vlan == p->tag))
		return 0;
	return f->vlan;
}

/* Does the frame leave by this port with a tag? */
static inline bool
classify_tags(const struct snapshot_port *p, const struct frame *f)
{
	return classify_vid(p, f) ||
	       (p->priority_tags && p->vlan_mode != VLAN_DOT1Q_TUNNEL &&
		       (f->tci & (p->priority_tags == PRIORITY_TAGS_ALWAYS ? VLAN_HAD_TAG
									   : VLAN_PCP_MASK)));
}

/* What is done to a frame that leaves by a port: the same for all frames with one `tag`. */
struct classify_form {
	bool keeps;       /* nothing */
	bool tags;        /* it leaves with a tag */
	int by;           /* and so many bytes longer */
	uint32_t field;   /* of tags: the tag itself, as it is sent */
	uint64_t tag;     /* the frame's then */
	uint64_t lengths; /* what is added to the frame's */
};

static inline struct classify_form
classify_form_of(const struct snapshot_port *p, const struct frame *f)
{
	unsigned vid = classify_vid(p, f);
	struct classify_form form = {.tags = classify_tags(p, f)};
	struct frame after = {.tag = f->tag};

	form.keeps = f->tagged ? form.tags && !(f->tci & VLAN_HAS_VID) == !vid : !form.tags;
	if (form.keeps)
		return form;
	after.tagged = form.tags;
	after.tci = (uint16_t)((f->tci & ~VLAN_HAS_VID) | (vid ? VLAN_HAS_VID : 0));
	form.tag = after.tag;
	form.by = (form.tags - f->tagged) * VLAN_TAG;
	form.field = rte_cpu_to_be_32((uint32_t)f->tag_type << 16 | (f->tci & VLAN_PCP_MASK) | vid);
	/* Both lengths grow. */
	form.lengths = (uint64_t)(form.by * ((INT64_C(1) << 32) + 1));
	return form;
}

/*
 * Does it to `count` frames from f on that begin alike, as far as classify_begin() says: the new
 * beginning, 16 bytes with addresses and tag, is made once and stored over each.  `requests`: some
 * may ask for offloads.
 */
static inline void
classify_form_apply(
	const struct classify_form *form, struct frame *f, unsigned count, const bool requests)
{
	const struct frame *end = f + count;
	const ptrdiff_t by = form->by, at = by > 0 ? -VLAN_TAG : 0;
	const uint64_t tag = form->tag, lengths = form->lengths;
	__m128i begin = _mm_loadu_si128((const __m128i *)(const void *)f->data);

	if (form->tags)
		begin = _mm_insert_epi32(begin, (int)form->field, ETHERNET_TYPE_AT / 4);
	else
		begin = _mm_slli_si128(begin, VLAN_TAG); /* the addresses end where the tag did */
#pragma GCC unroll 4
	for (; f < end; f++) {
		_mm_storeu_si128((__m128i *)(void *)(f->data + at), begin);
		f->data -= by;
		f->tag = tag;
		if (requests && f->needs)
			classify_shift(f, (int)by);
		else
			f->lengths += lengths;
	}
}

/* Brings the frame into the form in which it leaves by this port. */
static inline void
classify_form(const struct snapshot_port *p, struct frame *f)
{
	struct classify_form form = classify_form_of(p, f);

	if (!form.keeps)
		classify_form_apply(&form, f, 1, true);
}

/*
 * Does it depend on what stands behind the outer tag whether the port sends a frame of a VLAN that it
 * carries?  An access port sends no frame with a tag; a tunnel port may have a list of customers'.
 */
static inline bool
classify_looks_inside(
	const struct snapshot_port *in, const struct snapshot_port *out, const struct frame *f)
{
	if (out->vlan_mode == VLAN_ACCESS)
		return f->tagged || in->vlan_mode == VLAN_DOT1Q_TUNNEL;
	return out->vlan_mode == VLAN_DOT1Q_TUNNEL && !out->all_cvlans;
}

/* Does the port send this frame's VLAN, and what stands behind the tag? */
static inline bool
classify_sends(const struct snapshot_port *p, const struct frame *f)
{
	const uint8_t *inner = f->data + ETHERNET_TYPE_AT + (f->tagged ? VLAN_TAG : 0);
	unsigned vid = 0;

	if (!classify_carries(p, f->vlan))
		return false;
	if (p->vlan_mode != VLAN_ACCESS && (p->vlan_mode != VLAN_DOT1Q_TUNNEL || p->all_cvlans))
		return true;
	if (inner + 2 + 2 <= f->data + f->head_len && classify_is_tag(classify_load16(inner)))
		vid = classify_load16(inner + 2) & VLAN_VID_MASK;
	return p->vlan_mode == VLAN_ACCESS ? !vid : vlan_set_has(&p->cvlans, vid);
}

/*
 * A number that is the same for all frames of a flow and the same however often it is asked; from
 * the addresses of layer 2 to `layers`, and for 4 the ports, where the frame shows them.  Fragments
 * of a datagram keep together.
 */
static inline uint32_t
classify_hash(const struct frame *f, unsigned layers)
{
	const uint8_t *l3 = f->data + ETHERNET_HEADER, *end = f->data + f->head_len;
	uint16_t type = classify_load16(f->data + ETHERNET_TYPE_AT);
	uint64_t word[2] = {0};
	uint32_t hash, ports;
	uint8_t protocol;

	memcpy(word, f->data, 2 * MAC_LEN);
	hash = (uint32_t)_mm_crc32_u64(_mm_crc32_u64(0, word[0]), word[1]);
	if (layers < 3)
		return _mm_crc32_u32(hash, f->vlan);
	for (unsigned tags = 0; tags < 2 && classify_is_tag(type) && l3 + VLAN_TAG <= end; tags++) {
		type = classify_load16(l3 + 2);
		l3 += VLAN_TAG;
	}
	if (type == 0x0800 && l3 + 20 <= end) {
		unsigned header = (l3[0] & 15) * 4u;

		memcpy(word, l3 + 12, 8);
		hash = (uint32_t)_mm_crc32_u64(hash, word[0]);
		protocol = l3[9];
		if (classify_load16(l3 + 6) & 0x3fff)
			return hash;
		l3 += header < 20 ? 20 : header;
	} else if (type == 0x86dd && l3 + 40 <= end) {
		uint64_t addresses[4];

		memcpy(addresses, l3 + 8, sizeof(addresses));
		for (unsigned i = 0; i < 4; i++)
			hash = (uint32_t)_mm_crc32_u64(hash, addresses[i]);
		protocol = l3[6];
		l3 += 40;
	} else {
		return hash;
	}
	if (layers < 4 || (protocol != 6 && protocol != 17) || l3 + 4 > end)
		return hash;
	memcpy(&ports, l3, 4);
	return _mm_crc32_u32(hash, ports);
}

static inline uint32_t
classify_flow_hash(const struct frame *f)
{
	return classify_hash(f, 4);
}

#endif
