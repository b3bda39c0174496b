/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed virtqueues, device side (virtio 1.2 section 2.8): for vhost/vring_path.c only.
 *
 * Threat model: the guest changes descriptors and flags at any time.  A descriptor is read once,
 * with its flags or after them; when they say "available", what was read is checked, and only that
 * is used (vring.h).
 */
#ifndef VHOST_VRING_PACKED_H
#define VHOST_VRING_PACKED_H

#include "vhost/vring_impl.h"
#include "vhost/vring_plain.h"

#define PACKED_TURN (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)
/* What tells a plain buffer from any other. */
#define PACKED_KIND (VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_INDIRECT)

#define PACKED_FLAGS_SHIFT 48 /* of the flags in a descriptor's second word */

/* A place in the ring. */
struct place {
	uint16_t at;
	bool wrap;
};

HOT struct place
place_after(const struct vring *vr, struct place p, unsigned slots)
{
	unsigned at = p.at + slots;

	if (UNLIKELY(at >= vr->size)) {
		at -= vr->size;
		p.wrap = !p.wrap;
	}
	p.at = (uint16_t)at;
	return p;
}

HOT struct place
packed_here(const struct vring *vr)
{
	return (struct place){vr->next, vr->wrap};
}

/* The flags of a descriptor that is available, and of one that was used. */
HOT uint16_t
packed_available(bool wrap)
{
	return wrap ? VIRTQ_PACKED_F_AVAIL : VIRTQ_PACKED_F_USED;
}

HOT uint16_t
packed_used(bool wrap)
{
	return wrap ? PACKED_TURN : 0;
}

/* Reads the descriptor at a place; false when it is not available. */
HOT bool
packed_desc(const struct vring *vr, struct place p, struct virtq_packed_desc *d)
{
	const struct virtq_packed_desc *from = &vr->packed[p.at];
	uint16_t flags = __atomic_load_n(&from->flags, __ATOMIC_ACQUIRE);

	if ((flags & PACKED_TURN) != packed_available(p.wrap))
		return false;
	d->addr = *(const volatile uint64_t *)&from->addr;
	d->len = *(const volatile uint32_t *)&from->len;
	d->id = *(const volatile uint16_t *)&from->id;
	d->flags = flags;
	return true;
}

/* A descriptor behind the first of a chain: the driver made the first available last (2.8.6). */
static inline struct virtq_packed_desc
packed_next(const struct virtq_packed_desc *from)
{
	struct virtq_packed_desc d;

	d.addr = *(const volatile uint64_t *)&from->addr;
	d.len = *(const volatile uint32_t *)&from->len;
	d.id = *(const volatile uint16_t *)&from->id;
	d.flags = *(const volatile uint16_t *)&from->flags;
	return d;
}

static bool
packed_indirect(struct vring *vr, const struct virtq_desc *d, uint16_t write, struct spans *spans)
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
		e = packed_next((const struct virtq_packed_desc *)(const void *)at);
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
 * Adds the memory of the chain of an entry that is not plain to spans.  How many descriptors it has
 * was found when it was read ahead; they are not asked again.  false: malformed.
 */
static __attribute__((noinline)) bool
packed_chain(struct vring *vr, const struct entry *e, struct virtq_desc d, uint16_t write,
	struct spans *spans)
{
	struct place p = {.at = d.next};

	if (d.flags & VIRTQ_DESC_F_INDIRECT)
		return e->slots == 1 && packed_indirect(vr, &d, write, spans);
	if (e->slots > FRAME_CHAIN_MAX || (d.flags & VIRTQ_DESC_F_WRITE) != write ||
		!spans_add(vr, spans, d.addr, d.len))
		return false;
	for (unsigned i = 1; i < e->slots; i++) {
		struct virtq_packed_desc part;

		p = place_after(vr, p, 1);
		part = packed_next(&vr->packed[p.at]);
		if (part.flags & VIRTQ_DESC_F_INDIRECT ||
			(part.flags & VIRTQ_DESC_F_WRITE) != write ||
			!spans_add(vr, spans, part.addr, part.len))
			return false;
	}
	return true;
}

/*
 * Appends the entry of a descriptor that is not a plain buffer.  Its chain may take up to `room`
 * slots.  false: the chain has no end, and the ring is broken.
 */
static __attribute__((noinline)) bool
packed_entry_odd(struct vring *vr, unsigned n, struct place p, struct virtq_packed_desc d)
{
	struct ahead *ahead = &vr->ahead;
	struct virtq_desc raw = {.addr = d.addr, .len = d.len, .flags = d.flags, .next = p.at};
	unsigned slots = 1;

	while (d.flags & VIRTQ_DESC_F_NEXT && !(raw.flags & VIRTQ_DESC_F_INDIRECT)) {
		if (ahead->slots + slots == vr->size) {
			/* Behind it in the same lap there is nothing that could be its end. */
			if (!ahead->slots)
				vring_break(vr, VRING_BROKEN_CHAIN);
			return false;
		}
		p = place_after(vr, p, 1);
		d.flags = *(const volatile uint16_t *)&vr->packed[p.at].flags;
		slots++;
	}
	/* 2.8.6: the last descriptor of a chain holds its id. */
	if (slots > 1) {
		d.id = *(const volatile uint16_t *)&vr->packed[p.at].id;
		ahead->chained = true;
	}
	ahead_add_raw(ahead, n, raw, d.id, (uint16_t)slots);
	ahead->slots = (uint16_t)(ahead->slots + slots);
	return true;
}

/* Appends the entry of one descriptor; false when none is available. */
HOT bool
packed_entry(struct vring *vr, unsigned n, struct place p, uint16_t write)
{
	struct ahead *ahead = &vr->ahead;
	struct virtq_packed_desc d;
	uint8_t *at;

	if (!packed_desc(vr, p, &d))
		return false;
	at = LIKELY((d.flags & PACKED_KIND) == write) ? vring_translate(vr, d.addr, d.len) : NULL;
	if (UNLIKELY(!at))
		return packed_entry_odd(vr, n, p, d);
	ahead->at[n] = (struct entry){.at = at, .len = d.len, .id = d.id, .slots = 1};
	ahead->slots++;
	prefetch_buffer(at, write);
	return true;
}

#ifdef __AVX2__
/* Four descriptors in a row; false: they are to be looked at one by one. */
HOT bool
packed_entries(const struct vring *vr, const struct plain *plain, unsigned at, struct entry *to,
	uint16_t write)
{
	const __m128i *desc = (const __m128i *)(const void *)&vr->packed[at];
	__m128i d0 = _mm_load_si128(desc), d1 = _mm_load_si128(desc + 1);
	__m128i d2 = _mm_load_si128(desc + 2), d3 = _mm_load_si128(desc + 3);

	/*
	 * Read once, each as a whole: processors with AVX load 16 aligned bytes at one moment, so that
	 * the flags belong to what stands beside them.
	 */
	__asm__ volatile("" : "+x"(d0), "+x"(d1), "+x"(d2), "+x"(d3));
	return plain_four(plain, _mm256_set_m128i(d1, d0), _mm256_set_m128i(d3, d2),
		UINT64_C(0xffff) << ENTRY_ID_SHIFT,
		_mm256_set1_epi64x(INT64_C(1) << ENTRY_SLOTS_SHIFT), to, write);
}
#endif

/*
 * Reads ahead until there are `want` entries, AHEAD_MAX at most; returns how many there are.  Never
 * more than one lap, however fast the driver makes descriptors available again.
 */
HOT unsigned
packed_peek(struct vring *vr, unsigned want, uint16_t write)
{
	struct ahead *ahead = &vr->ahead;
	unsigned n = ahead->count;
	struct place p;

	if (n >= want)
		return n;
	p = place_after(vr, packed_here(vr), ahead->slots);
	while (n < want && ahead->slots < vr->size) {
		unsigned before = ahead->slots;
#ifdef __AVX2__
		unsigned fours = (want - n) / 4, straight = (vr->size - p.at) / 4u,
			 room = (vr->size - before) / 4, i;
		const struct plain plain =
			plain_start(vr, (uint64_t)(PACKED_TURN | PACKED_KIND) << PACKED_FLAGS_SHIFT,
				(uint64_t)(packed_available(p.wrap) | write) << PACKED_FLAGS_SHIFT);

		fours = fours < straight ? fours : straight;
		fours = fours < room ? fours : room;
		for (i = 0; i < fours; i++, n += 4)
			if (!packed_entries(vr, &plain, p.at + 4 * i, &ahead->at[n], write))
				break;
		ahead->slots = (uint16_t)(before + 4 * i);
		p = place_after(vr, p, 4 * i);
		before = ahead->slots;
		if (n == want || before == vr->size)
			break;
#endif
		if (!packed_entry(vr, n, p, write))
			break;
		n++;
		p = place_after(vr, p, ahead->slots - before);
	}
	ahead_set(ahead, n);
	return n;
}

/* What is written for an entry that was used: the second word of its descriptor, without its turn. */
HOT uint64_t
packed_word(const struct entry *e, uint32_t len)
{
	return (uint64_t)len | (uint64_t)e->id << ENTRY_ID_SHIFT |
	       (len ? (uint64_t)VIRTQ_DESC_F_WRITE << PACKED_FLAGS_SHIFT : 0);
}

HOT void
packed_write(struct vring *vr, struct place p, uint64_t word)
{
	uint64_t *second = (uint64_t *)(void *)&vr->packed[p.at].len;

	__atomic_store_n(second, word | (uint64_t)packed_used(p.wrap) << PACKED_FLAGS_SHIFT,
		__ATOMIC_RELEASE);
	vring_log_used(
		vr, p.at * sizeof(struct virtq_packed_desc), sizeof(struct virtq_packed_desc));
}

/* The flags at p are about to say that everything up to q is used. */
static inline void
packed_step(struct vring *vr, struct place p, struct place q)
{
	if (vr->inflight)
		inflight_position_begin(vr->inflight, p.at, p.wrap, q.at, q.wrap);
}

/*
 * As packed_publish(), step by step: where a successor of this process must find out how far it
 * came, and where chains take several slots.  joined: a bit for each entry that belongs to the same
 * frame as the one before it; of such entries the first is written last.
 */
static __attribute__((noinline)) unsigned
packed_publish_steps(struct vring *vr, const uint64_t *words, unsigned n, const uint64_t joined[2])
{
	const struct entry *e = vr->ahead.at;
	struct place places[AHEAD_MAX + 1], p = packed_here(vr);
	unsigned slots = 0;

	for (unsigned i = 0; i < n; i++) {
		places[i] = p;
		p = place_after(vr, p, e[i].slots);
		slots += e[i].slots;
	}
	places[n] = p;
	for (unsigned first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n && joined[end / 64] >> end % 64 & 1; end++)
			;
		packed_step(vr, places[first], places[end]);
		for (unsigned i = end; i-- > first;)
			packed_write(vr, places[i], words ? words[i] : packed_word(&e[i], 0));
	}
	return slots;
}

/*
 * Gives the first `n` entries back with what words[] says, or unwritten where that is NULL.  The
 * very first is written last: a driver that sees it finds all others used too.  Returns how many
 * slots they take.
 */
HOT unsigned
packed_publish(struct vring *vr, const uint64_t *words, unsigned n, const uint64_t joined[2])
{
	const struct entry *e = vr->ahead.at;
	struct place p = packed_here(vr);
	unsigned straight = (unsigned)(vr->size - p.at) < n ? (unsigned)(vr->size - p.at) : n, i;
	uint64_t turn = (uint64_t)packed_used(p.wrap) << PACKED_FLAGS_SHIFT;
	struct virtq_packed_desc *d = &vr->packed[p.at];

	if (UNLIKELY(vr->ahead.chained || vr->inflight || vr->log_used))
		return packed_publish_steps(vr, words, n, joined);
#pragma GCC unroll 4
	for (i = 1; i < straight; i++)
		*(volatile uint64_t *)(void *)&d[i].len =
			(words ? words[i] : packed_word(&e[i], 0)) | turn;
	turn = (uint64_t)packed_used(!p.wrap) << PACKED_FLAGS_SHIFT;
	for (; i < n; i++)
		*(volatile uint64_t *)(void *)&vr->packed[i - straight].len =
			(words ? words[i] : packed_word(&e[i], 0)) | turn;
	packed_write(vr, p, words ? words[0] : packed_word(e, 0));
	return n;
}

/* The ring goes on behind the first `n` entries: remembers it where a successor finds it. */
HOT void
packed_advance(struct vring *vr, unsigned n, unsigned slots)
{
	struct place p = place_after(vr, packed_here(vr), slots);

	ahead_consume(&vr->ahead, n, slots);
	vr->next = p.at;
	vr->wrap = p.wrap;
	vr->signalled = (uint16_t)(vr->signalled + slots);
	if (UNLIKELY(vr->inflight != NULL))
		inflight_position_commit(vr->inflight, p.at, p.wrap);
}

/* Gives back the first `n` entries, which were only read. */
HOT void
packed_return(struct vring *vr, unsigned n)
{
	static const uint64_t apart[2];
	const struct entry *e = vr->ahead.at;
	unsigned slots;

	if (vr->in_order) {
		struct place p = packed_here(vr);

		/* 2.8.6: one used descriptor with the id of the last buffer stands for all. */
		slots = n;
		if (UNLIKELY(vr->ahead.chained)) {
			slots = 0;
			for (unsigned i = 0; i < n; i++)
				slots += e[i].slots;
		}
		packed_step(vr, p, place_after(vr, p, slots));
		packed_write(vr, p, packed_word(&e[n - 1], 0));
	} else {
		slots = packed_publish(vr, NULL, n, apart);
	}
	packed_advance(vr, n, slots);
}

static void
packed_flush(struct vring *vr)
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
packed_wish_log(const struct vring *vr)
{
	if (UNLIKELY(vr->log_used && vr->log))
		dirty_log_mark(vr->log, vr->event_gpa, sizeof(*vr->device_event));
}

static bool
packed_arm(struct vring *vr)
{
	struct virtq_packed_desc d;

	if (vr->event_idx) {
		__atomic_store_n(&vr->device_event->off_wrap,
			(uint16_t)(vr->next | (vr->wrap ? VIRTQ_EVENT_WRAP : 0)), __ATOMIC_RELAXED);
		__atomic_store_n(&vr->device_event->flags, VIRTQ_EVENT_DESC, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&vr->device_event->flags, VIRTQ_EVENT_ENABLE, __ATOMIC_RELAXED);
	}
	packed_wish_log(vr);
	/* The wish must be visible before the descriptor is looked at for the last time. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return packed_desc(vr, packed_here(vr), &d);
}

static void
packed_disarm(struct vring *vr)
{
	__atomic_store_n(&vr->device_event->flags, VIRTQ_EVENT_DISABLE, __ATOMIC_RELAXED);
	packed_wish_log(vr);
}

#endif
