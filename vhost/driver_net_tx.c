/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vhost/driver_net_state.h"

/* Puts `len` bytes into the slot as one piece behind what is there. */
static void
piece_put(
	struct slot *slot, uint32_t *offset, struct driver_buf *buf, const void *bytes, size_t len)
{
	memcpy(slot->host + *offset, bytes, len);
	if (buf->len == 0)
		buf->gpa = slot->gpa + *offset;
	buf->len += (uint32_t)len;
	*offset += (uint32_t)len;
}

/* Lays header and frame out over the slot as the options say; returns the pieces. */
static unsigned
lay_out(struct driver_net *net, struct slot *slot, struct driver_buf *bufs,
	const struct virtio_net_hdr *header, const uint8_t *frame, size_t len)
{
	unsigned pieces = net->options.tx_pieces, n = 0;
	uint32_t offset = 0;

	memset(bufs, 0, (pieces + 1) * sizeof(*bufs));
	piece_put(slot, &offset, &bufs[0], header, net->header_len);
	if (net->options.tx_header_apart) {
		n++;
		offset += GUARD;
	}
	if (pieces > len)
		pieces = (unsigned)len;
	for (unsigned i = 0; i < pieces; i++) {
		size_t part = len / (pieces - i);

		piece_put(slot, &offset, &bufs[n++], frame, part);
		frame += part;
		len -= part;
		offset += GUARD;
	}
	/* A frame of no bytes leaves the header alone. */
	return pieces || net->options.tx_header_apart ? n : 1;
}

unsigned
driver_net_reclaim(struct driver_net *net, unsigned pair)
{
	struct queue *q = &net->pairs[pair].tx;
	struct driver_used used[64];
	unsigned n;

	while ((n = driver_ring_collect(q->ring, used, 64)))
		for (unsigned i = 0; i < n; i++)
			q->free[q->free_count++] = used[i].token;
	if (driver_ring_broken(q->ring))
		snprintf(net->error, sizeof(net->error),
			"the device gave back a transmit buffer that it did not have");
	return driver_ring_in_flight(q->ring);
}

int
driver_net_send(struct driver_net *net, unsigned pair, const struct virtio_net_hdr *header,
	const void *frame, size_t len)
{
	static const struct virtio_net_hdr plain;
	struct queue *q = &net->pairs[pair].tx;
	struct driver_buf bufs[DRIVER_NET_PIECES_MAX + 1];
	struct slot *slot;
	unsigned count;

	if (len > net->options.tx_buffer)
		return -EMSGSIZE;
	if (!q->free_count || driver_ring_free(q->ring) <= net->options.tx_pieces)
		driver_net_reclaim(net, pair);
	if (net->error[0])
		return -EPROTO;
	if (!q->free_count)
		return -EAGAIN;
	slot = q->free[q->free_count - 1];
	count = lay_out(net, slot, bufs, header ? header : &plain, frame, len);
	if (driver_net_add(net, q, bufs, count, 0, slot))
		return -EAGAIN;
	q->free_count--;
	q->frames++;
	return 0;
}
