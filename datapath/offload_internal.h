/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload_internal: what the files of datapath/offload*.c share.
 */
#ifndef DATAPATH_OFFLOAD_INTERNAL_H
#define DATAPATH_OFFLOAD_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "datapath/offload.h"

#define ETHER_TYPE_IPV4 0x0800
#define ETHER_TYPE_IPV6 0x86dd
#define ETHER_TYPE_CTAG 0x8100
#define ETHER_TYPE_STAG 0x88a8
#define ETHER_TAGS_MAX  3 /* two of a guest's and one pushed here */

#define IP_PROTO_TCP         6
#define IP_PROTO_UDP         17
#define IPV6_HEADER          40
#define IPV6_FRAGMENT_HEADER 8
#define TCP_HEADER           20
#define UDP_HEADER           8
#define TCP_CSUM_OFFSET      16
#define UDP_CSUM_OFFSET      6

/* Longest stack of headers that is cut: with a fragment header it still fits a frame's slot. */
#define OFFLOAD_HEADERS_MAX (FRAME_WHOLE - IPV6_FRAGMENT_HEADER)

/* Positions from the first byte of the Ethernet header.  Each was checked against the bytes. */
struct offload_headers {
	uint16_t l3;          /* IP header */
	uint16_t l4;          /* TCP or UDP header */
	uint16_t payload;     /* behind the TCP or UDP header */
	uint16_t destination; /* address for the pseudo header: the last one of a source route */
	uint16_t fragment;    /* where a fragment header belongs: end of the unfragmentable part */
	uint16_t next;        /* IPv6: the byte that names the header at `fragment` */
	uint8_t version;      /* 4 or 6 */
	uint8_t protocol;     /* IP_PROTO_TCP or IP_PROTO_UDP */
};

enum offload_parsed {
	OFFLOAD_PARSED,  /* headers are filled */
	OFFLOAD_UNSEEN,  /* the visible bytes end before the headers do */
	OFFLOAD_FOREIGN, /* not one whole TCP or UDP datagram, or contradictory */
};

/*
 * Parses Ethernet, tags, IP and TCP or UDP.  `visible` of the frame's `len` bytes are at data.
 * The IP length must be that of the frame, or 0 as some senders leave it for large frames.
 */
enum offload_parsed offload_parse(
	const uint8_t *data, size_t visible, size_t len, struct offload_headers *headers);

/* The IPv4 option at *at, moves *at behind it: its length, 0 at the end of the list. */
unsigned offload_ipv4_option(const uint8_t *header, unsigned header_len, unsigned *at);

struct offload {
	/* Slot i holds the headers of frame i; an undivided frame stands in room alone. */
	struct frame frames[OFFLOAD_SEGMENTS_MAX];
	struct frame_seg segs[OFFLOAD_SEGMENTS_MAX];
	struct frame_slot slots[OFFLOAD_SEGMENTS_MAX];
	uint32_t identification; /* counts the datagrams that need an identification of ours */
	uint32_t secret;
	uint8_t room[FRAME_HEADROOM + FRAME_LEN_MAX]; /* the one copy of the frame */
};

static inline uint8_t *
offload_packet(struct offload *offload)
{
	return offload->room + FRAME_HEADROOM;
}

/* The frame needs nothing more; whether its sums are right is for the receiver to verify. */
static inline void
frame_clear_request(struct frame *frame)
{
	frame->needs = 0;
	frame->verified = 0;
	frame->gso_size = 0;
	frame->hdr_len = 0;
	frame->csum_start = 0;
	frame->csum_offset = 0;
}

/*
 * Cuts the frame that stands at offload_packet(), described by `in`.  Returns the number of frames,
 * -EINVAL or -E2BIG.
 */
int offload_segment(struct offload *offload, const struct frame *in);

/* Sum of a pseudo header without its length (RFC 9293 3.1, RFC 8200 8.1). */
uint32_t offload_pseudo_sum(const uint8_t *data, const struct offload_headers *headers);

static inline uint16_t
load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
load32(const uint8_t *p)
{
	return (uint32_t)load16(p) << 16 | load16(p + 2);
}

static inline void
store16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void
store32(uint8_t *p, uint32_t value)
{
	store16(p, value >> 16);
	store16(p + 2, value & 0xffff);
}

/* Stores what offload_fold() returned. */
static inline void
store_sum(uint8_t *p, uint16_t sum)
{
	memcpy(p, &sum, sizeof(sum));
}

#endif
