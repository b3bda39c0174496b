/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues, device side (virtio 1.2 section 2.7): for vhost/vring_path.c only.
 *
 * Threat model: the guest changes descriptors, indexes and flags at any time; each is read once
 * into private memory, checked, and only that is used (vring.h).
 */
#ifndef VHOST_VRING_SPLIT_H
#define VHOST_VRING_SPLIT_H

#include "vhost/vring_impl.h"
#include "vhost/vring_plain.h"

HOT struct virtq_desc
split_desc(const struct virtq_desc *from)
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
split_desc_usable(const void *at)
{
	return at && !((uintptr_t)at & (sizeof(struct virtq_desc) - 1));
}

HOT uint16_t
split_load16(const uint16_t *p)
{
	return *(const volatile uint16_t *)p;
}

/*
 * Adds the memory of a chain, whose first descriptor was read already, to spans.  `write` is the
 * flag that every descriptor of it must have (device-writable) or 0.  false: malformed.
 */
static __attribute__((noinline)) bool
split_chain(struct vring *vr, struct virtq_desc d, uint16_t write, struct spans *spans)
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
		if (!split_desc_usable(at))
			return false;
		d = split_desc((const struct virtq_desc *)at);
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
		if (!split_desc_usable(at))
			return false;
		d = split_desc(at);
		if (d.flags & VIRTQ_DESC_F_INDIRECT)
			return false;
	}
	return false;
}

/* How many entries are available; 0 and broken when the index is impossible. */
HOT unsigned
split_available(struct vring *vr)
{
	uint16_t n = (uint16_t)(__atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE) - vr->next);

	if (UNLIKELY(n > vr->size)) {
		vring_break(vr, VRING_BROKEN_AVAIL);
		return 0;
	}
	return n;
}

/* Four heads in a word. */
#define EACH UINT64_C(0x0001000100010001)

HOT uint64_t
split_four(const uint16_t *heads)
{
	uint64_t four;

	memcpy(&four, heads, sizeof(four));
	return four;
}

/* Is each head the one before it and one?  Heads are below 2^15. */
HOT bool
split_in_a_row(uint64_t four)
{
	return (four - (four << 16)) >> 16 == EACH >> 16;
}

/*
 * Reads the available entries first..want) into heads[], checks them and fetches their descriptors.
 * Returns how many are good.
 */
HOT unsigned
split_heads(struct vring *vr, uint16_t *heads, unsigned first, unsigned want)
{
	unsigned at = (vr->next + first) & vr->mask, n = want - first, i;
	unsigned straight = n < vr->size - at ? n : vr->size - at;
	const struct virtq_desc *desc = vr->desc;
	uint64_t outside = (uint16_t)~vr->mask * EACH;

	memcpy(heads, &vr->avail->ring[at], straight * sizeof(heads[0]));
	if (UNLIKELY(straight < n))
		memcpy(heads + straight, &vr->avail->ring[0], (n - straight) * sizeof(heads[0]));
	/* Only private copies are looked at from here on. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i + 4 <= n; i += 4) {
		uint64_t four = split_four(heads + i);

		if (UNLIKELY(four & outside))
			break;
		__builtin_prefetch(&desc[(uint16_t)four], 0, 2);
		if (LIKELY(split_in_a_row(four))) {
			__builtin_prefetch(&desc[(uint16_t)four + 3], 0, 2);
			continue;
		}
		__builtin_prefetch(&desc[(uint16_t)(four >> 16)], 0, 2);
		__builtin_prefetch(&desc[(uint16_t)(four >> 32)], 0, 2);
		__builtin_prefetch(&desc[four >> 48], 0, 2);
	}
	for (; i < n; i++) {
		if (UNLIKELY(heads[i] >= vr->size)) {
			vring_break(vr, VRING_BROKEN_HEAD);
			break;
		}
		__builtin_prefetch(&desc[heads[i]], 0, 2);
	}
	return first + i;
}

#ifdef __AVX2__
/* Four descriptors; false: they are to be looked at one by one. */
HOT bool
split_entries(const struct vring *vr, const struct plain *plain, const uint16_t *heads,
	struct entry *to, uint16_t write)
{
	uint64_t four = split_four(heads);
	const __m128i *desc = (const __m128i *)(const void *)vr->desc;
	__m256i d01, d23, ids;

	if (LIKELY(split_in_a_row(four))) {
		d01 = _mm256_loadu_si256((const __m256i *)(desc + (uint16_t)four));
		d23 = _mm256_loadu_si256((const __m256i *)(desc + (uint16_t)four + 2));
	} else {
		d01 = _mm256_inserti128_si256(
			_mm256_castsi128_si256(_mm_loadu_si128(desc + (uint16_t)four)),
			_mm_loadu_si128(desc + (uint16_t)(four >> 16)), 1);
		d23 = _mm256_inserti128_si256(
			_mm256_castsi128_si256(_mm_loadu_si128(desc + (uint16_t)(four >> 32))),
			_mm_loadu_si128(desc + (four >> 48)), 1);
	}
	/* Read once: what follows works on these registers. */
	__asm__ volatile("" : "+x"(d01), "+x"(d23));
	ids = _mm256_cvtepu16_epi64(_mm_cvtsi64_si128((long long)four));
	ids = _mm256_slli_epi64(_mm256_permute4x64_epi64(ids, 0xd8), ENTRY_ID_SHIFT);
	return plain_four(plain, d01, d23, 0, ids, to, write);
}
#endif

/* One descriptor. */
HOT void
split_entry(struct vring *vr, unsigned n, uint16_t head, uint16_t write)
{
	struct virtq_desc d = split_desc(&vr->desc[head]);
	struct entry *e = &vr->ahead.at[n];
	uint8_t *at = LIKELY(d.flags == write) ? vring_translate(vr, d.addr, d.len) : NULL;

	if (UNLIKELY(!at)) {
		ahead_add_raw(&vr->ahead, n, d, head, 0);
		return;
	}
	*e = (struct entry){.at = at, .len = d.len, .id = head};
	prefetch_buffer(at, write);
}

/* Four that are not alike. */
static __attribute__((noinline, unused)) void
split_one_by_one(struct vring *vr, const struct entry *e, const uint16_t *heads, uint16_t write)
{
	unsigned n = (unsigned)(e - vr->ahead.at);

	for (unsigned i = 0; i < 4; i++)
		split_entry(vr, n + i, heads[i], write);
}

/* Reads ahead until there are `want` entries, AHEAD_MAX at most; returns how many there are. */
HOT unsigned
split_peek(struct vring *vr, unsigned want, uint16_t write)
{
	unsigned first = vr->ahead.count, n = first, room;
	uint16_t heads[AHEAD_MAX];

	if (n >= want)
		return n;
	room = split_available(vr);
	if (want > room)
		want = room;
	if (want <= n)
		return n;
	want = split_heads(vr, heads, first, want);
#ifdef __AVX2__
	{
		const struct plain plain = plain_start(
			vr, UINT64_C(0xffff) << ENTRY_ID_SHIFT, (uint64_t)write << ENTRY_ID_SHIFT);

		struct entry *e = &vr->ahead.at[n];
		const uint16_t *four = heads;

		for (unsigned fours = (want - n) / 4; fours--; four += 4, e += 4)
			if (UNLIKELY(!split_entries(vr, &plain, four, e, write)))
				split_one_by_one(vr, e, four, write);
		n += (want - n) & ~3u;
	}
#endif
	for (; n < want; n++)
		split_entry(vr, n, heads[n - first], write);
	ahead_set(&vr->ahead, n);
	/* The used entries that will be written, eight to a line. */
	for (unsigned i = first & ~7u; i < n; i += CACHE_LINE / sizeof(struct virtq_used_elem))
		__builtin_prefetch(&vr->used->ring[(vr->next + i) & vr->mask], 1, 2);
	return n;
}

/* What is written for an entry that was used: an element of the used ring. */
HOT uint64_t
split_word(const struct entry *e, uint32_t len)
{
	return e->id | (uint64_t)len << 32;
}

HOT void
split_used_log(const struct vring *vr, unsigned at, unsigned n)
{
	vring_log_used(vr, offsetof(struct virtq_used, ring) + at * sizeof(struct virtq_used_elem),
		n * sizeof(struct virtq_used_elem));
}

/* Gives the first `n` entries back with what words[] says; they are the ring's no longer. */
HOT void
split_publish(struct vring *vr, const uint64_t *words, unsigned n)
{
	unsigned at = vr->next & vr->mask, straight = n < vr->size - at ? n : vr->size - at;
	struct virtq_used_elem *ring = vr->used->ring;

	memcpy(&ring[at], words, straight * sizeof(words[0]));
	split_used_log(vr, at, straight);
	if (UNLIKELY(straight < n)) {
		memcpy(ring, words + straight, (n - straight) * sizeof(words[0]));
		split_used_log(vr, 0, n - straight);
	}
}

/* The used index moves on by `n` entries. */
HOT void
split_advance(struct vring *vr, unsigned n)
{
	ahead_consume(&vr->ahead, n, 0);
	vr->next = (uint16_t)(vr->next + n);
	__atomic_store_n(&vr->used->idx, vr->next, __ATOMIC_RELEASE);
	vring_log_used(vr, offsetof(struct virtq_used, idx), sizeof(vr->used->idx));
}

/* Gives back the first `n` entries, which were only read. */
HOT void
split_return(struct vring *vr, unsigned n)
{
	const struct entry *e = vr->ahead.at;
	uint64_t words[AHEAD_MAX];

	if (vr->in_order) {
		/* 2.7.9: one entry with the id of the batch's last buffer stands for all. */
		words[0] = split_word(&e[n - 1], 0);
		split_publish(vr, words, 1);
	} else {
		for (unsigned i = 0; i < n; i++)
			words[i] = split_word(&e[i], 0);
		split_publish(vr, words, n);
	}
	split_advance(vr, n);
}

static void
split_flush(struct vring *vr)
{
	uint16_t old = vr->signalled, now = vr->next;
	bool call;

	if (old == now)
		return;
	vr->signalled = now;
	/* The used index must be visible before the driver's wish is read (2.7.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vr->event_idx)
		call = vring_event_needed(split_load16(&vr->avail->ring[vr->size]), now, old);
	else
		call = !(split_load16(&vr->avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
	if (call)
		vring_call(vr);
}

/* avail_event stands behind the used ring's entries. */
static inline uint16_t *
split_avail_event(struct vring *vr)
{
	return (uint16_t *)&vr->used->ring[vr->size];
}

/* Marks where the wish for kicks is. */
static inline void
split_wish_log(const struct vring *vr)
{
	if (vr->event_idx)
		vring_log_used(vr,
			offsetof(struct virtq_used, ring) +
				vr->size * sizeof(struct virtq_used_elem),
			sizeof(uint16_t));
	else
		vring_log_used(vr, offsetof(struct virtq_used, flags), sizeof(vr->used->flags));
}

static bool
split_arm(struct vring *vr)
{
	if (vr->event_idx)
		__atomic_store_n(split_avail_event(vr), vr->next, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vr->used->flags, 0, __ATOMIC_RELAXED);
	split_wish_log(vr);
	/* The wish must be visible before the index is read for the last time (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&vr->avail->idx, __ATOMIC_RELAXED) != vr->next;
}

static void
split_disarm(struct vring *vr)
{
	/* With EVENT_IDX the event stays behind: no kick until the index wraps around to it. */
	if (vr->event_idx)
		__atomic_store_n(split_avail_event(vr), (uint16_t)(vr->next - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vr->used->flags, VIRTQ_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	split_wish_log(vr);
}

#endif
