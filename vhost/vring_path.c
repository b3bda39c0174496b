/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_path: frames from and to a ring, for both formats.  Compiled once for each level of vectors
 * (vhost/vring_level.h); VRING_LEVEL is the name of the one at hand.
 *
 * One inline function each with constant flags: what differs between the formats is chosen by the
 * compiler.
 *
 * Threat model: the guest's memory changes at any time.  What is decided is decided from entries and
 * from the private copy of a frame; a buffer's bytes are read once.
 *
 * A sender's memory may go away in the middle of a copy (lib/fault.h): until all frames of a burst
 * are copied nothing of the receiver's ring is changed.
 */
#include "vhost/vring_copy.h"
#include "vhost/vring_impl.h"
#include "vhost/vring_level.h"
#include "vhost/vring_packed.h"
#include "vhost/vring_split.h"

static __attribute__((noinline)) unsigned
peek(struct vring *vr, unsigned want, uint16_t write, const bool packed)
{
	return packed ? packed_peek(vr, want, write) : split_peek(vr, want, write);
}

HOT uint64_t
used_word(const struct entry *e, uint32_t len, const bool packed)
{
	return packed ? packed_word(e, len) : split_word(e, len);
}

HOT void
count_chains(struct vring *vr, unsigned n)
{
	atomic_store_explicit(&vr->chains,
		atomic_load_explicit(&vr->chains, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Adds an entry's memory to spans; false: malformed. */
static inline bool
entry_spans(struct vring *vr, unsigned n, uint16_t write, struct spans *spans, const bool packed)
{
	const struct entry *e = &vr->ahead.at[n];

	if (LIKELY(e->at != NULL))
		return spans_add_flat(spans, e->at, e->len);
	return packed ? packed_chain(vr, e, vr->ahead.raw[n], write, spans)
		      : split_chain(vr, vr->ahead.raw[n], write, spans);
}

/* ---- receive: a chain of the guest's transmitq becomes a frame of the burst ---- */

/* The frame behind a header that asks for something; false: dropped and counted. */
static __attribute__((noinline)) bool
rx_request(const struct vring *vr, struct frame *f, uint64_t first, const uint8_t *rest,
	struct port_counters *counters)
{
	struct virtio_net_hdr hdr;

	memcpy(&hdr, &first, sizeof(first));
	memcpy((uint8_t *)&hdr + sizeof(first), rest, VIRTIO_NET_HDR_LEN_LEGACY - sizeof(first));
	if (rx_offload(vr, f, &hdr))
		return true;
	rx_drop(counters, DROP_BAD_OFFLOAD, f->len);
	return false;
}

/*
 * The plain entries from `i` on, which hold header and frame in one piece, as far as the burst has
 * room.  Returns the number of the first that was not used up.
 */
HOT unsigned
rx_flat(struct vring *vr, struct burst *burst, unsigned i, unsigned count,
	struct port_counters *counters, const uint32_t header_len)
{
	const unsigned room = FRAME_BURST - burst->count;
	const struct entry *e = &vr->ahead.at[i], *end = e + (count - i < room ? count - i : room);
	struct frame *f = &burst->frames[burst->count];
	uint8_t *to = burst->slots[burst->count].bytes;
	struct frame_seg *seg = &burst->segs[burst->segs_used];
	const struct frame_seg *segs_end = &burst->segs[FRAME_SEGS - SPANS_MAX];
	uint32_t bytes = burst->bytes;

	for (; e < end; e++) {
		const uint8_t *at = e->at;
		uint32_t len = e->len - header_len;
		uint64_t header;

		if (UNLIKELY(len - FRAME_LEN_MIN > FRAME_LEN_MAX - FRAME_LEN_MIN)) {
			if (!at)
				break;
			rx_misfit(counters, e->len, header_len);
			continue;
		}
		if (UNLIKELY(bytes + len > FRAME_BURST_BYTES))
			break;
		memcpy(&header, at, sizeof(header));
		if (LIKELY(len <= FRAME_WHOLE)) {
			frame_start(f, to, len, len, 0);
			copy_short(to, at + header_len, len);
		} else {
			if (UNLIKELY(seg > segs_end))
				break;
			frame_start(f, to, len, FRAME_PREFIX, 1);
			f->segs = seg;
			copy_ends(to, at + header_len, FRAME_PREFIX, FRAME_PREFIX / 2);
			seg->addr = at + header_len + FRAME_PREFIX;
			seg->len = len - FRAME_PREFIX;
			seg++;
		}
		/* Flags and type: a header without a request is the common case. */
		if (UNLIKELY((uint16_t)header) &&
			!rx_request(vr, f, header, at + sizeof(header), counters))
			continue;
		f++;
		to += sizeof(struct frame_slot);
		bytes += len;
	}
	burst->count = (uint16_t)(f - burst->frames);
	burst->segs_used = (uint16_t)(seg - burst->segs);
	burst->bytes = bytes;
	return (unsigned)(e - vr->ahead.at);
}

/* One entry that is not plain; false: the burst has no room for it. */
HOT bool
rx_chain(struct vring *vr, struct burst *burst, unsigned i, struct port_counters *counters,
	const bool packed)
{
	struct spans spans;

	if (rx_burst_full(burst))
		return false;
	spans.count = 0;
	spans.len = 0;
	if (!entry_spans(vr, i, 0, &spans, packed)) {
		rx_drop(counters, DROP_BAD_DESCRIPTOR, 0);
		return true;
	}
	if (burst->count && burst->bytes + (uint64_t)spans.len > FRAME_BURST_BYTES)
		return false;
	rx_spans(vr, burst, &spans, counters);
	return true;
}

HOT void
ring_rx_done(struct vring *vr, const bool packed)
{
	unsigned n = vr->ahead.taken;

	if (!n)
		return;
	if (packed)
		packed_return(vr, n);
	else
		split_return(vr, n);
	count_chains(vr, n);
}

HOT bool
ring_rx(struct vring *vr, struct burst *burst, struct port_counters *counters, const bool packed,
	const uint32_t header_len)
{
	struct ahead *ahead = &vr->ahead;
	unsigned n = ahead->count ? ahead->count : peek(vr, FRAME_BURST, 0, packed), i = 0;

	/* A plain entry that is left found no room. */
	while ((i = rx_flat(vr, burst, i, n, counters, header_len)) < n && !ahead->at[i].at &&
		rx_chain(vr, burst, i, counters, packed))
		i++;
	ahead->taken = (uint16_t)i;
	if (!burst->count)
		ring_rx_done(vr, packed);
	return i > 0;
}

/* ---- transmit: a frame into chains of the guest's receiveq ---- */

/* What a call of tx has used so far, and will give back at its end. */
struct tx {
	unsigned used;      /* entries */
	bool dry;           /* there are no more entries than those read ahead */
	uint64_t joined[2]; /* entries that go on with the frame of the one before */
	uint64_t words[AHEAD_MAX];
};

/* Marks the buffers of plain entries as written; tx_spans() does it for all others. */
static __attribute__((noinline)) void
tx_log(struct vring *vr, const struct tx *tx, const bool packed)
{
	for (unsigned i = 0; i < tx->used; i++)
		if (vr->ahead.at[i].at)
			vring_log_host(vr, vr->ahead.at[i].at,
				(uint32_t)(packed ? tx->words[i] : tx->words[i] >> 32));
}

/* The driver gets what was used until here. */
HOT void
tx_publish(struct vring *vr, struct tx *tx, const bool packed)
{
	unsigned n = tx->used;

	if (!n)
		return;
	if (UNLIKELY(vr->log != NULL))
		tx_log(vr, tx, packed);
	if (packed) {
		packed_advance(vr, n, packed_publish(vr, tx->words, n, tx->joined));
	} else {
		split_publish(vr, tx->words, n);
		split_advance(vr, n);
	}
	count_chains(vr, n);
	tx->used = 0;
	tx->joined[0] = 0;
	tx->joined[1] = 0;
}

/* Entry `n` is there, or can be read ahead now. */
HOT bool
tx_entry(struct vring *vr, struct tx *tx, unsigned n, const bool packed)
{
	if (n < vr->ahead.count)
		return true;
	if (tx->dry)
		return false;
	peek(vr, n + TX_MERGE_MAX / 4 < AHEAD_MAX ? n + TX_MERGE_MAX / 4 : AHEAD_MAX,
		VIRTQ_DESC_F_WRITE, packed);
	tx->dry = n >= vr->ahead.count;
	return !tx->dry;
}

/*
 * A frame that does not fit the next entry, or finds none: chains, or several buffers.  Takes the
 * entries it uses; counts the frame, or why it was dropped.
 */
static __attribute__((noinline)) void
tx_gather(struct vring *vr, struct tx *tx, const struct frame *f, struct port_counters *counters,
	const bool packed)
{
	uint32_t need = f->len + vr->header_len, filled = 0, lens[TX_MERGE_MAX];
	unsigned n = 0, limit = vr->mergeable ? TX_MERGE_MAX : 1;
	bool good = true;
	struct spans spans;

	if (UNLIKELY(tx->used > AHEAD_MAX - TX_MERGE_MAX))
		tx_publish(vr, tx, packed);
	spans.count = 0;
	spans.len = 0;
	while (good && spans.len < need) {
		uint32_t before = spans.len;

		if (n == limit) {
			counters->drops[DROP_BUFFER_TOO_SMALL]++;
			return;
		}
		if (!tx_entry(vr, tx, tx->used + n, packed)) {
			counters->drops[vring_is_broken(vr) ? DROP_BAD_BUFFER : DROP_NO_BUFFER]++;
			return;
		}
		good = entry_spans(vr, tx->used + n, VIRTQ_DESC_F_WRITE, &spans, packed);
		lens[n++] = spans.len - before;
	}
	if (LIKELY(good)) {
		tx_spans(vr, &spans, n, f);
		counters->tx_packets++;
		counters->tx_bytes += f->len;
	} else {
		/* All looked at go back unused: the bad one must not stay in the way. */
		counters->drops[DROP_BAD_BUFFER]++;
		need = 0;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned at = tx->used + i;
		uint32_t part = need - filled < lens[i] ? need - filled : lens[i];

		tx->words[at] = used_word(&vr->ahead.at[at], part, packed);
		if (i)
			tx->joined[at / 64] |= UINT64_C(1) << at % 64;
		filled += part;
	}
	tx->used += n;
}

/* Writes header and frame to one piece of memory that is large enough. */
HOT void
tx_flat(uint8_t *to, const struct frame *f, const uint32_t header_len)
{
	struct tx_words header = tx_header(f, 1);
	uint32_t head_len = f->head_len;

	memcpy(to, &header.first, 8);
	memcpy(to + 8, &header.second, header_len - 8);
	to += header_len;
	copy_short(to, f->data, head_len);
	if (LIKELY(!f->seg_count))
		return;
	to += head_len;
	for (unsigned s = 0; s < f->seg_count; s++) {
		copy_long(to, f->segs[s].addr, f->segs[s].len);
		to += f->segs[s].len;
	}
}

HOT void
ring_tx(struct vring *vr, const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters, const bool packed, const uint32_t header_len)
{
	const uint8_t *end = list + count;
	const struct entry *e = vr->ahead.at;
	uint64_t bytes = 0;
	unsigned packets = 0, ready;
	struct tx tx;
	uint64_t *word = tx.words;

	tx.used = 0;
	tx.joined[0] = 0;
	tx.joined[1] = 0;
	ready = peek(vr, count, VIRTQ_DESC_F_WRITE, packed);
	if (UNLIKELY(!ready)) {
		/* A receiver that gives no buffers costs the others nothing more. */
		counters->drops[vring_is_broken(vr) ? DROP_BAD_BUFFER : DROP_NO_BUFFER] += count;
		return;
	}
	tx.dry = ready < count;
	for (; list < end; list++) {
		const struct frame *f = &frames[*list];
		uint32_t need = f->len + header_len;

		/* Behind the last entry there is one of length 0. */
		if (UNLIKELY(e->len < need)) {
			tx.used = (unsigned)(word - tx.words);
			tx_gather(vr, &tx, f, counters, packed);
			word = &tx.words[tx.used];
			e = &vr->ahead.at[tx.used];
			continue;
		}
		tx_flat(e->at, f, header_len);
		*word++ = used_word(e++, need, packed);
		packets++;
		bytes += need;
	}
	tx.used = (unsigned)(word - tx.words);
	counters->tx_packets += packets;
	counters->tx_bytes += bytes - (uint64_t)packets * header_len;
	tx_publish(vr, &tx, packed);
}

/* ---- the operations of both formats ---- */

#define MODERN(vr) LIKELY((vr)->header_len == VIRTIO_NET_HDR_LEN)

static unsigned
split_do_peek(struct vring *vr, unsigned want, uint16_t write)
{
	return write ? split_peek(vr, want, VIRTQ_DESC_F_WRITE) : split_peek(vr, want, 0);
}

static bool
split_do_rx(struct vring *vr, struct burst *burst, struct port_counters *counters)
{
	return MODERN(vr) ? ring_rx(vr, burst, counters, false, VIRTIO_NET_HDR_LEN)
			  : ring_rx(vr, burst, counters, false, VIRTIO_NET_HDR_LEN_LEGACY);
}

static void
split_do_rx_done(struct vring *vr)
{
	ring_rx_done(vr, false);
}

static void
split_do_tx(struct vring *vr, const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	if (MODERN(vr))
		ring_tx(vr, frames, list, count, counters, false, VIRTIO_NET_HDR_LEN);
	else
		ring_tx(vr, frames, list, count, counters, false, VIRTIO_NET_HDR_LEN_LEGACY);
}

static unsigned
packed_do_peek(struct vring *vr, unsigned want, uint16_t write)
{
	return write ? packed_peek(vr, want, VIRTQ_DESC_F_WRITE) : packed_peek(vr, want, 0);
}

static bool
packed_do_rx(struct vring *vr, struct burst *burst, struct port_counters *counters)
{
	/* Packed rings came with VERSION_1. */
	return ring_rx(vr, burst, counters, true, VIRTIO_NET_HDR_LEN);
}

static void
packed_do_rx_done(struct vring *vr)
{
	ring_rx_done(vr, true);
}

static void
packed_do_tx(struct vring *vr, const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	ring_tx(vr, frames, list, count, counters, true, VIRTIO_NET_HDR_LEN);
}

const struct vring_path VRING_LEVEL[2] = {
	{
		.peek = split_do_peek,
		.rx = split_do_rx,
		.rx_done = split_do_rx_done,
		.tx = split_do_tx,
		.flush = split_flush,
		.arm = split_arm,
		.disarm = split_disarm,
	},
	{
		.peek = packed_do_peek,
		.rx = packed_do_rx,
		.rx_done = packed_do_rx_done,
		.tx = packed_do_tx,
		.flush = packed_flush,
		.arm = packed_arm,
		.disarm = packed_disarm,
	},
};
