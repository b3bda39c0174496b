/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame: one Ethernet frame during the burst in which it is forwarded, and the burst itself.
 *
 * The first head_len bytes are a private copy in the worker's scratch memory; everything that is
 * decided is decided from them.  What lies behind them stays where the sender has it (a guest's
 * memory, an mbuf) and is named by segments.  Segments are valid until the source port's rx_done()
 * and not a moment longer: whatever must wait is copied out first (datapath/mbuf.h).  The bytes
 * behind segments may change while they are read: never look at them to decide anything, and
 * never read them twice.
 *
 *   scratch slot:  | headroom | head_len bytes, data points here |
 *   segments:                                                     -> the remaining len - head_len
 *
 * Threads: a burst belongs to one worker.
 */
#ifndef DATAPATH_FRAME_H
#define DATAPATH_FRAME_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_BURST       64    /* frames taken from a queue in one visit */
#define FRAME_BURST_BYTES 98304 /* and bytes: what one visit may cost the other queues */
#define FRAME_HEADROOM    64    /* room in front of data, for VLAN tags */
#define FRAME_WHOLE       256   /* frames up to this length are copied whole */
#define FRAME_PREFIX      128   /* of longer ones, this many bytes */
#define FRAME_SEGS        1024  /* segments of all frames of a burst */
#define FRAME_CHAIN_MAX   64    /* segments of one frame, a guest's longest useful chain */
#define FRAME_LEN_MAX     65553 /* 64 KiB - 1 of IP packet, Ethernet header and one VLAN tag less 0 */
#define FRAME_LEN_MIN     14    /* an Ethernet header */

/*
 * What a frame needs done before it may leave on a wire, and what a receiver can take over
 * (virtio 1.2, 5.1.6).  A frame's `needs` is the set for this frame; a port's `accepts` is the set
 * its receiver agreed to.
 */
#define OFFLOAD_CSUM 0x01 /* the checksum at csum_start + csum_offset is incomplete */
#define OFFLOAD_TSO4 0x02
#define OFFLOAD_TSO6 0x04
#define OFFLOAD_ECN  0x08 /* TSO with the CWR bit set in the first segment only */
#define OFFLOAD_UFO  0x10 /* UDP to be cut into IP fragments */
#define OFFLOAD_USO  0x20 /* UDP to be cut into datagrams (GSO_UDP_L4) */
#define OFFLOAD_GSO  (OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_UFO | OFFLOAD_USO)

struct frame_seg {
	const uint8_t *addr;
	uint32_t len;
	uint32_t pad;
};

struct frame {
	uint8_t *data;                /* first byte of the Ethernet header, in private memory */
	const struct frame_seg *segs; /* the bytes behind the private ones, in order */
	union {
		struct {
			uint32_t len;      /* all bytes, FRAME_LEN_MIN..FRAME_LEN_MAX */
			uint16_t head_len; /* private bytes at data; == len if seg_count is 0 */
			uint16_t seg_count;
		};
		uint64_t lengths; /* all three, in that order */
	};

	/* Offload request; positions count from data[0].  All zero for a plain frame. */
	uint8_t needs;    /* OFFLOAD_... */
	uint8_t verified; /* 1: the sender vouches for the checksum (virtio DATA_VALID) */
	uint16_t gso_size;
	uint16_t hdr_len; /* bytes of headers in front of the first segment's payload, a hint */
	uint16_t csum_start;
	uint16_t csum_offset; /* from csum_start */

	uint16_t snoop; /* datapath/snoop.h; valid on bridges that snoop */
	uint16_t pad[2];

	/* Filled by classification (datapath/classify.h). */
	union {
		struct {
			uint16_t vlan; /* the VLAN the frame belongs to on this bridge, 0..4094 */
			uint16_t tci;  /* 802.1Q tag control: PCP and DEI to carry; VLAN_HAD_TAG */
			uint16_t tag_type; /* EtherType of the outer tag: 0x8100 or 0x88a8 */
			uint16_t tagged;   /* 1: data holds an outer tag right now */
		};
		uint64_t tag; /* all four */
	};
} __attribute__((aligned(64)));

/* A plain frame without bytes: everything behind `segs` is 0. */
static inline void
frame_clear(struct frame *f)
{
	__builtin_memset((uint8_t *)f + 16, 0, 32);
}

/*
 * A plain frame, of which head_len bytes are or will be at data; `segs` is left alone.  What
 * classification fills in is undefined until then.
 */
static inline void
frame_start(struct frame *f, uint8_t *data, uint32_t len, uint32_t head_len, uint64_t seg_count)
{
	f->data = data;
	f->lengths = len | (uint64_t)head_len << 32 | seg_count << 48;
	__builtin_memset(&f->needs, 0, 16);
}

struct frame_slot {
	uint8_t headroom[FRAME_HEADROOM];
	uint8_t bytes[FRAME_WHOLE];
} __attribute__((aligned(64)));

/* What one visit of a receive queue brought. */
struct burst {
	uint16_t count; /* frames[0..count) */
	uint16_t segs_used;
	uint32_t bytes; /* sum of the frames' len */
	void *cookie
		[FRAME_BURST]; /* the source port's own note per frame (an mbuf), until rx_done */
	struct frame frames[FRAME_BURST];
	struct frame_seg segs[FRAME_SEGS];
	struct frame_slot slots[FRAME_BURST];
};

_Static_assert(FRAME_BURST_BYTES >= FRAME_LEN_MAX, "any frame fits a burst");
_Static_assert(
	FRAME_BURST_BYTES < 2 * 65000, "one that is as long as can be leaves room for no other");
_Static_assert(sizeof(struct frame) == 64, "a frame's description is one cache line");
_Static_assert(offsetof(struct frame, needs) == offsetof(struct frame, len) + 8 &&
		       offsetof(struct frame, verified) == offsetof(struct frame, needs) + 1 &&
		       offsetof(struct frame, tag) == offsetof(struct frame, needs) + 16,
	"lengths and request are written, and looked at, as a whole each");

#endif
