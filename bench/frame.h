/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame: the frames that bench sends, and the proof that one arrived as it was sent.
 *
 * A frame is Ethernet, with or without IEEE 802.1Q tag, IPv4, and UDP or TCP with valid checksums;
 * a large one asks for segmentation as a guest would (virtio 1.2, 5.1.6.2).  Behind the headers:
 *
 *	mark	2 bytes	the pair of guests and the run
 *	stamp	8 bytes	sequence number, and its complement
 *	payload		a part of a fixed sequence of pseudo-random bytes
 *	stamp	8 bytes	again, at the end of frames of FRAME_TAIL_MIN bytes and more
 *
 * A number and its complement add nothing to a checksum: stamping a frame anew leaves it valid.  In
 * a frame without tag everything that is checked and written per frame is in the first 64 bytes of
 * the buffer, frame header (struct virtio_net_hdr) included.
 *
 * The flow of a frame follows from its sequence number: flows take turns.  It says which addresses
 * and which VLAN the frame has.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vhost/virtio.h"

#define FRAME_MIN      64
#define FRAME_MAX      65536
#define FRAME_TAIL_MIN 128                /* shorter frames have no second stamp */
#define FRAME_TAG      4                  /* bytes of an IEEE 802.1Q tag */
#define FRAME_GSO_SIZE 1448               /* payload bytes of a segment */
#define FRAME_AT       VIRTIO_NET_HDR_LEN /* in the buffer */
#define FRAME_ROOM     (FRAME_AT + FRAME_TAG + FRAME_MAX)

enum frame_kind {
	FRAME_UDP, /* complete */
	FRAME_TSO, /* TCP to be cut; checksum to be completed */
	FRAME_USO, /* UDP to be cut; checksum to be completed */
};

/* The flows from one guest to another. */
struct frame_path {
	enum frame_kind kind;
	uint16_t pair, run;     /* what the mark says */
	uint8_t source, target; /* numbers of the guests */
	bool tagged;            /* frames have tags where this guest sees them */
	bool shifted;           /* the payload depends on the sequence number */
	uint32_t macs;          /* source addresses in turn; as many targets */
	uint16_t vlans;         /* VLANs 1..vlans in turn; 0 = none */
	uint32_t flows;         /* the larger of both, at least 1 */
};

/* Which flow a sequence number belongs to. */
struct frame_cursor {
	uint64_t sequence;
	uint32_t flow, mac;
	uint16_t vlan; /* 0 = the first */
};

/* What frames of one length have in common. */
struct frame_shape {
	uint32_t length;       /* of the frame with its tag */
	uint16_t l3, l4, data; /* offsets in the buffer, of IPv4, of UDP or TCP, of the mark */
	uint32_t tail;         /* of the second stamp; 0 = none */
	uint32_t payload, payload_length; /* between the stamps */
};

static inline uint64_t
load64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline void
store64(void *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline void
store32(void *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline uint64_t
frame_stamp(uint64_t sequence)
{
	uint32_t low = (uint32_t)sequence;

	return low | (uint64_t)~low << 32;
}

/* The number whose low half a stamp has, the nearest one. */
static inline uint64_t
frame_sequence(uint64_t stamp, uint64_t near)
{
	return near + (uint64_t)(int64_t)(int32_t)((uint32_t)stamp - (uint32_t)near);
}

/* Is it one at all? */
static inline bool
frame_stamp_valid(uint64_t stamp)
{
	return (uint32_t)stamp == (uint32_t) ~(stamp >> 32);
}

/* ---- addresses ---- */

/* 52:54:GUEST:INDEX, the index in three bytes, lowest first. */
static inline uint64_t
frame_mac(uint8_t guest, uint32_t index)
{
	return UINT64_C(0x5452) | (uint64_t)guest << 16 | (uint64_t)index << 24;
}

/* Destination and source as the frame has them: the first eight bytes, the last four. */
struct frame_macs {
	uint64_t first;
	uint32_t last;
};

static inline struct frame_macs
frame_macs(const struct frame_path *path, uint32_t index)
{
	uint64_t source = frame_mac(path->source, index);

	return (struct frame_macs){
		frame_mac(path->target, index) | source << 48, (uint32_t)(source >> 16)};
}

/* The four bytes of a tag. */
static inline uint32_t
frame_tag(uint16_t vlan)
{
	return 0x0081u | (uint32_t)__builtin_bswap16(vlan) << 16;
}

static inline void
frame_cursor_step(struct frame_cursor *cursor, const struct frame_path *path)
{
	cursor->sequence++;
	if (++cursor->mac == path->macs)
		cursor->mac = 0;
	if (++cursor->vlan >= path->vlans)
		cursor->vlan = 0;
	if (++cursor->flow == path->flows) {
		cursor->flow = 0;
		cursor->mac = 0;
		cursor->vlan = 0;
	}
}

void frame_cursor_set(
	struct frame_cursor *cursor, const struct frame_path *path, uint64_t sequence);

/* ---- building ---- */

/* Frames of `size` bytes, not counting a tag: FRAME_MIN..FRAME_MAX. */
void frame_shape(struct frame_shape *shape, const struct frame_path *path, uint32_t size);

/* Writes frame header and frame, FRAME_AT + shape->length bytes.  `flat` has room for FRAME_ROOM. */
void frame_build(uint8_t *flat, const struct frame_shape *shape, const struct frame_path *path,
	const struct frame_cursor *cursor);

/* The bytes of a frame's payload, FRAME_MAX of them. */
const uint8_t *frame_payload(const struct frame_path *path, uint64_t sequence);

/* ---- checking ---- */

enum frame_verdict {
	FRAME_GOOD,
	FRAME_FOREIGN, /* none of ours */
	FRAME_STRAY,   /* ours, for another guest: the switch flooded it */
	FRAME_CORRUPT,
};

/*
 * Judges header and frame of `length` bytes in all, in one piece.  Every byte is compared, and a
 * checksum that is said to be complete is computed.  *sequence comes with a number that is near the
 * frame's, and leaves with the frame's when that can be told: not with FRAME_FOREIGN or FRAME_STRAY.
 * A corrupt frame's may be wrong.
 */
enum frame_verdict frame_judge(
	const uint8_t *flat, uint32_t length, const struct frame_path *path, uint64_t *sequence);

#endif
