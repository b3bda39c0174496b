/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see vring.h.  What is done here works on spans that were translated with their
 * length and on a private copy of the virtio-net header.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "datapath/offload.h"
#include "vhost/vring_impl.h"
#include "vhost/vring_level.h"

const char *
vring_broken_text(enum vring_broken reason)
{
	switch (reason) {
	case VRING_OK:
		return "";
	case VRING_BROKEN_AVAIL:
		return "the available index is ahead by more than the ring's size";
	case VRING_BROKEN_HEAD:
		return "a head index lies outside the ring";
	case VRING_BROKEN_MEMORY:
		return "the guest's memory is gone: its file was truncated";
	case VRING_BROKEN_CHAIN:
		return "a descriptor chain is longer than the ring";
	}
	return "unknown";
}

static bool
has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

int
vring_create(struct vring **vring, const struct vring_setup *setup)
{
	bool packed = has(setup->features, VIRTIO_F_RING_PACKED);
	struct vring *vr;

	if (!setup->size || setup->size > VHOST_RING_SIZE_MAX || !setup->memory ||
		!setup->memory->count || !setup->desc || !setup->avail || !setup->used ||
		(!packed && setup->size & (setup->size - 1)) ||
		(packed && setup->next >= setup->size))
		return -EINVAL;
	vr = aligned_alloc(CACHE_LINE, (sizeof(*vr) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (!vr)
		return -ENOMEM;
	memset(vr, 0, sizeof(*vr));
	vr->desc = setup->desc;
	if (packed) {
		vr->driver_event = setup->avail;
		vr->device_event = setup->used;
	} else {
		vr->avail = setup->avail;
		vr->used = setup->used;
	}
	vr->memory = setup->memory;
	vr->near.gpa = setup->memory->regions[0].gpa;
	vr->near.size = setup->memory->regions[0].size;
	vr->near.host = setup->memory->regions[0].host;
	vr->log = setup->log;
	vr->log_used = setup->log_used;
	vr->used_gpa = setup->used_gpa;
	vr->event_gpa = setup->event_gpa;
	vr->features = setup->features;
	vr->inflight = setup->inflight;
	vr->size = setup->size;
	vr->mask = (uint16_t)(setup->size - 1);
	vr->header_len = has(setup->features, VIRTIO_F_VERSION_1) ||
					 has(setup->features, VIRTIO_NET_F_MRG_RXBUF)
				 ? VIRTIO_NET_HDR_LEN
				 : VIRTIO_NET_HDR_LEN_LEGACY;
	vr->is_packed = packed;
	vr->path = vring_level_path(packed);
	vr->event_idx = has(setup->features, VIRTIO_RING_F_EVENT_IDX);
	vr->in_order = has(setup->features, VIRTIO_F_IN_ORDER);
	vr->indirect = has(setup->features, VIRTIO_RING_F_INDIRECT_DESC);
	vr->mergeable = has(setup->features, VIRTIO_NET_F_MRG_RXBUF);
	vr->next = setup->next;
	vr->wrap = setup->next_wrap;
	vr->signalled = packed ? 0 : setup->next;
	atomic_init(&vr->call_fd, setup->call_fd);
	/* Known to the caller before guest memory is touched, which may fault (lib/fault.h). */
	*vring = vr;
	vr->path->disarm(vr);
	return 0;
}

void
vring_destroy(struct vring *vring)
{
	free(vring);
}

uint16_t
vring_next(const struct vring *vring, bool *wrap)
{
	if (wrap)
		*wrap = vring->wrap;
	return vring->next;
}

bool
vring_setup_has_entries(const struct vring_setup *setup)
{
	const struct virtq_packed_desc *ring = setup->desc;
	const struct virtq_avail *avail = setup->avail;
	uint16_t flags;

	if (!has(setup->features, VIRTIO_F_RING_PACKED))
		return __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) != setup->next;
	flags = __atomic_load_n(&ring[setup->next].flags, __ATOMIC_ACQUIRE);
	return (flags & (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)) ==
	       (setup->next_wrap ? VIRTQ_PACKED_F_AVAIL : VIRTQ_PACKED_F_USED);
}

bool
vring_has_entries(const struct vring *vring)
{
	/* The place is the worker's.  While it moves, what is read of it does not matter. */
	const struct vring_setup setup = {
		.desc = vring->desc,
		.avail = vring->avail,
		.features = vring->features,
		.next = __atomic_load_n(&vring->next, __ATOMIC_RELAXED),
		.next_wrap = __atomic_load_n(&vring->wrap, __ATOMIC_RELAXED),
	};

	return vring_setup_has_entries(&setup);
}

void
vring_set_call(struct vring *vring, int call_fd)
{
	atomic_store(&vring->call_fd, call_fd);
}

enum vring_broken
vring_broken(const struct vring *vring)
{
	return (enum vring_broken)atomic_load_explicit(&vring->broken, memory_order_relaxed);
}

void
vring_counters(const struct vring *vring, struct vring_counters *counters)
{
	counters->calls = atomic_load_explicit(&vring->calls, memory_order_relaxed);
	counters->chains = atomic_load_explicit(&vring->chains, memory_order_relaxed);
}

void
vring_call(struct vring *vr)
{
	int fd = atomic_load_explicit(&vr->call_fd, memory_order_relaxed);
	uint64_t one = 1;

	if (fd < 0)
		return;
	atomic_store_explicit(&vr->calls,
		atomic_load_explicit(&vr->calls, memory_order_relaxed) + 1, memory_order_relaxed);
	/* Non-blocking: a full counter means that a call is pending already. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- memory ---- */

uint8_t *
vring_find(struct vring *vr, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < vr->memory->count; i++) {
		const struct guest_region *r = &vr->memory->regions[i];
		uint64_t offset = gpa - r->gpa;

		if (offset >= r->size || len > r->size - offset)
			continue;
		vr->near.gpa = r->gpa;
		vr->near.size = r->size;
		vr->near.host = r->host;
		return r->host + offset;
	}
	return NULL;
}

bool
spans_add(struct vring *vr, struct spans *spans, uint64_t gpa, uint32_t len)
{
	uint8_t *addr = vring_translate(vr, gpa, len);

	if (LIKELY(addr != NULL))
		return spans_add_flat(spans, addr, len);
	if (!len)
		return false;
	/* Adjacent regions: piece by piece. */
	while (len) {
		uint64_t reach;
		uint32_t n;

		addr = guest_memory_at(vr->memory, gpa, &reach);
		if (!addr)
			return false;
		n = reach < len ? (uint32_t)reach : len;
		if (!spans_add_flat(spans, addr, n))
			return false;
		gpa += n;
		len -= n;
	}
	return true;
}

void
vring_log_host(const struct vring *vr, const uint8_t *at, uint32_t len)
{
	if (LIKELY(!vr->log))
		return;
	for (unsigned i = 0; i < vr->memory->count; i++) {
		const struct guest_region *r = &vr->memory->regions[i];
		uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)r->host);

		if (offset < r->size) {
			dirty_log_mark(vr->log, r->gpa + offset, len);
			return;
		}
	}
}

/* ---- offload request of the sender ---- */

/* Header without any request: the common case, tested on the copy. */
static inline bool
rx_header_plain(const struct virtio_net_hdr *hdr)
{
	return !(hdr->flags | hdr->gso_type);
}

/* OFFLOAD_... of a gso_type, and the feature a driver needs to use it; 0 = no such type. */
static unsigned
gso_offload(uint8_t type, unsigned *feature)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		*feature = VIRTIO_NET_F_HOST_TSO4;
		return OFFLOAD_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		*feature = VIRTIO_NET_F_HOST_TSO6;
		return OFFLOAD_TSO6;
	case VIRTIO_NET_HDR_GSO_UDP:
		*feature = VIRTIO_NET_F_HOST_UFO;
		return OFFLOAD_UFO;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		*feature = VIRTIO_NET_F_HOST_USO;
		return OFFLOAD_USO;
	default:
		return 0;
	}
}

/* The sender's hint where its headers end, or the least they can have if it cannot be true. */
static uint16_t
gso_header_len(const struct frame *f, uint16_t hint)
{
	uint32_t least = f->csum_start + (f->needs & (OFFLOAD_TSO4 | OFFLOAD_TSO6) ? 20u : 8u);

	return hint < least || hint > f->len ? (uint16_t)least : hint;
}

bool
rx_offload(const struct vring *vr, struct frame *f, const struct virtio_net_hdr *hdr)
{
	uint8_t gso = hdr->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	unsigned feature = 0;

	/* DATA_VALID from a driver means nothing (5.1.6.2). */
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!has(vr->features, VIRTIO_NET_F_CSUM))
			return false;
		f->needs = OFFLOAD_CSUM;
		f->csum_start = hdr->csum_start;
		f->csum_offset = hdr->csum_offset;
	}
	if (gso != VIRTIO_NET_HDR_GSO_NONE) {
		f->needs |= (uint8_t)gso_offload(gso, &feature);
		if (!(f->needs & OFFLOAD_GSO) || !(f->needs & OFFLOAD_CSUM) ||
			!has(vr->features, feature))
			return false;
		if (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN) {
			if (!has(vr->features, VIRTIO_NET_F_HOST_ECN))
				return false;
			f->needs |= OFFLOAD_ECN;
		}
		f->gso_size = hdr->gso_size;
		f->hdr_len = gso_header_len(f, hdr->hdr_len);
	} else if (hdr->gso_type) {
		return false; /* ECN without TSO */
	}
	return !f->needs || !offload_check(f);
}

/* ---- frames in several pieces ---- */

/* Copies n bytes out of spans from position *at of span *s on, and moves the position. */
static void
spans_read(const struct spans *spans, unsigned *s, uint32_t *at, uint8_t *to, uint32_t n)
{
	while (n) {
		const struct span *span = &spans->at[*s];
		uint32_t part = span->len - *at < n ? span->len - *at : n;

		memcpy(to, span->addr + *at, part);
		to += part;
		n -= part;
		*at += part;
		if (*at == span->len) {
			(*s)++;
			*at = 0;
		}
	}
}

void
rx_misfit(struct port_counters *counters, uint32_t total, uint32_t header_len)
{
	if (total < header_len)
		rx_drop(counters, DROP_BAD_DESCRIPTOR, 0);
	else if (total - header_len < FRAME_LEN_MIN)
		rx_drop(counters, DROP_RUNT, total - header_len);
	else
		rx_drop(counters, DROP_TOO_LONG, total - header_len);
}

void
rx_spans(struct vring *vr, struct burst *burst, const struct spans *spans,
	struct port_counters *counters)
{
	struct frame *f = &burst->frames[burst->count];
	struct frame_slot *slot = &burst->slots[burst->count];
	struct frame_seg *segs = &burst->segs[burst->segs_used];
	struct virtio_net_hdr hdr = {0};
	unsigned s = 0, n = 0;
	uint32_t at = 0, len, head;

	if (spans->len < vr->header_len) {
		rx_drop(counters, DROP_BAD_DESCRIPTOR, 0);
		return;
	}
	len = spans->len - vr->header_len;
	if (len < FRAME_LEN_MIN || len > FRAME_LEN_MAX) {
		rx_drop(counters, len < FRAME_LEN_MIN ? DROP_RUNT : DROP_TOO_LONG, len);
		return;
	}
	spans_read(spans, &s, &at, (uint8_t *)&hdr, vr->header_len);
	head = len <= FRAME_WHOLE ? len : FRAME_PREFIX;
	spans_read(spans, &s, &at, slot->bytes, head);
	for (; len > head && s < spans->count; s++, at = 0) {
		segs[n].addr = spans->at[s].addr + at;
		segs[n++].len = spans->at[s].len - at;
	}
	memset(f, 0, sizeof(*f));
	f->data = slot->bytes;
	f->segs = segs;
	f->len = len;
	f->head_len = (uint16_t)head;
	f->seg_count = (uint16_t)n;
	burst->segs_used = (uint16_t)(burst->segs_used + n);
	if (!rx_header_plain(&hdr) && !rx_offload(vr, f, &hdr)) {
		rx_drop(counters, DROP_BAD_OFFLOAD, len);
		return;
	}
	burst->count++;
	burst->bytes += len;
}

struct tx_words
tx_header_full(const struct frame *f, unsigned num_buffers)
{
	struct tx_words words = {.first = f->verified ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.second = (uint32_t)num_buffers << 16};
	uint64_t gso;

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

/* Where in the receiver's spans the next byte goes. */
struct cursor {
	const struct vring *vr;
	const struct spans *spans;
	unsigned s;
	uint32_t at;
};

static void
cursor_write(struct cursor *c, const void *from, uint32_t n)
{
	const uint8_t *bytes = from;

	while (n) {
		const struct span *span = &c->spans->at[c->s];
		uint32_t part = span->len - c->at < n ? span->len - c->at : n;

		memcpy(span->addr + c->at, bytes, part);
		vring_log_host(c->vr, span->addr + c->at, part);
		bytes += part;
		n -= part;
		c->at += part;
		if (c->at == span->len) {
			c->s++;
			c->at = 0;
		}
	}
}

void
tx_spans(const struct vring *vr, const struct spans *spans, unsigned chains, const struct frame *f)
{
	struct cursor cursor = {.vr = vr, .spans = spans};
	struct tx_words header = tx_header(f, chains);

	cursor_write(&cursor, &header.first, 8);
	cursor_write(&cursor, &header.second, vr->header_len - 8u);
	cursor_write(&cursor, f->data, f->head_len);
	for (unsigned s = 0; s < f->seg_count; s++)
		cursor_write(&cursor, f->segs[s].addr, f->segs[s].len);
}
