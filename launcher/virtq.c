/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: rings and descriptors are in the guest's memory, which changes them while they are
 * read.  Each is copied once and judged by the copy; loops are bounded by the queue's size; addresses
 * become pointers only through ram_at().
 */
#include <errno.h>
#include <string.h>

#include "launcher/virtq.h"
#include "vhost/virtio.h"

void
virtq_start(struct virtq *q, const struct virtio_device *device, unsigned index)
{
	const struct virtio_queue *queue = &device->queues[index];
	bool packed = virtio_device_has(device, VIRTIO_F_RING_PACKED);
	uint64_t size = queue->size;
	unsigned event = virtio_device_has(device, VIRTIO_RING_F_EVENT_IDX) ? 2 : 0;

	*q = (struct virtq){.ram = device->ram, .call = queue->call};
	if (!queue->enabled)
		return;
	q->size = queue->size;
	q->packed = packed;
	q->event_idx = virtio_device_has(device, VIRTIO_RING_F_EVENT_IDX);
	q->wrap = q->used_wrap = true;
	q->desc = ram_at(q->ram, queue->desc, 16 * size);
	q->driver = ram_at(q->ram, queue->driver, packed ? 4 : 4 + 2 * size + event);
	q->device = ram_at(q->ram, queue->device, packed ? 4 : 4 + 8 * size + event);
	q->running = q->desc && q->driver && q->device;
}

void
virtq_stop(struct virtq *q)
{
	q->running = false;
}

/* ---- chains ---- */

static int
add_part(struct virtq *q, struct virtq_chain *chain, uint64_t addr, uint32_t len, uint16_t flags)
{
	void *at = len ? ram_at(q->ram, addr, len) : NULL;
	bool writable = flags & VIRTQ_DESC_F_WRITE;

	if (!at || chain->parts == VIRTQ_PARTS_MAX || (!writable && chain->readable < chain->parts))
		return -EPROTO;
	chain->iov[chain->parts++] = (struct iovec){at, len};
	if (!writable)
		chain->readable = chain->parts;
	return 0;
}

/* A table of descriptors elsewhere in memory: split ones are linked, packed ones in a row. */
static int
add_table(struct virtq *q, struct virtq_chain *chain, uint64_t addr, uint32_t len)
{
	const struct virtq_desc *table = len ? ram_at(q->ram, addr, len) : NULL;
	uint32_t count = len / sizeof(*table), at = 0;

	if (!table || len % sizeof(*table) || count > UINT16_MAX)
		return -EPROTO;
	for (uint32_t n = 0; n < count; n++) {
		struct virtq_desc desc;
		int rc;

		memcpy(&desc, &table[at], sizeof(desc));
		if (q->packed) /* the id and the flags have changed places */
			desc.flags = desc.next;
		if (desc.flags & VIRTQ_DESC_F_INDIRECT)
			return -EPROTO;
		rc = add_part(q, chain, desc.addr, desc.len, desc.flags);
		if (rc)
			return rc;
		if (q->packed)
			at++;
		else if (!(desc.flags & VIRTQ_DESC_F_NEXT))
			return 0;
		else
			at = desc.next;
		if (!q->packed && at >= count)
			return -EPROTO;
	}
	return q->packed ? 0 : -EPROTO; /* a loop */
}

static int
take_split(struct virtq *q, struct virtq_chain *chain)
{
	const struct virtq_avail *avail = q->driver;
	const struct virtq_desc *ring = q->desc;
	uint16_t index = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE), at;

	if (index == q->next)
		return 0;
	if ((uint16_t)(index - q->next) > q->size)
		return -EPROTO;
	at = __atomic_load_n(&avail->ring[q->next % q->size], __ATOMIC_RELAXED);
	chain->id = at;
	chain->count = 1;
	q->next++;
	for (unsigned n = 0; n < q->size; n++) {
		struct virtq_desc desc;
		int rc;

		if (at >= q->size)
			return -EPROTO;
		memcpy(&desc, &ring[at], sizeof(desc));
		if (desc.flags & VIRTQ_DESC_F_INDIRECT)
			return n || (desc.flags & VIRTQ_DESC_F_NEXT)             ? -EPROTO
			       : (rc = add_table(q, chain, desc.addr, desc.len)) ? rc
										 : 1;
		rc = add_part(q, chain, desc.addr, desc.len, desc.flags);
		if (rc)
			return rc;
		if (!(desc.flags & VIRTQ_DESC_F_NEXT))
			return 1;
		at = desc.next;
	}
	return -EPROTO; /* a loop */
}

static bool
is_available(const struct virtq *q, uint16_t flags)
{
	return !!(flags & VIRTQ_PACKED_F_AVAIL) == q->wrap &&
	       !!(flags & VIRTQ_PACKED_F_USED) != q->wrap;
}

static int
take_packed(struct virtq *q, struct virtq_chain *chain)
{
	const struct virtq_packed_desc *ring = q->desc;

	if (!is_available(q, __atomic_load_n(&ring[q->next].flags, __ATOMIC_ACQUIRE)))
		return 0;
	for (chain->count = 0; chain->count < q->size;) {
		struct virtq_packed_desc desc;
		int rc;

		memcpy(&desc, &ring[q->next], sizeof(desc));
		if (desc.flags & VIRTQ_DESC_F_INDIRECT)
			rc = chain->count ? -EPROTO : add_table(q, chain, desc.addr, desc.len);
		else
			rc = add_part(q, chain, desc.addr, desc.len, desc.flags);
		if (rc)
			return rc;
		chain->id = desc.id;
		chain->count++;
		if (++q->next == q->size) {
			q->next = 0;
			q->wrap = !q->wrap;
		}
		if ((desc.flags & VIRTQ_DESC_F_INDIRECT) || !(desc.flags & VIRTQ_DESC_F_NEXT))
			return 1;
	}
	return -EPROTO;
}

int
virtq_take(struct virtq *q, struct virtq_chain *chain)
{
	int rc;

	chain->parts = chain->readable = 0;
	if (!q->running)
		return 0;
	rc = q->packed ? take_packed(q, chain) : take_split(q, chain);
	if (rc < 0)
		q->running = false;
	return rc;
}

/* ---- giving back ---- */

void
virtq_give(struct virtq *q, uint16_t id, uint16_t count, uint32_t written)
{
	if (q->packed) {
		struct virtq_packed_desc *desc = (struct virtq_packed_desc *)q->desc + q->used;
		uint16_t flags = q->used_wrap ? VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED : 0;

		desc->id = id;
		desc->len = written;
		__atomic_store_n(&desc->flags,
			(uint16_t)(flags | (written ? VIRTQ_DESC_F_WRITE : 0)), __ATOMIC_RELEASE);
		q->used = (uint16_t)(q->used + count);
		if (q->used >= q->size) {
			q->used = (uint16_t)(q->used - q->size);
			q->used_wrap = !q->used_wrap;
		}
	} else {
		struct virtq_used *used = q->device;

		used->ring[q->used % q->size] = (struct virtq_used_elem){id, written};
		__atomic_store_n(&used->idx, ++q->used, __ATOMIC_RELEASE);
	}
}

static bool
wants_call(struct virtq *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->packed) {
		const struct virtq_packed_event *event = q->driver;

		/* Of a position that is asked for we do not know whether it was passed. */
		return (event->flags & 3) != VIRTQ_EVENT_DISABLE;
	}
	if (q->event_idx) {
		const struct virtq_avail *avail = q->driver;
		uint16_t event = __atomic_load_n(&avail->ring[q->size], __ATOMIC_RELAXED);
		uint16_t before = q->called;

		q->called = q->used;
		return (uint16_t)(q->used - event - 1) < (uint16_t)(q->used - before);
	}
	return !(((const struct virtq_avail *)q->driver)->flags & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

void
virtq_call(struct virtq *q)
{
	if (q->running && wants_call(q))
		eventfd_write(q->call, 1);
}

bool
virtq_arm(struct virtq *q)
{
	if (!q->running)
		return false;
	if (q->packed) {
		((struct virtq_packed_event *)q->device)->flags = VIRTQ_EVENT_ENABLE;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		return is_available(
			q, __atomic_load_n(&((struct virtq_packed_desc *)q->desc)[q->next].flags,
				   __ATOMIC_ACQUIRE));
	}
	if (q->event_idx) {
		struct virtq_used *used = q->device;

		memcpy(&used->ring[q->size], &q->next, sizeof(q->next)); /* avail_event */
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&((struct virtq_avail *)q->driver)->idx, __ATOMIC_ACQUIRE) !=
	       q->next;
}

/* ---- all that there are ---- */

int
virtq_each(struct virtq *q, virtq_chain_cb each, void *arg)
{
	struct virtq_chain chain;
	int rc = 0;

	for (unsigned n = 0; n <= q->size; n++) {
		rc = virtq_take(q, &chain);
		if (rc < 0 || (rc == 0 && !virtq_arm(q)))
			break;
		if (rc > 0)
			virtq_give(q, chain.id, chain.count, each(arg, &chain));
		rc = 1;
	}
	virtq_call(q);
	return rc;
}

void
virtq_serve(struct virtq *q, struct virtio_device *device, unsigned index, virtq_chain_cb each,
	void *arg)
{
	int rc = virtq_each(q, each, arg);

	if (rc < 0)
		virtio_device_broken(device, "a queue is malformed");
	else if (rc > 0) /* others have their turn */
		eventfd_write(device->queues[index].kick, 1);
}

/* ---- bytes ---- */

uint64_t
virtq_bytes(const struct virtq_chain *chain, unsigned first, unsigned end)
{
	uint64_t sum = 0;

	for (unsigned i = first; i < end; i++)
		sum += chain->iov[i].iov_len;
	return sum;
}

size_t
virtq_read(const struct virtq_chain *chain, size_t skip, void *to, size_t length)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->readable && done < length; i++) {
		size_t have = chain->iov[i].iov_len, n;

		if (skip >= have) {
			skip -= have;
			continue;
		}
		n = have - skip < length - done ? have - skip : length - done;
		memcpy((uint8_t *)to + done, (uint8_t *)chain->iov[i].iov_base + skip, n);
		done += n;
		skip = 0;
	}
	return done;
}

size_t
virtq_write(const struct virtq_chain *chain, const void *from, size_t length)
{
	size_t done = 0;

	for (unsigned i = chain->readable; i < chain->parts && done < length; i++) {
		size_t n = chain->iov[i].iov_len;

		n = n < length - done ? n : length - done;
		memcpy(chain->iov[i].iov_base, (const uint8_t *)from + done, n);
		done += n;
	}
	return done;
}
