/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_impl: the parts that split and packed rings share on the packet path.  Inside vhost/ only.
 */
#ifndef VHOST_VRING_IMPL_H
#define VHOST_VRING_IMPL_H

#include <string.h>

#include "datapath/port.h"
#include "vhost/vring.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define CACHE_LINE 64

/* A piece of guest memory that a descriptor names, translated. */
struct span {
	uint8_t *addr;
	uint32_t len;
	uint64_t gpa;
};

/* Two per descriptor of the longest chain, for buffers that cross from one region into the next. */
#define SPANS_MAX (2 * FRAME_CHAIN_MAX)

/* The memory that one or several chains name, in order. */
struct spans {
	unsigned count;
	uint32_t len; /* bytes in all */
	struct span at[SPANS_MAX];
};

/* A descriptor chain, read once. */
struct chain {
	uint16_t id;    /* what to give back: head index or buffer id */
	uint16_t slots; /* packed: ring positions it takes */
	uint32_t len;   /* bytes of its spans */
};

/* A chain that was consumed and waits for its completion at the end of the burst. */
struct done {
	uint16_t id;
	uint16_t slots;
};

struct vring {
	/* constant while published */
	union {
		struct virtq_desc *desc;
		struct virtq_packed_desc *packed;
	};
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct virtq_packed_event *driver_event; /* the driver's wish */
	struct virtq_packed_event *device_event; /* ours */
	const struct guest_memory *memory;
	const struct guest_region *near; /* the region of the last translation; worker */
	const struct dirty_log *log;
	uint64_t used_gpa;
	uint64_t features;
	struct inflight_queue *inflight;
	uint16_t size, mask;
	uint8_t header_len;
	bool is_packed, event_idx, in_order, indirect, mergeable, log_used;
	atomic_int call_fd;

	/* the worker's */
	uint16_t next __attribute__((aligned(CACHE_LINE))); /* next available */
	uint16_t signalled; /* where the driver was last considered for a call */
	bool wrap;          /* packed: of next */
	bool signalled_wrap;
	bool armed;
	uint16_t done_count;
	_Atomic uint32_t broken; /* enum vring_broken */
	_Atomic uint64_t calls, chains;
	struct done done[FRAME_BURST];
};

/* Translates all of [gpa, gpa + len) if it lies in one region. */
static inline uint8_t *
vring_translate(struct vring *vr, uint64_t gpa, uint64_t len)
{
	const struct guest_region *r = vr->near;
	uint64_t offset = gpa - r->gpa;

	if (UNLIKELY(offset >= r->size || len > r->size - offset)) {
		unsigned i;

		for (i = 0; i < vr->memory->count; i++) {
			r = &vr->memory->regions[i];
			offset = gpa - r->gpa;
			if (offset < r->size && len <= r->size - offset)
				break;
		}
		if (i == vr->memory->count)
			return NULL;
		vr->near = r;
	}
	return r->host + offset;
}

/* Adds one descriptor's memory; false when it is not all the guest's own, or too much. */
static inline bool
spans_add(struct vring *vr, struct spans *spans, uint64_t gpa, uint32_t len)
{
	uint8_t *addr = vring_translate(vr, gpa, len);

	if (UNLIKELY(!len || spans->len + (uint64_t)len > UINT32_MAX))
		return false;
	if (LIKELY(addr != NULL)) {
		if (UNLIKELY(spans->count == SPANS_MAX))
			return false;
		spans->at[spans->count++] = (struct span){addr, len, gpa};
		spans->len += len;
		return true;
	}
	/* Adjacent regions: piece by piece. */
	while (len) {
		uint64_t reach;
		uint32_t n;

		addr = guest_memory_at(vr->memory, gpa, &reach);
		if (!addr || spans->count == SPANS_MAX)
			return false;
		n = reach < len ? (uint32_t)reach : len;
		spans->at[spans->count++] = (struct span){addr, n, gpa};
		spans->len += n;
		gpa += n;
		len -= n;
	}
	return true;
}

static inline void
vring_log(const struct vring *vr, uint64_t gpa, uint64_t len)
{
	if (UNLIKELY(vr->log != NULL))
		dirty_log_mark(vr->log, gpa, len);
}

static inline void
vring_log_used(const struct vring *vr, uint64_t offset, uint64_t len)
{
	if (UNLIKELY(vr->log_used && vr->log))
		dirty_log_mark(vr->log, vr->used_gpa + offset, len);
}

static inline void
vring_break(struct vring *vr, enum vring_broken reason)
{
	atomic_store_explicit(&vr->broken, reason, memory_order_relaxed);
}

/* Writes the eventfd.  A system call: only from the flush operations. */
void vring_call(struct vring *vr);

static inline bool
vring_event_needed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* Copies n bytes, 0..FRAME_WHOLE of them mostly; never touches a byte beyond either end. */
static inline void
copy_short(void *to, const void *from, uint32_t n)
{
	typedef uint8_t v16 __attribute__((vector_size(16), aligned(1), may_alias));
	uint8_t *t = to;
	const uint8_t *f = from;

	if (LIKELY(n >= 16)) {
		const uint8_t *last = f + n - 16;
		v16 tail = *(const v16 *)last;

		for (uint32_t i = 0; i + 16 < n; i += 16)
			*(v16 *)(t + i) = *(const v16 *)(f + i);
		*(v16 *)(t + n - 16) = tail;
	} else if (n >= 8) {
		uint64_t a, b;

		memcpy(&a, f, 8);
		memcpy(&b, f + n - 8, 8);
		memcpy(t, &a, 8);
		memcpy(t + n - 8, &b, 8);
	} else if (n >= 4) {
		uint32_t a, b;

		memcpy(&a, f, 4);
		memcpy(&b, f + n - 4, 4);
		memcpy(t, &a, 4);
		memcpy(t + n - 4, &b, 4);
	} else {
		for (uint32_t i = 0; i < n; i++)
			t[i] = f[i];
	}
}

/* ---- receive: a chain of the guest's transmitq becomes a frame of the burst ---- */

/* Counts and forgets a chain that is no frame. */
static inline void
rx_drop(struct port_counters *counters, enum drop drop, uint32_t bytes)
{
	counters->rx_packets++;
	counters->rx_bytes += bytes;
	counters->drops[drop]++;
}

/*
 * The offload request of a frame, from a private copy of its virtio-net header.  false when it asks
 * for what was not negotiated or contradicts the frame.
 */
bool rx_offload(const struct vring *vr, struct frame *f, const struct virtio_net_hdr *hdr);

/* Header without any request: the common case, tested on the copy. */
static inline bool
rx_header_plain(const struct virtio_net_hdr *hdr)
{
	return !(hdr->flags | hdr->gso_type);
}

/* A frame from any chain; the burst has room for one more, SPANS_MAX segments too. */
void rx_spans(struct vring *vr, struct burst *burst, const struct spans *spans,
	struct port_counters *counters);

/* A frame that lies in one piece, header included. */
static inline void
rx_flat(struct vring *vr, struct burst *burst, const uint8_t *at, uint32_t total,
	struct port_counters *counters)
{
	uint32_t len = total - vr->header_len;
	struct frame *f = &burst->frames[burst->count];
	uint8_t *bytes = burst->slots[burst->count].bytes;
	struct virtio_net_hdr hdr;

	if (UNLIKELY(total < vr->header_len + (uint32_t)FRAME_LEN_MIN || len > FRAME_LEN_MAX)) {
		rx_drop(counters,
			total < vr->header_len ? DROP_BAD_DESCRIPTOR
			: len > FRAME_LEN_MAX  ? DROP_TOO_LONG
					       : DROP_RUNT,
			total < vr->header_len ? 0 : len);
		return;
	}
	memcpy(&hdr, at, sizeof(hdr.flags) + sizeof(hdr.gso_type) + 8);
	at += vr->header_len;
	f->data = bytes;
	f->len = len;
	f->needs = 0;
	f->verified = 0;
	f->gso_size = 0;
	f->hdr_len = 0;
	if (LIKELY(len <= FRAME_WHOLE)) {
		copy_short(bytes, at, len);
		f->head_len = (uint16_t)len;
		f->seg_count = 0;
	} else {
		struct frame_seg *seg = &burst->segs[burst->segs_used++];

		__builtin_memcpy(bytes, at, FRAME_PREFIX);
		f->head_len = FRAME_PREFIX;
		f->seg_count = 1;
		f->segs = seg;
		seg->addr = at + FRAME_PREFIX;
		seg->len = len - FRAME_PREFIX;
	}
	if (UNLIKELY(!rx_header_plain(&hdr)) && !rx_offload(vr, f, &hdr)) {
		rx_drop(counters, DROP_BAD_OFFLOAD, len);
		return;
	}
	burst->count++;
	burst->bytes += len;
}

static inline bool
rx_burst_full(const struct burst *burst)
{
	return burst->count == FRAME_BURST || burst->bytes >= FRAME_BURST_BYTES ||
	       burst->segs_used > FRAME_SEGS - SPANS_MAX;
}

/* ---- transmit: a frame into chains of the guest's receiveq ---- */

/* The header for the receiver; num_buffers = 1. */
static inline void
tx_header(const struct frame *f, struct virtio_net_hdr *hdr)
{
	memset(hdr, 0, sizeof(*hdr));
	hdr->num_buffers = 1;
	if (LIKELY(!f->needs)) {
		hdr->flags = f->verified ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
		return;
	}
	if (f->needs & OFFLOAD_CSUM) {
		hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->csum_start = f->csum_start;
		hdr->csum_offset = f->csum_offset;
	}
	if (!(f->needs & OFFLOAD_GSO))
		return;
	hdr->gso_type = f->needs & OFFLOAD_TSO4   ? VIRTIO_NET_HDR_GSO_TCPV4
			: f->needs & OFFLOAD_TSO6 ? VIRTIO_NET_HDR_GSO_TCPV6
			: f->needs & OFFLOAD_UFO  ? VIRTIO_NET_HDR_GSO_UDP
						  : VIRTIO_NET_HDR_GSO_UDP_L4;
	if (f->needs & OFFLOAD_ECN)
		hdr->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	hdr->gso_size = f->gso_size;
	hdr->hdr_len = f->hdr_len;
}

/* Writes header and frame to one piece of memory that is large enough. */
static inline void
tx_flat(const struct vring *vr, uint8_t *to, const struct frame *f)
{
	struct virtio_net_hdr hdr;

	tx_header(f, &hdr);
	memcpy(to, &hdr, VIRTIO_NET_HDR_LEN_LEGACY);
	if (LIKELY(vr->header_len == VIRTIO_NET_HDR_LEN))
		memcpy(to + VIRTIO_NET_HDR_LEN_LEGACY, &hdr.num_buffers, 2);
	to += vr->header_len;
	copy_short(to, f->data, f->head_len);
	if (LIKELY(!f->seg_count))
		return;
	to += f->head_len;
	for (unsigned s = 0; s < f->seg_count; s++) {
		memcpy(to, f->segs[s].addr, f->segs[s].len);
		to += f->segs[s].len;
	}
}

/*
 * Writes header and frame over spans that hold enough in all; `chains` is the number of chains they
 * belong to.
 */
void tx_spans(
	const struct vring *vr, const struct spans *spans, unsigned chains, const struct frame *f);

/* Most chains that one frame may take with mergeable buffers. */
#define TX_MERGE_MAX 64

/* ---- the two ring formats ---- */

void vring_split_rx(struct vring *vr, struct burst *burst, struct port_counters *counters);
void vring_split_rx_done(struct vring *vr);
void vring_split_tx(struct vring *vr, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters);
void vring_split_flush(struct vring *vr);
bool vring_split_arm(struct vring *vr);
void vring_split_disarm(struct vring *vr);

void vring_packed_rx(struct vring *vr, struct burst *burst, struct port_counters *counters);
void vring_packed_rx_done(struct vring *vr);
void vring_packed_tx(struct vring *vr, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters);
void vring_packed_flush(struct vring *vr);
bool vring_packed_arm(struct vring *vr);
void vring_packed_disarm(struct vring *vr);

#endif
