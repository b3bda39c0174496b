/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed virtqueues, device side (virtio 1.2 section 2.8).
 *
 * Threat model: the guest changes descriptors and flags at any time.  A descriptor's flags are read
 * once with acquire; when they say "available", address, length and id are read once into locals,
 * checked, and only the locals are used (vring.h).
 */
#include "vhost/inflight.h"
#include "vhost/vring_impl.h"

/* A place in the ring. */
struct place {
	uint16_t at;
	bool wrap;
};

static inline struct place
place_after(const struct vring *vr, struct place p, unsigned slots)
{
	unsigned at = p.at + slots;

	if (at >= vr->size) {
		at -= vr->size;
		p.wrap = !p.wrap;
	}
	p.at = (uint16_t)at;
	return p;
}

/* Reads the descriptor at a place; false when it is not available. */
static inline bool
desc_available(const struct vring *vr, struct place p, struct virtq_packed_desc *d)
{
	const struct virtq_packed_desc *from = &vr->packed[p.at];
	uint16_t flags = __atomic_load_n(&from->flags, __ATOMIC_ACQUIRE);
	bool avail = flags & VIRTQ_PACKED_F_AVAIL, used = flags & VIRTQ_PACKED_F_USED;

	if (avail != p.wrap || used == p.wrap)
		return false;
	d->addr = *(const volatile uint64_t *)&from->addr;
	d->len = *(const volatile uint32_t *)&from->len;
	d->id = *(const volatile uint16_t *)&from->id;
	d->flags = flags;
	return true;
}

/* A descriptor behind the first of a chain: the driver made the first available last (2.8.6). */
static inline struct virtq_packed_desc
desc_read(const struct virtq_packed_desc *from)
{
	struct virtq_packed_desc d;

	d.addr = *(const volatile uint64_t *)&from->addr;
	d.len = *(const volatile uint32_t *)&from->len;
	d.id = *(const volatile uint16_t *)&from->id;
	d.flags = *(const volatile uint16_t *)&from->flags;
	return d;
}

static bool
indirect_read(
	struct vring *vr, const struct virtq_packed_desc *d, uint16_t write, struct spans *spans)
{
	uint32_t entries = d->len / (uint32_t)sizeof(*d);

	if (!vr->indirect || d->flags & VIRTQ_DESC_F_NEXT || !d->len || d->len % sizeof(*d) ||
		entries > FRAME_CHAIN_MAX)
		return false;
	for (uint32_t i = 0; i < entries; i++) {
		const uint8_t *at = vring_translate(vr, d->addr + i * sizeof(*d), sizeof(*d));
		struct virtq_packed_desc e;

		if (!at || (uintptr_t)at & (sizeof(*d) - 1))
			return false;
		e = desc_read((const struct virtq_packed_desc *)at);
		/*
		 * DPDK's driver leaves WRITE on some entries that it sends: on the header, and on entry
		 * k in slot k of the ring.  They are only read, so the flag is overlooked.
		 */
		if (e.flags & VIRTQ_DESC_F_INDIRECT || (write && !(e.flags & VIRTQ_DESC_F_WRITE)) ||
			!spans_add(vr, spans, e.addr, e.len))
			return false;
	}
	return true;
}

/*
 * Adds the memory of the chain that starts at a place, whose first descriptor was read already.
 * chain->slots and ->id are right in any case; false: malformed.  A chain without end breaks the
 * ring and has no slots.
 */
static bool
chain_read(struct vring *vr, struct place p, struct virtq_packed_desc d, uint16_t write,
	struct spans *spans, struct chain *chain)
{
	bool good = true;

	chain->slots = 1;
	chain->id = d.id;
	if (d.flags & VIRTQ_DESC_F_INDIRECT)
		return indirect_read(vr, &d, write, spans);
	for (;;) {
		good = good && chain->slots <= FRAME_CHAIN_MAX &&
		       !(d.flags & VIRTQ_DESC_F_INDIRECT) &&
		       (d.flags & VIRTQ_DESC_F_WRITE) == write &&
		       spans_add(vr, spans, d.addr, d.len);
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			break;
		if (chain->slots == vr->size) {
			vring_break(vr, VRING_BROKEN_CHAIN);
			chain->slots = 0;
			return false;
		}
		p = place_after(vr, p, 1);
		d = desc_read(&vr->packed[p.at]);
		chain->slots++;
		chain->id = d.id; /* 2.8.6: the last descriptor of a chain holds its id */
	}
	return good;
}

static inline void
used_write(struct vring *vr, struct place p, uint16_t id, uint32_t len)
{
	struct virtq_packed_desc *d = &vr->packed[p.at];
	uint16_t flags = p.wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;

	d->id = id;
	d->len = len;
	__atomic_store_n(
		&d->flags, (uint16_t)(flags | (len ? VIRTQ_DESC_F_WRITE : 0)), __ATOMIC_RELEASE);
	vring_log_used(vr, p.at * sizeof(*d), sizeof(*d));
}

/* The flags at p are about to say that everything up to q is used. */
static inline void
step_begin(struct vring *vr, struct place p, struct place q)
{
	if (UNLIKELY(vr->inflight != NULL))
		inflight_position_begin(vr->inflight, p.at, p.wrap, q.at, q.wrap);
}

/* Everything before `p` is done: remembers it where a successor of this process finds it. */
static inline void
advance(struct vring *vr, struct place p, unsigned slots, unsigned chains)
{
	vr->next = p.at;
	vr->wrap = p.wrap;
	vr->signalled = (uint16_t)(vr->signalled + slots);
	if (UNLIKELY(vr->inflight != NULL))
		inflight_position_commit(vr->inflight, p.at, p.wrap);
	atomic_store_explicit(&vr->chains,
		atomic_load_explicit(&vr->chains, memory_order_relaxed) + chains,
		memory_order_relaxed);
}

static inline struct place
here(const struct vring *vr)
{
	return (struct place){vr->next, vr->wrap};
}

/* Stops at the first descriptor that is not available, or is more than one plain buffer. */
unsigned
vring_packed_peek(struct vring *vr, unsigned want, uint16_t write)
{
	struct ahead *ahead = &vr->ahead;
	unsigned n = ahead->count;
	struct place p;

	/* What was taken and not yet given back still says that it is available. */
	if (UNLIKELY(vr->done_count))
		return n;
	/* Never more than one lap, however fast the driver makes descriptors available again. */
	if (want > vr->size)
		want = vr->size;
	p = place_after(vr, here(vr), n);
	for (; n < want; n++) {
		struct virtq_packed_desc d;

		if (!desc_available(vr, p, &d) ||
			(d.flags & (VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE |
					   VIRTQ_DESC_F_INDIRECT)) != write)
			break;
		ahead->at[n] = vring_translate(vr, d.addr, d.len);
		if (UNLIKELY(!ahead->at[n]))
			break;
		ahead->ids[n] = d.id;
		ahead->lens[n] = d.len;
		ahead->gpas[n] = d.addr;
		prefetch_buffer(ahead->at[n], write);
		p = place_after(vr, p, 1);
	}
	ahead->count = (uint16_t)n;
	return n;
}

/* One chain that is no plain buffer; false when there is none. */
static bool
rx_one(struct vring *vr, struct place *p, struct burst *burst, struct port_counters *counters)
{
	struct virtq_packed_desc d;
	struct spans spans;
	struct chain chain;

	if (!desc_available(vr, *p, &d))
		return false;
	spans.count = 0;
	spans.len = 0;
	if (chain_read(vr, *p, d, 0, &spans, &chain))
		rx_spans(vr, burst, &spans, counters);
	else
		rx_drop(counters, DROP_BAD_DESCRIPTOR, 0);
	if (!chain.slots)
		return false;
	vr->done[vr->done_count].id = chain.id;
	vr->done[vr->done_count++].slots = chain.slots;
	*p = place_after(vr, *p, chain.slots);
	return true;
}

bool
vring_packed_rx(struct vring *vr, struct burst *burst, struct port_counters *counters)
{
	struct ahead *ahead = &vr->ahead;
	unsigned n = ahead->count ? ahead->count : vring_packed_peek(vr, FRAME_BURST, 0), i;
	struct place p;
	bool consumed;

	i = rx_flat(vr, burst, 0, n, counters);
	for (unsigned k = 0; k < i; k++) {
		vr->done[k].id = ahead->ids[k];
		vr->done[k].slots = 1;
	}
	ahead_consume(ahead, i);
	vr->done_count = (uint16_t)i;
	p = place_after(vr, here(vr), i);
	while (!ahead->count && vr->done_count < FRAME_BURST && !rx_burst_full(burst) &&
		rx_one(vr, &p, burst, counters))
		;
	consumed = vr->done_count > 0;
	if (consumed && !burst->count)
		vring_packed_rx_done(vr);
	return consumed;
}

void
vring_packed_rx_done(struct vring *vr)
{
	struct place p = here(vr), first = p;
	unsigned n = vr->done_count, slots = 0;

	if (!n)
		return;
	vr->done_count = 0;
	for (unsigned i = 0; i < n; i++) {
		struct place q = place_after(vr, p, vr->done[i].slots);

		if (!vr->in_order) {
			step_begin(vr, p, q);
			used_write(vr, p, vr->done[i].id, 0);
		}
		p = q;
		slots += vr->done[i].slots;
	}
	/* 2.8.6: in order, one used descriptor with the id of the last buffer stands for all. */
	if (vr->in_order) {
		step_begin(vr, first, p);
		used_write(vr, first, vr->done[n - 1].id, 0);
	}
	advance(vr, p, slots, n);
}

/*
 * A frame that does not fit the plain buffer at *p: chains, or several buffers.  Moves *p behind
 * what it took and counts the frame.  false: nothing (more) is available.
 */
static bool
tx_gather(struct vring *vr, struct place *p, const struct frame *f, unsigned *slots,
	unsigned *taken, struct port_counters *counters)
{
	uint32_t need = f->len + vr->header_len, filled = 0;
	struct chain chains[TX_MERGE_MAX];
	struct place places[TX_MERGE_MAX], q = *p;
	unsigned n = 0, limit = vr->mergeable ? TX_MERGE_MAX : 1;
	struct spans spans;
	bool good = true;

	spans.count = 0;
	spans.len = 0;
	while (good && spans.len < need) {
		struct virtq_packed_desc d;
		uint32_t before = spans.len;

		if (n == limit) {
			counters->drops[DROP_BUFFER_TOO_SMALL]++;
			return true;
		}
		if (!desc_available(vr, q, &d)) {
			counters->drops[DROP_NO_BUFFER]++;
			return n > 0;
		}
		good = chain_read(vr, q, d, VIRTQ_DESC_F_WRITE, &spans, &chains[n]);
		if (!chains[n].slots) {
			counters->drops[DROP_BAD_BUFFER]++;
			return false;
		}
		chains[n].len = spans.len - before;
		places[n] = q;
		q = place_after(vr, q, chains[n].slots);
		n++;
	}
	if (good) {
		tx_spans(vr, &spans, n, f);
		counters->tx_packets++;
		counters->tx_bytes += f->len;
	} else {
		/* All looked at go back unused: the bad one must not stay in the way. */
		counters->drops[DROP_BAD_BUFFER]++;
		need = 0;
	}
	for (unsigned i = 0; i < n; i++) {
		chains[i].len = need - filled < chains[i].len ? need - filled : chains[i].len;
		filled += chains[i].len;
		*slots += chains[i].slots;
	}
	/* The first last: a driver that sees it must find the rest of the frame used too. */
	step_begin(vr, *p, q);
	for (unsigned i = n; i-- > 0;)
		used_write(vr, places[i], chains[i].id, chains[i].len);
	*p = q;
	*taken += n;
	return true;
}

void
vring_packed_tx(struct vring *vr, const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	struct ahead *ahead = &vr->ahead;
	struct place p = here(vr);

	for (unsigned k = 0; k < count;) {
		unsigned ready = vring_packed_peek(vr, count - k, VIRTQ_DESC_F_WRITE);
		unsigned used = 0, slots = 0, taken = 0;
		uint64_t bytes = 0;

		for (; used < ready && k < count; used++, k++) {
			const struct frame *f = &frames[list[k]];
			uint32_t need = f->len + vr->header_len;

			if (UNLIKELY(ahead->lens[used] < need))
				break;
			tx_flat(vr->header_len, ahead->at[used], f);
			vring_log(vr, ahead->gpas[used], need);
			bytes += f->len;
		}
		/* Marked when all are copied: a sender's memory may go away in between (lib/fault.h). */
		for (unsigned i = 0; i < used; i++) {
			struct place q = place_after(vr, p, 1);

			step_begin(vr, p, q);
			used_write(vr, p, ahead->ids[i],
				frames[list[k - used + i]].len + vr->header_len);
			p = q;
		}
		counters->tx_packets += used;
		counters->tx_bytes += bytes;
		ahead_consume(ahead, used);
		if (used)
			advance(vr, p, used, used);
		if (k == count)
			break;
		/* Not one plain buffer that is large enough: chains are read anew. */
		ahead->count = 0;
		if (!tx_gather(vr, &p, &frames[list[k]], &slots, &taken, counters)) {
			counters->drops[vring_broken(vr) ? DROP_BAD_BUFFER : DROP_NO_BUFFER] +=
				count - k - 1;
			break;
		}
		if (slots)
			advance(vr, p, slots, taken);
		k++;
	}
}

void
vring_packed_flush(struct vring *vr)
{
	uint16_t slots = vr->signalled, off_wrap, flags;
	bool call;

	if (!slots)
		return;
	vr->signalled = 0;
	/* Used descriptors must be visible before the driver's wish is read (2.8.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = *(const volatile uint16_t *)&vr->driver_event->flags;
	off_wrap = *(const volatile uint16_t *)&vr->driver_event->off_wrap;
	call = flags != VIRTQ_EVENT_DISABLE;
	if (flags == VIRTQ_EVENT_DESC && vr->event_idx) {
		uint16_t event = off_wrap & (VIRTQ_EVENT_WRAP - 1);

		if (!!(off_wrap & VIRTQ_EVENT_WRAP) != vr->wrap)
			event = (uint16_t)(event - vr->size);
		call = vring_event_needed(event, vr->next, (uint16_t)(vr->next - slots));
	}
	if (call)
		vring_call(vr);
}

/* Marks where the wish for kicks is. */
static inline void
wish_log(const struct vring *vr)
{
	if (UNLIKELY(vr->log_used && vr->log))
		dirty_log_mark(vr->log, vr->event_gpa, sizeof(*vr->device_event));
}

bool
vring_packed_arm(struct vring *vr)
{
	struct virtq_packed_desc d;

	if (vr->event_idx) {
		__atomic_store_n(&vr->device_event->off_wrap,
			(uint16_t)(vr->next | (vr->wrap ? VIRTQ_EVENT_WRAP : 0)), __ATOMIC_RELAXED);
		__atomic_store_n(&vr->device_event->flags, VIRTQ_EVENT_DESC, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&vr->device_event->flags, VIRTQ_EVENT_ENABLE, __ATOMIC_RELAXED);
	}
	wish_log(vr);
	/* The wish must be visible before the descriptor is looked at for the last time. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return desc_available(vr, here(vr), &d);
}

void
vring_packed_disarm(struct vring *vr)
{
	__atomic_store_n(&vr->device_event->flags, VIRTQ_EVENT_DISABLE, __ATOMIC_RELAXED);
	wish_log(vr);
}
