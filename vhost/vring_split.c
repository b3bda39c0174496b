/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues, device side (virtio 1.2 section 2.7).
 *
 * Threat model: the guest changes descriptors, indexes and flags at any time; each is read once
 * with a volatile load into a local, checked, and only the local is used (vring.h).
 */
#include "vhost/vring_impl.h"

static inline struct virtq_desc
desc_read(const struct virtq_desc *from)
{
	const volatile uint64_t *words = (const volatile uint64_t *)from;
	union {
		uint64_t words[2];
		struct virtq_desc desc;
	} copy = {.words = {words[0], words[1]}};

	return copy.desc;
}

/* A table entry must be the guest's own, and aligned (2.7.5.3.1 with 2.7: 16 bytes). */
static inline bool
desc_usable(const void *at)
{
	return at && !((uintptr_t)at & (sizeof(struct virtq_desc) - 1));
}

static inline uint16_t
load16(const uint16_t *p)
{
	return *(const volatile uint16_t *)p;
}

/*
 * Adds the memory of a chain, whose first descriptor was read already, to spans.  `write` is the
 * flag that every descriptor of it must have (device-writable) or 0.  false: malformed.
 */
static bool
chain_read(struct vring *vr, struct virtq_desc d, uint16_t write, struct spans *spans)
{
	bool indirect = d.flags & VIRTQ_DESC_F_INDIRECT;
	uint64_t table = d.addr; /* guest address of the indirect table */
	uint32_t entries = vr->size;

	if (indirect) {
		const uint8_t *at;

		if (!vr->indirect || d.flags & VIRTQ_DESC_F_NEXT || !d.len ||
			d.len % sizeof(struct virtq_desc))
			return false;
		entries = d.len / (uint32_t)sizeof(struct virtq_desc);
		at = vring_translate(vr, table, sizeof(struct virtq_desc));
		if (!desc_usable(at))
			return false;
		d = desc_read((const struct virtq_desc *)at);
		if (d.flags & VIRTQ_DESC_F_INDIRECT)
			return false;
	}
	for (unsigned n = 0; n < FRAME_CHAIN_MAX; n++) {
		const void *at;

		if ((d.flags & VIRTQ_DESC_F_WRITE) != write || !spans_add(vr, spans, d.addr, d.len))
			return false;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			return true;
		if (d.next >= entries)
			return false;
		at = indirect ? vring_translate(vr, table + d.next * sizeof(struct virtq_desc),
					sizeof(struct virtq_desc))
			      : (const void *)&vr->desc[d.next];
		if (!desc_usable(at))
			return false;
		d = desc_read(at);
		if (d.flags & VIRTQ_DESC_F_INDIRECT)
			return false;
	}
	return false;
}

/* How many entries are available; 0 and broken when the index is impossible. */
static inline uint16_t
available(struct vring *vr)
{
	uint16_t n = (uint16_t)(__atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE) - vr->next);

	if (UNLIKELY(n > vr->size)) {
		vring_break(vr, VRING_BROKEN_AVAIL);
		return 0;
	}
	return n;
}

unsigned
vring_split_peek(struct vring *vr, unsigned want, uint16_t write)
{
	struct ahead *ahead = &vr->ahead;
	unsigned n = ahead->count, room, first = n;

	if (n >= want)
		return n;
	room = available(vr);
	if (want > room)
		want = room;
	for (; n < want; n++) {
		uint16_t head = load16(&vr->avail->ring[(vr->next + n) & vr->mask]);

		if (UNLIKELY(head >= vr->size)) {
			vring_break(vr, VRING_BROKEN_HEAD);
			break;
		}
		ahead->ids[n] = head;
		__builtin_prefetch(&vr->desc[head], 0, 2);
	}
	ahead->count = (uint16_t)n;
	for (unsigned i = first; i < n; i++) {
		struct virtq_desc d = desc_read(&vr->desc[ahead->ids[i]]);

		ahead->lens[i] = d.len;
		ahead->gpas[i] = d.addr;
		ahead->at[i] = LIKELY(d.flags == write) ? vring_translate(vr, d.addr, d.len) : NULL;
		prefetch_buffer(ahead->at[i], write);
	}
	/* The used entries that will be written, eight to a line. */
	for (unsigned i = first & ~7u; i < n; i += CACHE_LINE / sizeof(struct virtq_used_elem))
		__builtin_prefetch(&vr->used->ring[(vr->next + i) & vr->mask], 1, 2);
	return n;
}

bool
vring_split_rx(struct vring *vr, struct burst *burst, struct port_counters *counters)
{
	struct ahead *ahead = &vr->ahead;
	unsigned n = ahead->count ? ahead->count : vring_split_peek(vr, FRAME_BURST, 0), i;

	if (!n)
		return false;
	for (i = 0; i < n && !rx_burst_full(burst);) {
		struct spans spans;
		unsigned flat = rx_flat(vr, burst, i, n, counters);

		i += flat;
		if (LIKELY(i == n) || flat)
			continue;
		spans.count = 0;
		spans.len = 0;
		if (chain_read(vr, desc_read(&vr->desc[ahead->ids[i]]), 0, &spans))
			rx_spans(vr, burst, &spans, counters);
		else
			rx_drop(counters, DROP_BAD_DESCRIPTOR, 0);
		i++;
	}
	for (unsigned k = 0; k < i; k++)
		vr->done[k].id = ahead->ids[k];
	ahead_consume(ahead, i);
	vr->next = (uint16_t)(vr->next + i);
	vr->done_count = (uint16_t)i;
	if (!burst->count)
		vring_split_rx_done(vr);
	return i > 0;
}

static inline void
used_log(const struct vring *vr, uint16_t index)
{
	vring_log_used(vr,
		offsetof(struct virtq_used, ring) +
			(index & vr->mask) * sizeof(struct virtq_used_elem),
		sizeof(struct virtq_used_elem));
}

static inline void
used_write(struct vring *vr, uint16_t index, uint32_t id, uint32_t len)
{
	uint64_t element = id | (uint64_t)len << 32;

	memcpy(&vr->used->ring[index & vr->mask], &element, sizeof(element));
	used_log(vr, index);
}

static inline void
used_publish(struct vring *vr, uint16_t index)
{
	__atomic_store_n(&vr->used->idx, index, __ATOMIC_RELEASE);
	vring_log_used(vr, offsetof(struct virtq_used, idx), sizeof(vr->used->idx));
}

static inline void
count_chains(struct vring *vr, unsigned n)
{
	atomic_store_explicit(&vr->chains,
		atomic_load_explicit(&vr->chains, memory_order_relaxed) + n, memory_order_relaxed);
}

void
vring_split_rx_done(struct vring *vr)
{
	unsigned n = vr->done_count;
	uint16_t first = (uint16_t)(vr->next - n);

	if (!n)
		return;
	vr->done_count = 0;
	if (vr->in_order) {
		/* 2.7.9: one entry with the id of the batch's last buffer stands for all. */
		used_write(vr, first, vr->done[n - 1].id, 0);
	} else {
		for (unsigned i = 0; i < n; i++)
			used_write(vr, (uint16_t)(first + i), vr->done[i].id, 0);
	}
	used_publish(vr, vr->next);
	count_chains(vr, n);
}

/*
 * A frame that does not fit one plain descriptor: chains, or several buffers.  `at` entries of the
 * `room` available ones are used up.  Returns how many more it took; 0 = dropped and counted.
 */
static unsigned
tx_gather(struct vring *vr, const struct frame *f, unsigned at, unsigned room,
	struct port_counters *counters)
{
	uint32_t need = f->len + vr->header_len, filled = 0;
	struct chain chains[TX_MERGE_MAX];
	unsigned n = 0, limit = vr->mergeable ? TX_MERGE_MAX : 1;
	struct spans spans;

	spans.count = 0;
	spans.len = 0;
	while (spans.len < need) {
		uint16_t head;

		if (n == limit) {
			counters->drops[DROP_BUFFER_TOO_SMALL]++;
			return 0;
		}
		if (at + n >= room) {
			counters->drops[DROP_NO_BUFFER]++;
			return 0;
		}
		head = load16(&vr->avail->ring[(vr->next + at + n) & vr->mask]);
		if (head >= vr->size) {
			vring_break(vr, VRING_BROKEN_HEAD);
			counters->drops[DROP_BAD_BUFFER]++;
			return 0;
		}
		chains[n].id = head;
		chains[n].len = spans.len;
		if (!chain_read(vr, desc_read(&vr->desc[head]), VIRTQ_DESC_F_WRITE, &spans)) {
			/* All looked at go back unused: the bad one must not stay in the way. */
			for (unsigned i = 0; i <= n; i++)
				used_write(vr, (uint16_t)(vr->next + at + i), chains[i].id, 0);
			counters->drops[DROP_BAD_BUFFER]++;
			return n + 1;
		}
		chains[n].len = spans.len - chains[n].len;
		n++;
	}
	tx_spans(vr, &spans, n, f);
	for (unsigned i = 0; i < n; i++) {
		uint32_t part = need - filled < chains[i].len ? need - filled : chains[i].len;

		used_write(vr, (uint16_t)(vr->next + at + i), chains[i].id, part);
		filled += part;
	}
	counters->tx_packets++;
	counters->tx_bytes += f->len;
	return n;
}

void
vring_split_tx(struct vring *vr, const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	unsigned ready = vring_split_peek(vr, count, VIRTQ_DESC_F_WRITE), used = 0, packets = 0;
	const struct ahead *ahead = &vr->ahead;
	const uint32_t header_len = vr->header_len;
	struct virtq_used_elem *ring = vr->used->ring;
	const uint16_t next = vr->next, mask = vr->mask;
	const bool log = vr->log != NULL;
	uint64_t bytes = 0;

	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];
		uint32_t need = f->len + header_len;
		uint64_t element;

		if (UNLIKELY(used >= ready || !ahead->at[used] || ahead->lens[used] < need)) {
			used += tx_gather(vr, f, used, available(vr), counters);
			continue;
		}
		tx_flat(header_len, ahead->at[used], f);
		element = ahead->ids[used] | (uint64_t)need << 32;
		memcpy(&ring[(next + used) & mask], &element, sizeof(element));
		if (UNLIKELY(log)) {
			vring_log(vr, ahead->gpas[used], need);
			used_log(vr, (uint16_t)(next + used));
		}
		used++;
		packets++;
		bytes += f->len;
	}
	counters->tx_packets += packets;
	counters->tx_bytes += bytes;
	if (!used)
		return;
	ahead_consume(&vr->ahead, used);
	vr->next = (uint16_t)(vr->next + used);
	used_publish(vr, vr->next);
	count_chains(vr, used);
}

void
vring_split_flush(struct vring *vr)
{
	uint16_t old = vr->signalled, now = vr->next;
	bool call;

	if (old == now)
		return;
	vr->signalled = now;
	/* The used index must be visible before the driver's wish is read (2.7.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vr->event_idx)
		call = vring_event_needed(load16(&vr->avail->ring[vr->size]), now, old);
	else
		call = !(load16(&vr->avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
	if (call)
		vring_call(vr);
}

/* avail_event stands behind the used ring's entries. */
static inline uint16_t *
avail_event(struct vring *vr)
{
	return (uint16_t *)&vr->used->ring[vr->size];
}

/* Marks where the wish for kicks is. */
static inline void
wish_log(const struct vring *vr)
{
	if (vr->event_idx)
		vring_log_used(vr,
			offsetof(struct virtq_used, ring) +
				vr->size * sizeof(struct virtq_used_elem),
			sizeof(uint16_t));
	else
		vring_log_used(vr, offsetof(struct virtq_used, flags), sizeof(vr->used->flags));
}

bool
vring_split_arm(struct vring *vr)
{
	if (vr->event_idx)
		__atomic_store_n(avail_event(vr), vr->next, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vr->used->flags, 0, __ATOMIC_RELAXED);
	wish_log(vr);
	/* The wish must be visible before the index is read for the last time (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&vr->avail->idx, __ATOMIC_RELAXED) != vr->next;
}

void
vring_split_disarm(struct vring *vr)
{
	/* With EVENT_IDX the event stays behind: no kick until the index wraps around to it. */
	if (vr->event_idx)
		__atomic_store_n(avail_event(vr), (uint16_t)(vr->next - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vr->used->flags, VIRTQ_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	wish_log(vr);
}
