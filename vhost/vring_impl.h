/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_impl: a ring as its worker keeps it, and the parts that split and packed rings share.
 * Inside vhost/ only.
 *
 * Both formats work on entries: descriptors that were read ahead, once, into private memory,
 * checked and translated, four at a time where vectors allow (vhost/vring_split.h,
 * vhost/vring_packed.h).  From entries on, both are one code (vhost/vring_path.c).
 */
#ifndef VHOST_VRING_IMPL_H
#define VHOST_VRING_IMPL_H

#include <string.h>

#include "datapath/port.h"
#include "vhost/inflight.h"
#include "vhost/vring.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HOT         static inline __attribute__((always_inline))

#define CACHE_LINE 64

/* Most chains that one frame may take with mergeable buffers. */
#define TX_MERGE_MAX 64

/* A piece of guest memory that a descriptor names, translated. */
struct span {
	uint8_t *addr;
	uint32_t len;
};

/* Two per descriptor of the longest chain, for buffers that cross from one region into the next. */
#define SPANS_MAX (2 * FRAME_CHAIN_MAX)

/* The memory that one or several chains name, in order. */
struct spans {
	unsigned count;
	uint32_t len; /* bytes in all */
	struct span at[SPANS_MAX];
};

/*
 * What the driver made available at one place of the ring.  A plain entry is one buffer in one
 * piece.  Any other has no address and no length; ahead.raw tells what it is.
 */
struct entry {
	uint8_t *at;
	uint32_t len;   /* of the buffer */
	uint16_t id;    /* what to give back: head index or buffer id */
	uint16_t slots; /* packed: ring positions it takes; split: 0 */
};

/* The two words of an entry, as vectors make them. */
#define ENTRY_ID_SHIFT    32
#define ENTRY_SLOTS_SHIFT 48

#define AHEAD_MAX (2 * FRAME_BURST)
_Static_assert(AHEAD_MAX >= FRAME_BURST + TX_MERGE_MAX, "a merged frame fits behind a burst");

/*
 * Entries from the next position of the ring on, their first lines on the way into the cache.  The
 * first `taken` are those of the burst under way, to be given back at its end.  The one behind the
 * last has length 0.
 */
struct ahead {
	uint16_t count, taken;
	uint16_t slots; /* packed: of all */
	bool odd;       /* some entry is not plain */
	bool chained;   /* packed: some entry takes more than one slot */
	struct entry at[AHEAD_MAX + 1] __attribute__((aligned(32)));
	/*
	 * Of those that are not plain: the first descriptor of the chain.  packed: `next` is its place.
	 */
	struct virtq_desc raw[AHEAD_MAX];
};

/* The work on a ring at one level of vectors (vhost/vring_level.h), split or packed. */
struct vring_path {
	unsigned (*peek)(struct vring *vr, unsigned want, uint16_t write);
	/* true when anything was consumed */
	bool (*rx)(struct vring *vr, struct burst *burst, struct port_counters *counters);
	void (*rx_done)(struct vring *vr);
	void (*tx)(struct vring *vr, const struct frame *frames, const uint8_t *list,
		unsigned count, struct port_counters *counters);
	void (*flush)(struct vring *vr);
	bool (*arm)(struct vring *vr);
	void (*disarm)(struct vring *vr);
};

/* Of each level: [0] for split rings, [1] for packed ones. */
extern const struct vring_path vring_path_v2[2], vring_path_v3[2], vring_path_v4[2];
/* Of the chosen level. */
const struct vring_path *vring_level_path(bool packed);

struct vring {
	/* constant while published */
	const struct vring_path *path;
	union {
		struct virtq_desc *desc;
		struct virtq_packed_desc *packed;
	};
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct virtq_packed_event *driver_event; /* the driver's wish */
	struct virtq_packed_event *device_event; /* ours */
	const struct guest_memory *memory;
	const struct dirty_log *log;
	uint64_t used_gpa, event_gpa;
	uint64_t features;
	struct inflight_queue *inflight;
	uint16_t size, mask;
	uint8_t header_len;
	bool is_packed, event_idx, in_order, indirect, mergeable, log_used;
	atomic_int call_fd;

	/* the worker's */
	struct {
		uint64_t gpa, size;
		uint8_t *host;
	} near __attribute__((aligned(CACHE_LINE))); /* the region of the last translation */
	uint16_t next;                               /* the first entry's place */
	uint16_t signalled;      /* where the driver was last considered for a call */
	bool wrap;               /* packed: of next */
	_Atomic uint32_t broken; /* enum vring_broken */
	_Atomic uint64_t calls, chains;
	struct ahead ahead;
};

/* Looks through all regions for all of [gpa, gpa + len); the one found is the nearest from now on. */
uint8_t *vring_find(struct vring *vr, uint64_t gpa, uint64_t len);

/* Translates all of [gpa, gpa + len) if it lies in one region; else NULL. */
HOT uint8_t *
vring_translate(struct vring *vr, uint64_t gpa, uint64_t len)
{
	uint64_t offset = gpa - vr->near.gpa;

	if (UNLIKELY(offset >= vr->near.size || len > vr->near.size - offset))
		return vring_find(vr, gpa, len);
	return vr->near.host + offset;
}

/* Adds one descriptor's memory; false when it is not all the guest's own, or too much. */
bool spans_add(struct vring *vr, struct spans *spans, uint64_t gpa, uint32_t len);

/* Adds memory that was translated. */
static inline bool
spans_add_flat(struct spans *spans, uint8_t *at, uint32_t len)
{
	if (!len || spans->count == SPANS_MAX || spans->len + (uint64_t)len > UINT32_MAX)
		return false;
	spans->at[spans->count++] = (struct span){at, len};
	spans->len += len;
	return true;
}

/* Marks guest memory as written, which was found by translation. */
void vring_log_host(const struct vring *vr, const uint8_t *at, uint32_t len);

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

static inline bool
vring_is_broken(const struct vring *vr)
{
	return atomic_load_explicit(&vr->broken, memory_order_relaxed) != VRING_OK;
}

/* Writes the eventfd.  A system call: only from the flush operations. */
void vring_call(struct vring *vr);

static inline bool
vring_event_needed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* The first lines of a buffer that is going to be read or written. */
HOT void
prefetch_buffer(const uint8_t *at, bool write)
{
	if (write) {
		__builtin_prefetch(at, 1, 2);
		__builtin_prefetch(at + CACHE_LINE, 1, 2);
	} else {
		__builtin_prefetch(at, 0, 2);
		__builtin_prefetch(at + CACHE_LINE, 0, 2);
	}
}

/* `count` entries are there. */
HOT void
ahead_set(struct ahead *ahead, unsigned count)
{
	ahead->count = (uint16_t)count;
	ahead->at[count].len = 0;
}

/* Appends an entry that is not plain. */
static inline void
ahead_add_raw(struct ahead *ahead, unsigned n, struct virtq_desc raw, uint16_t id, uint16_t slots)
{
	ahead->at[n] = (struct entry){.id = id, .slots = slots};
	ahead->raw[n] = raw;
	ahead->odd = true;
}

/* The first `n` entries were used up. */
HOT void
ahead_consume(struct ahead *ahead, unsigned n, unsigned slots)
{
	unsigned left = ahead->count - n;

	ahead->taken = 0;
	ahead->slots = (uint16_t)(ahead->slots - slots);
	if (UNLIKELY(left)) {
		memmove(ahead->at, ahead->at + n, left * sizeof(ahead->at[0]));
		if (ahead->odd)
			memmove(ahead->raw, ahead->raw + n, left * sizeof(ahead->raw[0]));
	} else {
		ahead->odd = false;
		ahead->chained = false;
	}
	ahead_set(ahead, left);
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
void rx_misfit(struct port_counters *counters, uint32_t total, uint32_t header_len);

/*
 * The offload request of a frame, from a private copy of its virtio-net header.  false when it asks
 * for what was not negotiated or contradicts the frame.
 */
bool rx_offload(const struct vring *vr, struct frame *f, const struct virtio_net_hdr *hdr);

/* A frame from any chain; the burst has room for one more, SPANS_MAX segments too. */
void rx_spans(struct vring *vr, struct burst *burst, const struct spans *spans,
	struct port_counters *counters);

static inline bool
rx_burst_full(const struct burst *burst)
{
	return burst->count == FRAME_BURST || burst->segs_used > FRAME_SEGS - SPANS_MAX;
}

/*
 * The header for the receiver as two little-endian words, bytes 0 to 7 and 8 to 11.  Built in
 * registers: storing its fields one by one and copying them at once would wait for the stores.
 */
struct tx_words {
	uint64_t first;
	uint32_t second;
};

/* Of a frame that needs something, or whose sender vouches for its checksum. */
struct tx_words tx_header_full(const struct frame *f, unsigned num_buffers);

HOT struct tx_words
tx_header(const struct frame *f, unsigned num_buffers)
{
	struct tx_words words = {.second = (uint32_t)num_buffers << 16};
	uint16_t request; /* needs and verified */

	memcpy(&request, &f->needs, sizeof(request));
	return LIKELY(!request) ? words : tx_header_full(f, num_buffers);
}

/*
 * Writes header and frame over spans that hold enough in all; `chains` is the number of chains they
 * belong to.
 */
void tx_spans(
	const struct vring *vr, const struct spans *spans, unsigned chains, const struct frame *f);

#endif
