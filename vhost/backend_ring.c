/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests about one ring: size, addresses, position, enabling.
 *
 * Threat model: see vhost/backend.h.  A size or a position never changes under a running ring;
 * addresses are believed only after each part was found whole, aligned and apart from the others in
 * one memory region, and again whenever the memory changes.
 */
#include <errno.h>
#include <inttypes.h>

#include "vhost/backend_state.h"

int
backend_ring_check(const struct backend *b, uint64_t index, struct err *err)
{
	if (index >= 2 * b->options.queues)
		return err_set(err, -EINVAL, "ring %" PRIu64 ", the port has %u", index,
			2 * b->options.queues);
	return 0;
}

bool
backend_ring_size_ok(const struct backend *b, uint32_t size)
{
	if (!size || size > VHOST_RING_SIZE_MAX)
		return false;
	return backend_packed(b) || !(size & (size - 1));
}

int
backend_set_vring_num(struct backend *b, struct exchange *x, struct err *err)
{
	const struct vhost_vring_state *s = &x->payload->state;
	struct backend_ring *ring;
	int rc = backend_ring_check(b, s->index, err);

	if (rc)
		return rc;
	if (!backend_ring_size_ok(b, s->num))
		return err_set(err, -EINVAL, "ring %u of %u entries", s->index, s->num);
	ring = &b->ring[s->index];
	if (ring->vring && ring->size != s->num)
		return err_set(err, -EBUSY, "ring %u changes its size while it runs", s->index);
	ring->size = (uint16_t)s->num;
	return backend_rings_start(b, err);
}

struct part {
	const char *name;
	uint64_t uva, bytes;
	unsigned align;
	void *host;
};

/* Virtio 1.2, 2.7 and 2.8: sizes and alignments of the three parts. */
static void
parts_layout(struct part parts[3], const struct vhost_vring_addr *a, uint64_t size, bool packed)
{
	parts[0] = (struct part){"descriptors", a->desc_user_addr, 16 * size, 16, NULL};
	if (packed) {
		parts[1] = (struct part){"driver events", a->avail_user_addr, 4, 4, NULL};
		parts[2] = (struct part){"device events", a->used_user_addr, 4, 4, NULL};
		return;
	}
	parts[1] = (struct part){"available ring", a->avail_user_addr, 6 + 2 * size, 2, NULL};
	parts[2] = (struct part){"used ring", a->used_user_addr, 6 + 8 * size, 4, NULL};
}

static bool
parts_overlap(const struct part *a, const struct part *b)
{
	return (uintptr_t)a->host < (uintptr_t)b->host + b->bytes &&
	       (uintptr_t)b->host < (uintptr_t)a->host + a->bytes;
}

int
backend_ring_translate(const struct backend *b, unsigned index, const struct vhost_vring_addr *addr,
	uint16_t size, struct vring_setup *setup, struct err *err)
{
	struct part parts[3];

	parts_layout(parts, addr, size, backend_packed(b));
	for (unsigned i = 0; i < 3; i++) {
		struct part *p = &parts[i];

		p->host = guest_memory_from_user(b->memory, p->uva, p->bytes);
		if (!p->host)
			return err_set(err, -EINVAL,
				"ring %u: the %s at 0x%" PRIx64 " are not in one memory region",
				index, p->name, p->uva);
		if ((uintptr_t)p->host % p->align)
			return err_set(err, -EINVAL,
				"ring %u: the %s at 0x%" PRIx64 " are not aligned to %u bytes",
				index, p->name, p->uva, p->align);
		for (unsigned j = 0; j < i; j++)
			if (parts_overlap(p, &parts[j]))
				return err_set(err, -EINVAL, "ring %u: %s and %s overlap", index,
					parts[j].name, p->name);
	}
	setup->desc = parts[0].host;
	setup->avail = parts[1].host;
	setup->used = parts[2].host;
	return 0;
}

int
backend_set_vring_addr(struct backend *b, struct exchange *x, struct err *err)
{
	const struct vhost_vring_addr *a = &x->payload->addr;
	struct vring_setup setup;
	struct backend_ring *ring;
	int rc = backend_ring_check(b, a->index, err);

	if (rc)
		return rc;
	ring = &b->ring[a->index];
	if (a->flags & ~(UINT32_C(1) << VHOST_VRING_F_LOG))
		return err_set(err, -EINVAL, "ring %u: flags 0x%x", a->index, a->flags);
	if (!ring->size)
		return err_set(err, -EINVAL, "ring %u has no size yet", a->index);
	rc = backend_ring_translate(b, a->index, a, ring->size, &setup, err);
	if (rc)
		return rc;
	/* A running ring goes on where it is: dirty logging is switched this way. */
	backend_rings_stop(b, UINT32_C(1) << a->index);
	ring->addr = *a;
	ring->addressed = true;
	return backend_rings_start(b, err);
}

int
backend_set_vring_base(struct backend *b, struct exchange *x, struct err *err)
{
	const struct vhost_vring_state *s = &x->payload->state;
	struct backend_ring *ring;
	int rc = backend_ring_check(b, s->index, err);

	if (rc)
		return rc;
	ring = &b->ring[s->index];
	if (ring->vring)
		return err_set(err, -EBUSY, "ring %u is moved while it runs", s->index);
	if (!backend_packed(b) && s->num > UINT16_MAX)
		return err_set(
			err, -EINVAL, "ring %u: index %u has more than 16 bits", s->index, s->num);
	/*
	 * Packed: bits 0-14 are the position, bit 15 its wrap counter.  The upper half repeats both for
	 * the used side; front ends are known that leave it 0, and for us they are the same.
	 */
	ring->next = backend_packed(b) ? s->num & 0x7fff : (uint16_t)s->num;
	ring->next_wrap = s->num >> 15 & 1;
	ring->exact = false;
	ring->broken = false;
	return backend_rings_start(b, err);
}

/* Stops the ring and says where: also when it never ran. */
int
backend_get_vring_base(struct backend *b, struct exchange *x, struct err *err)
{
	uint32_t index = x->payload->state.index;
	struct inflight_queue *inflight;
	struct backend_ring *ring;
	uint32_t at;
	int rc = backend_ring_check(b, index, err);

	if (rc)
		return rc;
	ring = &b->ring[index];
	backend_ring_reset(b, index);
	at = ring->next;
	if (backend_packed(b)) {
		at |= (uint32_t)ring->next_wrap << 15;
		at |= at << 16;
	}
	inflight = inflight_region_queue(&b->inflight, index, ring->size, backend_packed(b));
	if (inflight)
		inflight_position_forget(inflight);
	x->reply.state.index = index;
	x->reply.state.num = at;
	return 0;
}

int
backend_set_vring_enable(struct backend *b, struct exchange *x, struct err *err)
{
	const struct vhost_vring_state *s = &x->payload->state;
	int rc = backend_ring_check(b, s->index, err);

	if (rc)
		return rc;
	if (s->num > 1)
		return err_set(err, -EINVAL, "ring %u: %u is neither on nor off", s->index, s->num);
	if (b->features_set && !(b->features & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return err_set(err, -EINVAL, "protocol features were not negotiated");
	if (!s->num)
		backend_rings_stop(b, UINT32_C(1) << s->index);
	b->ring[s->index].enabled = s->num;
	return backend_rings_start(b, err);
}
