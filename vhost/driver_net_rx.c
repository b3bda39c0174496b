/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "vhost/driver_net_state.h"

static bool
post_buffer(struct driver_net *net, struct pair *p, struct slot *slot)
{
	struct driver_buf bufs[DRIVER_NET_PIECES_MAX + 1];

	for (unsigned i = 0; i < net->rx_piece_count; i++)
		bufs[i] = (struct driver_buf){
			slot->gpa + net->rx_pieces[i].offset, net->rx_pieces[i].len};
	if (driver_net_add(net, &p->rx, bufs, 0, net->rx_piece_count, slot))
		return false;
	p->rx_posted++;
	p->rx_waiting++;
	return true;
}

static void
post_buffers(struct driver_net *net, struct pair *p)
{
	unsigned fill = net->options.rx_fill ? net->options.rx_fill : p->rx.place.size;

	while (p->rx.free_count && p->rx_posted < fill &&
		post_buffer(net, p, p->rx.free[p->rx.free_count - 1]))
		p->rx.free_count--;
}

void
driver_net_fill(struct driver_net *net, unsigned pair)
{
	post_buffers(net, &net->pairs[pair]);
	driver_net_flush(net, pair);
}

static int
rx_error(struct driver_net *net, const char *what, uint64_t is, uint64_t most)
{
	snprintf(net->error, sizeof(net->error), "%s: %llu (limit %llu)", what,
		(unsigned long long)is, (unsigned long long)most);
	return -EPROTO;
}

/* The pattern stands between the pieces and behind the last one. */
static bool
guards_intact(const struct driver_net *net, const struct slot *slot)
{
	for (unsigned i = 0; i < net->rx_piece_count; i++) {
		const struct piece *piece = &net->rx_pieces[i];
		const uint8_t *guard = slot->host + piece->offset + piece->len;

		for (unsigned k = 0; k < GUARD; k++)
			if (guard[k] != GUARD_BYTE)
				return false;
	}
	return true;
}

/* Copies bytes [from, from + len) of the slot's pieces, taken together. */
static void
slot_copy(const struct driver_net *net, const struct slot *slot, uint32_t from, uint8_t *to,
	size_t len)
{
	for (unsigned i = 0; i < net->rx_piece_count && len; i++) {
		const struct piece *piece = &net->rx_pieces[i];
		size_t part;

		if (from >= piece->len) {
			from -= piece->len;
			continue;
		}
		part = piece->len - from < len ? piece->len - from : len;
		memcpy(to, slot->host + piece->offset + from, part);
		to += part;
		len -= part;
		from = 0;
	}
}

static const struct driver_used *
next_used(struct pair *p)
{
	struct pending *pending = &p->pending;

	if (pending->next == pending->count) {
		pending->next = 0;
		pending->count = driver_ring_collect(p->rx.ring, pending->used, 64);
	}
	return pending->next < pending->count ? &pending->used[pending->next++] : NULL;
}

static int
first_buffer(struct driver_net *net, struct pair *p, const struct driver_used *used,
	struct virtio_net_hdr *out)
{
	struct virtio_net_hdr header = {.num_buffers = 1};

	if (used->len < net->header_len)
		return rx_error(
			net, "fewer bytes used than the header has", used->len, net->header_len);
	slot_copy(net, used->token, 0, (uint8_t *)&header, net->header_len);
	if (net->header_len < VIRTIO_NET_HDR_LEN)
		header.num_buffers = 1;
	if (!header.num_buffers || (!net->mergeable && header.num_buffers != 1) ||
		header.num_buffers > p->rx.place.size)
		return rx_error(net, "num_buffers", header.num_buffers,
			net->mergeable ? p->rx.place.size : 1);
	p->frame_left = header.num_buffers;
	p->frame_len = 0;
	p->frame_truncated = false;
	if (out)
		*out = header;
	return 0;
}

/* One buffer of a frame; it goes back to the ring. */
static int
take_buffer(struct driver_net *net, struct pair *p, const struct driver_used *used,
	struct virtio_net_hdr *header, uint8_t *frame, size_t size)
{
	struct slot *slot = used->token;
	uint32_t from = 0, len = used->len;
	int rc;

	if (len > net->rx_room)
		return rx_error(net, "more bytes used than the buffer has", len, net->rx_room);
	if (!guards_intact(net, slot))
		return rx_error(
			net, "bytes outside a buffer were written, length", len, net->rx_room);
	if (!p->frame_left) {
		rc = first_buffer(net, p, used, header);
		if (rc)
			return rc;
		from = net->header_len;
		len -= from;
	} else if (!len) {
		return rx_error(net, "an empty buffer in a merged frame", 0, net->rx_room);
	}
	if (p->frame_len + len > size)
		p->frame_truncated = true;
	else
		slot_copy(net, slot, from, frame + p->frame_len, len);
	p->frame_len += len;
	p->frame_left--;
	p->rx.free[p->rx.free_count++] = slot;
	p->rx_posted--;
	return 0;
}

int
driver_net_receive(struct driver_net *net, unsigned pair, struct virtio_net_hdr *header,
	void *frame, size_t size)
{
	struct pair *p = &net->pairs[pair];
	const struct driver_used *used;

	if (net->error[0])
		return -EPROTO;
	do {
		int rc;

		used = next_used(p);
		if (!used) {
			if (driver_ring_broken(p->rx.ring))
				return rx_error(net, "the receive ring is broken at used index",
					driver_ring_base(p->rx.ring) & 0xffff, 0);
			/* 5.1.6.4: the buffers of one frame come back together. */
			if (p->frame_left)
				return rx_error(net,
					"a merged frame is incomplete, buffers missing",
					p->frame_left, 0);
			return 0;
		}
		rc = take_buffer(net, p, used, header, frame, size);
		if (rc)
			return rc;
	} while (p->frame_left);
	post_buffers(net, p);
	if (p->rx_waiting > p->rx.place.size / 2u)
		driver_net_flush(net, pair);
	p->rx.frames++;
	return p->frame_truncated ? -EMSGSIZE : (int)p->frame_len;
}

bool
driver_net_wait(struct driver_net *net, unsigned pair, int timeout_ms)
{
	struct pair *p = &net->pairs[pair];
	struct pollfd fd = {.fd = p->rx.place.call_fd, .events = POLLIN};
	eventfd_t count;
	bool there = p->pending.next < p->pending.count;

	if (!there)
		there = driver_ring_enable(p->rx.ring, 1);
	if (!there && poll(&fd, 1, timeout_ms) > 0)
		there = true;
	if (fd.revents && !eventfd_read(p->rx.place.call_fd, &count))
		p->rx.calls += count;
	driver_ring_disable(p->rx.ring);
	return there;
}
