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

/*
 * Plain one-descriptor buffers from the next position on, read ahead: descriptors in private memory,
 * checked and translated, their first lines on the way into the cache.
 */
struct ahead {
	uint16_t count;
	uint16_t ids[FRAME_BURST];  /* split: head index; packed: buffer id */
	uint32_t lens[FRAME_BURST]; /* of the buffer */
	uint64_t gpas[FRAME_BURST];
	uint8_t *at[FRAME_BURST]; /* split: NULL = not plain, to be read as a chain */
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
	uint64_t used_gpa, event_gpa;
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
	struct ahead ahead;
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

typedef uint8_t v16 __attribute__((vector_size(16), aligned(1), may_alias));

/* `half` vectors from the start and as many up to the end; they overlap where n is less. */
static inline __attribute__((always_inline)) void
copy_ends(uint8_t *to, const uint8_t *from, uint32_t n, unsigned half)
{
	for (unsigned i = 0; i < half; i++)
		*(v16 *)(to + 16 * i) = *(const v16 *)(from + 16 * i);
	for (unsigned i = 0; i < half; i++)
		*(v16 *)(to + n - 16 * (half - i)) = *(const v16 *)(from + n - 16 * (half - i));
}

/* Copies n bytes, made for 0..FRAME_WHOLE; never touches a byte beyond either end. */
static inline void
copy_short(uint8_t *to, const uint8_t *from, uint32_t n)
{
	if (n > 32) {
		if (n <= 64)
			copy_ends(to, from, n, 2);
		else if (n <= 128)
			copy_ends(to, from, n, 4);
		else if (n <= 256)
			copy_ends(to, from, n, 8);
		else
			memcpy(to, from, n);
	} else if (n >= 16) {
		copy_ends(to, from, n, 1);
	} else if (n >= 8) {
		uint64_t first, last;

		memcpy(&first, from, 8);
		memcpy(&last, from + n - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + n - 8, &last, 8);
	} else {
		for (uint32_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

/* ---- receive: a chain of the guest's transmitq becomes a frame of the burst ---- */

/* The first lines of a buffer that is going to be read or written. */
static inline void
prefetch_buffer(const uint8_t *at, bool write)
{
	if (UNLIKELY(!at))
		return;
	if (write) {
		__builtin_prefetch(at, 1, 2);
		__builtin_prefetch(at + CACHE_LINE, 1, 2);
	} else {
		__builtin_prefetch(at, 0, 2);
		__builtin_prefetch(at + CACHE_LINE, 0, 2);
	}
}

/* The first `n` entries were used up. */
static inline void
ahead_consume(struct ahead *ahead, unsigned n)
{
	if (LIKELY(n >= ahead->count)) {
		ahead->count = 0;
		return;
	}
	ahead->count = (uint16_t)(ahead->count - n);
	memmove(ahead->ids, ahead->ids + n, ahead->count * sizeof(ahead->ids[0]));
	memmove(ahead->lens, ahead->lens + n, ahead->count * sizeof(ahead->lens[0]));
	memmove(ahead->gpas, ahead->gpas + n, ahead->count * sizeof(ahead->gpas[0]));
	memmove(ahead->at, ahead->at + n, ahead->count * sizeof(ahead->at[0]));
}

/* Counts and forgets a chain that is no frame. */
static inline void
rx_drop(struct port_counters *counters, enum drop drop, uint32_t bytes)
{
	counters->rx_packets++;
	counters->rx_bytes += bytes;
	counters->drops[drop]++;
}

/* Counts a frame whose length is out of the question; total is that of frame and header. */
static inline void
rx_misfit(struct port_counters *counters, uint32_t total, uint32_t header_len)
{
	if (total < header_len)
		rx_drop(counters, DROP_BAD_DESCRIPTOR, 0);
	else if (total - header_len < FRAME_LEN_MIN)
		rx_drop(counters, DROP_RUNT, total - header_len);
	else
		rx_drop(counters, DROP_TOO_LONG, total - header_len);
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

/*
 * Frames that lie in one piece, header included: the first `count` entries of vr->ahead, as far as
 * they are plain and the burst has room.  Returns how many entries were used up.
 */
static inline unsigned
rx_flat(struct vring *vr, struct burst *burst, unsigned from, unsigned count,
	struct port_counters *counters)
{
	const struct ahead *ahead = &vr->ahead;
	const uint32_t header_len = vr->header_len;
	unsigned n = burst->count, segs = burst->segs_used, i;
	uint32_t bytes = burst->bytes;

	for (i = from; i < count && LIKELY(ahead->at[i] != NULL); i++) {
		const uint8_t *at = ahead->at[i];
		uint32_t total = ahead->lens[i], len = total - header_len;
		struct frame *f = &burst->frames[n];
		uint8_t *to = burst->slots[n].bytes;
		struct virtio_net_hdr hdr;

		if (UNLIKELY(n == FRAME_BURST || bytes >= FRAME_BURST_BYTES ||
			     segs > FRAME_SEGS - SPANS_MAX))
			break;
		if (UNLIKELY(total < header_len + FRAME_LEN_MIN || len > FRAME_LEN_MAX)) {
			rx_misfit(counters, total, header_len);
			continue;
		}
		memcpy(&hdr, at, VIRTIO_NET_HDR_LEN_LEGACY);
		at += header_len;
		frame_clear(f);
		f->data = to;
		f->len = len;
		if (LIKELY(len <= FRAME_WHOLE)) {
			copy_short(to, at, len);
			f->head_len = (uint16_t)len;
			f->seg_count = 0;
		} else {
			struct frame_seg *seg = &burst->segs[segs++];

			copy_ends(to, at, FRAME_PREFIX, FRAME_PREFIX / 32);
			f->head_len = FRAME_PREFIX;
			f->seg_count = 1;
			f->segs = seg;
			seg->addr = at + FRAME_PREFIX;
			seg->len = len - FRAME_PREFIX;
		}
		if (UNLIKELY(!rx_header_plain(&hdr)) && !rx_offload(vr, f, &hdr)) {
			rx_drop(counters, DROP_BAD_OFFLOAD, len);
			continue;
		}
		n++;
		bytes += len;
	}
	burst->count = (uint16_t)n;
	burst->segs_used = (uint16_t)segs;
	burst->bytes = bytes;
	return i - from;
}

static inline bool
rx_burst_full(const struct burst *burst)
{
	return burst->count == FRAME_BURST || burst->bytes >= FRAME_BURST_BYTES ||
	       burst->segs_used > FRAME_SEGS - SPANS_MAX;
}

/* ---- transmit: a frame into chains of the guest's receiveq ---- */

/*
 * The header for the receiver as two little-endian words, bytes 0 to 7 and 8 to 11.  Built in
 * registers: storing its fields one by one and copying them at once would wait for the stores.
 */
struct tx_words {
	uint64_t first;
	uint32_t second;
};

static inline struct tx_words
tx_header(const struct frame *f, unsigned num_buffers)
{
	struct tx_words words = {.first = f->verified ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.second = (uint32_t)num_buffers << 16};
	uint64_t gso;

	if (LIKELY(!f->needs))
		return words;
	if (f->needs & OFFLOAD_CSUM) {
		words.first = VIRTIO_NET_HDR_F_NEEDS_CSUM | (uint64_t)f->csum_start << 48;
		words.second |= f->csum_offset;
	}
	if (!(f->needs & OFFLOAD_GSO))
		return words;
	gso = f->needs & OFFLOAD_TSO4   ? VIRTIO_NET_HDR_GSO_TCPV4
	      : f->needs & OFFLOAD_TSO6 ? VIRTIO_NET_HDR_GSO_TCPV6
	      : f->needs & OFFLOAD_UFO  ? VIRTIO_NET_HDR_GSO_UDP
					: VIRTIO_NET_HDR_GSO_UDP_L4;
	if (f->needs & OFFLOAD_ECN)
		gso |= VIRTIO_NET_HDR_GSO_ECN;
	words.first |= gso << 8 | (uint64_t)f->hdr_len << 16 | (uint64_t)f->gso_size << 32;
	return words;
}

/* Writes header and frame to one piece of memory that is large enough. */
static inline void
tx_flat(uint32_t header_len, uint8_t *to, const struct frame *f)
{
	struct tx_words header = tx_header(f, 1);

	memcpy(to, &header.first, 8);
	if (LIKELY(header_len == VIRTIO_NET_HDR_LEN))
		memcpy(to + 8, &header.second, 4);
	else
		memcpy(to + 8, &header.second, 2);
	to += header_len;
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

unsigned vring_split_peek(struct vring *vr, unsigned want, uint16_t write);
/* true when anything was consumed */
bool vring_split_rx(struct vring *vr, struct burst *burst, struct port_counters *counters);
void vring_split_rx_done(struct vring *vr);
void vring_split_tx(struct vring *vr, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters);
void vring_split_flush(struct vring *vr);
bool vring_split_arm(struct vring *vr);
void vring_split_disarm(struct vring *vr);

unsigned vring_packed_peek(struct vring *vr, unsigned want, uint16_t write);
bool vring_packed_rx(struct vring *vr, struct burst *burst, struct port_counters *counters);
void vring_packed_rx_done(struct vring *vr);
void vring_packed_tx(struct vring *vr, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters);
void vring_packed_flush(struct vring *vr);
bool vring_packed_arm(struct vring *vr);
void vring_packed_disarm(struct vring *vr);

#endif
