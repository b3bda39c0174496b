/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/fd.h"
#include "vhost/driver_net_state.h"

#define RX_BUFFER_MERGEABLE 2048

static void
plan_rx(struct driver_net *net)
{
	const struct driver_net_options *o = &net->options;
	uint32_t room = o->rx_buffer, data, offset = 0;
	unsigned pieces = o->rx_pieces ? o->rx_pieces : 1, n = 0;

	if (!room)
		room = net->mergeable ? RX_BUFFER_MERGEABLE
				      : net->header_len + DRIVER_NET_FRAME_MAX;
	net->rx_room = data = room;
	if (o->rx_header_apart) {
		net->rx_pieces[n++] = (struct piece){0, net->header_len};
		offset = net->header_len + GUARD;
		data -= net->header_len;
	}
	for (unsigned i = 0; i < pieces; i++) {
		uint32_t len = data / (pieces - i);

		net->rx_pieces[n++] = (struct piece){offset, len};
		offset += len + GUARD;
		data -= len;
	}
	net->rx_piece_count = n;
	net->rx_slot = (offset + 63) & ~63u;
}

static int
plan(struct driver_net *net, struct err *err)
{
	struct driver_net_options *o = &net->options;

	if (!o->pairs || o->pairs > DRIVER_NET_PAIRS_MAX || o->rx_pieces > DRIVER_NET_PIECES_MAX ||
		o->tx_pieces > DRIVER_NET_PIECES_MAX)
		return err_set(err, -EINVAL, "%u queue pairs, %u and %u descriptors per frame",
			o->pairs, o->rx_pieces, o->tx_pieces);
	net->mergeable = o->features & VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);
	net->header_len =
		o->features & (VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF))
			? VIRTIO_NET_HDR_LEN
			: VIRTIO_NET_HDR_LEN_LEGACY;
	if (!(o->features & VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC)))
		o->indirect = false;
	if (!o->start_set)
		o->start = DRIVER_RING_START(o->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED));
	if (!o->tx_pieces)
		o->tx_pieces = 1;
	if (!o->tx_buffer)
		o->tx_buffer = DRIVER_NET_FRAME_MAX;
	if (o->rx_buffer && o->rx_buffer <= net->header_len)
		return err_set(err, -EINVAL, "receive buffers of %u bytes", o->rx_buffer);
	plan_rx(net);
	net->tx_slot = (net->header_len + o->tx_buffer + (o->tx_pieces + 2) * GUARD + 63) & ~63u;
	return 0;
}

static int
queue_slots(struct driver_net *net, struct queue *q, uint32_t bytes)
{
	unsigned size = q->place.size;

	q->slots = calloc(size, sizeof(*q->slots));
	q->free = calloc(size, sizeof(*q->free));
	if (!q->slots || !q->free)
		return -ENOMEM;
	for (unsigned i = 0; i < size; i++) {
		struct slot *slot = &q->slots[i];

		slot->host = driver_memory_alloc(net->options.memory, bytes, 64, &slot->gpa);
		if (!slot->host)
			return -ENOMEM;
		q->free[size - 1 - i] = slot;
	}
	q->free_count = size;
	return 0;
}

static int
queue_ring(struct driver_net *net, struct queue *q, unsigned pieces)
{
	const struct driver_net_options *o = &net->options;
	struct driver_memory *memory = o->memory;
	struct driver_ring_setup setup = {
		.size = q->place.size, .features = o->features, .start = o->start};
	struct driver_ring_layout layout;
	uint8_t *at;

	driver_ring_layout(&layout, setup.size, o->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED));
	at = driver_memory_alloc(memory, layout.size, 64, NULL);
	if (!at)
		return -ENOMEM;
	setup.desc = q->place.desc = at + layout.desc;
	setup.driver = q->place.driver = at + layout.driver;
	setup.device = q->place.device = at + layout.device;
	q->place.base = o->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED)
				? o->start | (uint32_t)o->start << 16
				: o->start;
	if (o->indirect) {
		setup.table_max = (uint16_t)pieces;
		setup.tables = driver_memory_alloc(memory,
			(uint64_t)setup.size * pieces * sizeof(struct virtq_desc), 64,
			&setup.tables_gpa);
		if (!setup.tables)
			return -ENOMEM;
	}
	return driver_ring_create(&q->ring, &setup);
}

static int
queue_open(struct driver_net *net, struct queue *q, uint16_t size, unsigned pieces, uint32_t slot,
	struct err *err)
{
	int rc;

	q->place.size = size;
	q->place.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->place.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->place.kick_fd < 0 || q->place.call_fd < 0)
		return err_set(err, -errno, "eventfd: %s", strerror(errno));
	rc = queue_ring(net, q, pieces);
	if (!rc)
		rc = queue_slots(net, q, slot);
	if (rc == -ENOMEM)
		return err_set(err, rc,
			"guest memory of %llu bytes is too small for rings of %u with buffers of %u",
			(unsigned long long)net->options.memory->size, size, slot);
	if (rc)
		return err_set(err, rc, "a ring of %u entries is not possible", size);
	driver_ring_disable(q->ring);
	return 0;
}

/* Behind each piece of each receive slot. */
static void
write_guards(struct driver_net *net, struct queue *q)
{
	for (unsigned k = 0; k < q->place.size; k++)
		for (unsigned i = 0; i < net->rx_piece_count; i++) {
			const struct piece *piece = &net->rx_pieces[i];

			memset(q->slots[k].host + piece->offset + piece->len, GUARD_BYTE, GUARD);
		}
}

static void
queue_close(struct queue *q)
{
	driver_ring_destroy(q->ring);
	free(q->slots);
	free(q->free);
	fd_close(&q->place.kick_fd);
	fd_close(&q->place.call_fd);
}

int
driver_net_create(
	struct driver_net **out, const struct driver_net_options *options, struct err *err)
{
	struct driver_net *net = calloc(1, sizeof(*net) + options->pairs * sizeof(net->pairs[0]));
	int rc;

	if (!net)
		return err_set(err, -ENOMEM, "out of memory");
	net->options = *options;
	for (unsigned i = 0; i < options->pairs; i++) {
		net->pairs[i].rx.place.kick_fd = net->pairs[i].rx.place.call_fd = -1;
		net->pairs[i].tx.place.kick_fd = net->pairs[i].tx.place.call_fd = -1;
	}
	rc = plan(net, err);
	for (unsigned i = 0; i < options->pairs && !rc; i++) {
		struct pair *p = &net->pairs[i];

		rc = queue_open(
			net, &p->rx, options->rx_size, net->rx_piece_count, net->rx_slot, err);
		if (!rc)
			rc = queue_open(net, &p->tx, options->tx_size, net->options.tx_pieces + 1,
				net->tx_slot, err);
		if (!rc)
			write_guards(net, &p->rx);
	}
	if (rc)
		driver_net_destroy(net);
	else
		*out = net;
	return rc;
}

void
driver_net_destroy(struct driver_net *net)
{
	if (!net)
		return;
	for (unsigned i = 0; i < net->options.pairs; i++) {
		queue_close(&net->pairs[i].rx);
		queue_close(&net->pairs[i].tx);
	}
	free(net);
}

static struct queue *
queue_of(struct driver_net *net, unsigned index)
{
	struct pair *p = &net->pairs[index / 2];

	return index & 1 ? &p->tx : &p->rx;
}

void
driver_net_ring(struct driver_net *net, unsigned index, struct frontend_ring *ring)
{
	*ring = queue_of(net, index)->place;
}

struct driver_ring *
driver_net_driver_ring(struct driver_net *net, unsigned index)
{
	return queue_of(net, index)->ring;
}

unsigned
driver_net_header_len(const struct driver_net *net)
{
	return net->header_len;
}

const char *
driver_net_error(const struct driver_net *net)
{
	return net->error;
}

void
driver_net_counters(
	const struct driver_net *net, unsigned pair, struct driver_net_counters *counters)
{
	const struct pair *p = &net->pairs[pair];

	*counters = (struct driver_net_counters){
		p->tx.frames, p->rx.frames, p->rx.kicks + p->tx.kicks, p->rx.calls + p->tx.calls};
}

static void
queue_publish(struct queue *q)
{
	driver_ring_publish(q->ring);
	if (!driver_ring_needs_kick(q->ring))
		return;
	q->kicks++;
	eventfd_write(q->place.kick_fd, 1);
}

int
driver_net_add(struct driver_net *net, struct queue *q, const struct driver_buf *bufs, unsigned out,
	unsigned in, void *token)
{
	if (net->options.indirect && out + in > 1)
		return driver_ring_add_indirect(q->ring, bufs, out, in, token);
	return driver_ring_add(q->ring, bufs, out, in, token);
}

void
driver_net_flush(struct driver_net *net, unsigned pair)
{
	struct pair *p = &net->pairs[pair];

	p->rx_waiting = 0;
	queue_publish(&p->rx);
	queue_publish(&p->tx);
}
