/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path of an AF_XDP socket.
 *
 * Threat model: rings and packet memory are the kernel's and ours, so that descriptors are believed;
 * the bytes of frames come from anybody, are copied, and not looked at here.  Memory of a guest can
 * fail under the copy in xdp_socket_tx(): nothing of the socket changes before everything is copied.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/xdp/socket.h"

/* Linux 6.6; the headers of Debian 12 are older. */
#define DESC_CONTINUES 1u /* XDP_PKT_CONTD */

#define KICKS_MAX 8 /* the kernel sends 32 frames at a call */

/* ---- receive ---- */

/* Descriptors of the frame at `at`, at most `left`; 0 when its end is not there yet. */
static unsigned
frame_pieces(const struct xdp_socket *s, uint32_t at, unsigned left, uint32_t *len)
{
	*len = 0;
	for (unsigned n = 0; n < left; n++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&s->rx, at + n);

		*len += d->len;
		if (!(d->options & DESC_CONTINUES))
			return n + 1;
	}
	return 0;
}

/* The frame of `pieces` descriptors at `at`, whose chunks are noted, joins the burst. */
static void
add_frame(
	const struct xdp_socket *s, uint32_t at, unsigned pieces, uint32_t len, struct burst *burst)
{
	struct frame *f = &burst->frames[burst->count];
	struct frame_seg *segs = &burst->segs[burst->segs_used];
	uint32_t head = len <= FRAME_WHOLE ? len : FRAME_PREFIX, copied = 0;
	unsigned n = 0;

	frame_clear(f);
	f->data = burst->slots[burst->count].bytes;
	for (unsigned p = 0; p < pieces; p++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&s->rx, at + p);
		const uint8_t *bytes = s->memory + d->addr;
		uint32_t part = head - copied < d->len ? head - copied : d->len;

		memcpy(f->data + copied, bytes, part);
		copied += part;
		if (part == d->len)
			continue;
		segs[n].addr = bytes + part;
		segs[n++].len = d->len - part;
	}
	f->segs = segs;
	f->len = len;
	f->head_len = (uint16_t)head;
	f->seg_count = (uint16_t)n;
	burst->cookie[burst->count++] = NULL;
	burst->segs_used = (uint16_t)(burst->segs_used + n);
	burst->bytes += len;
}

bool
xdp_socket_rx(struct xdp_socket *s, struct burst *burst, struct port_counters *counters)
{
	uint32_t at, len;
	unsigned count = xsk_ring_cons__peek(&s->rx, FRAME_SEGS, &at), used = 0;

	s->held_count = 0;
	while (used < count && burst->count < FRAME_BURST && burst->bytes < FRAME_BURST_BYTES) {
		unsigned pieces = frame_pieces(s, at + used, count - used, &len);
		enum drop drop = len < FRAME_LEN_MIN   ? DROP_RUNT
				 : len > FRAME_LEN_MAX ? DROP_TOO_LONG
						       : DROP_COUNT;

		if (!pieces)
			break;
		if (drop == DROP_COUNT) {
			add_frame(s, at + used, pieces, len, burst);
		} else {
			counters->rx_packets++;
			counters->rx_bytes += len;
			counters->drops[drop]++;
		}
		for (unsigned p = 0; p < pieces; p++)
			s->held[s->held_count++] =
				xsk_ring_cons__rx_desc(&s->rx, at + used + p)->addr;
		used += pieces;
	}
	xsk_ring_cons__cancel(&s->rx, count - used);
	if (used)
		xsk_ring_cons__release(&s->rx, used);
	if (!burst->count)
		xdp_socket_rx_done(s);
	return used || s->stuck;
}

void
xdp_socket_rx_done(struct xdp_socket *s)
{
	uint32_t at;

	/* There is room: the ring is larger than the number of chunks. */
	if (xsk_ring_prod__reserve(&s->fill, s->held_count, &at) != s->held_count)
		return;
	for (unsigned i = 0; i < s->held_count; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) =
			s->held[i] & ~(uint64_t)(s->chunk - 1);
	xsk_ring_prod__submit(&s->fill, s->held_count);
	s->held_count = 0;
}

/* ---- transmit ---- */

static void
take_back(struct xdp_socket *s)
{
	uint32_t at;
	unsigned count = xsk_ring_cons__peek(&s->completion, XDP_RING - s->free_count, &at);

	for (unsigned i = 0; i < count; i++)
		s->free[s->free_count++] = *xsk_ring_cons__comp_addr(&s->completion, at + i) &
					   ~(uint64_t)(s->chunk - 1);
	if (count)
		xsk_ring_cons__release(&s->completion, count);
}

/* Copies a frame into the free chunks below number `top`; returns how many it took. */
static unsigned
copy_frame(const struct xdp_socket *s, unsigned top, const struct frame *f)
{
	const uint8_t *from = f->data;
	uint32_t left = f->head_len, room = s->chunk;
	uint8_t *to = s->memory + s->free[top - 1];
	unsigned used = 1, seg = 0;

	for (;;) {
		uint32_t n = left < room ? left : room;

		memcpy(to, from, n);
		to += n;
		from += n;
		room -= n;
		left -= n;
		while (!left && seg < f->seg_count) {
			from = f->segs[seg].addr;
			left = f->segs[seg++].len;
		}
		if (!left)
			return used;
		if (!room) {
			used++;
			to = s->memory + s->free[top - used];
			room = s->chunk;
		}
	}
}

static unsigned
pieces_of(const struct xdp_socket *s, const struct frame *f)
{
	return (f->len + s->chunk - 1) / s->chunk;
}

/* Hands over the `count` first frames of the list, which lie in the free chunks from the top. */
static void
submit(struct xdp_socket *s, const struct frame *frames, const uint8_t *list, unsigned count,
	unsigned chunks)
{
	uint32_t at;

	if (xsk_ring_prod__reserve(&s->tx, chunks, &at) != chunks)
		return;
	for (unsigned k = 0; k < count; k++) {
		uint32_t left = frames[list[k]].len;

		do {
			struct xdp_desc *d = xsk_ring_prod__tx_desc(&s->tx, at++);

			d->addr = s->free[--s->free_count];
			d->len = left < s->chunk ? left : s->chunk;
			left -= d->len;
			d->options = left ? DESC_CONTINUES : 0;
		} while (left);
	}
	xsk_ring_prod__submit(&s->tx, chunks);
}

void
xdp_socket_tx(struct xdp_socket *s, const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters)
{
	uint8_t sent[FRAME_BURST];
	uint32_t room, bytes = 0;
	unsigned n = 0, chunks = 0;

	take_back(s);
	room = xsk_prod_nb_free(&s->tx, XDP_RING);
	if (room > s->free_count)
		room = s->free_count;
	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];
		unsigned need = pieces_of(s, f);

		if (need > 1 && !s->pieces) {
			counters->drops[DROP_MTU]++;
			continue;
		}
		if (chunks + need > room) {
			counters->drops[DROP_NIC_FULL]++;
			continue;
		}
		chunks += copy_frame(s, s->free_count - chunks, f);
		bytes += f->len;
		sent[n++] = list[k];
	}
	if (!n)
		return;
	submit(s, frames, sent, n, chunks);
	counters->tx_packets += n;
	counters->tx_bytes += bytes;
}

/* ---- system calls, at the end of a turn and before sleep ---- */

static bool
has_unsent(const struct xdp_socket *s)
{
	return __atomic_load_n(s->tx.consumer, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(s->tx.producer, __ATOMIC_RELAXED);
}

void
xdp_socket_tx_flush(struct xdp_socket *s)
{
	s->stuck = false;
	if (!xsk_ring_prod__needs_wakeup(&s->tx))
		return;
	for (unsigned i = 0; i < KICKS_MAX && has_unsent(s); i++) {
		if (sendto(s->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			continue;
		s->stuck = errno == EAGAIN || errno == EBUSY || errno == ENOBUFS;
		if (errno != EAGAIN)
			return;
	}
	s->stuck = s->stuck && has_unsent(s);
}

void
xdp_socket_rx_flush(struct xdp_socket *s)
{
	if (xsk_ring_prod__needs_wakeup(&s->fill))
		recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	if (s->stuck)
		xdp_socket_tx_flush(s);
}

bool
xdp_socket_arm(struct xdp_socket *s)
{
	xdp_socket_rx_flush(s);
	return s->stuck || xsk_cons_nb_avail(&s->rx, 1);
}
