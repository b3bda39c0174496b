/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socket: an AF_XDP socket (libxdp's xsk) on one receive queue of an interface, with packet memory
 * of its own: half of the frames for receiving, half for sending.
 *
 * The kernel writes received frames into the packet memory; they are looked at where they lie and
 * given back after the burst, so that a frame is copied once on its way into a guest.  Only the
 * kernel writes to rx and completion rings, and nothing in this memory is shared with a guest.
 *
 * A frame longer than a chunk of the packet memory travels in several descriptors where kernel and
 * driver can do that (`pieces`, Linux 6.6).
 *
 * Threads: open and close on the control thread; all else by the worker that owns the queue.
 */
#ifndef DATAPATH_XDP_SOCKET_H
#define DATAPATH_XDP_SOCKET_H

#include <xdp/xsk.h>

#include "datapath/port.h"
#include "lib/err.h"

#define XDP_RING       1024 /* frames each way */
#define XDP_CHUNK      2048
#define XDP_CHUNK_LONG 4096
#define XDP_HEADROOM   256 /* of a chunk, kept by the kernel on receive */

struct xdp_socket {
	struct xsk_ring_cons rx, completion;
	struct xsk_ring_prod tx, fill;
	uint8_t *memory;
	uint32_t chunk; /* bytes, a power of two */
	bool pieces;    /* frames may take several descriptors */
	bool stuck;     /* the kernel did not take all of tx: ask again */
	unsigned held_count;
	unsigned free_count;
	uint64_t held[FRAME_SEGS]; /* chunks of the burst under way */
	uint64_t free[XDP_RING];   /* chunks to send with */
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	int fd;
	bool zero_copy;
	size_t size; /* of memory */
};

struct xdp_socket_options {
	const char *dev;
	unsigned queue;
	uint32_t chunk;
	bool pieces;
};

/* -EOPNOTSUPP: the kernel knows no frames in pieces. */
int xdp_socket_open(
	struct xdp_socket **socket, const struct xdp_socket_options *options, struct err *err);
/* No worker may be using it.  NULL is fine. */
void xdp_socket_close(struct xdp_socket *socket);

/* ---- worker: as port_ops, see datapath/port.h ---- */

bool xdp_socket_rx(struct xdp_socket *s, struct burst *burst, struct port_counters *counters);
void xdp_socket_rx_done(struct xdp_socket *s);
void xdp_socket_tx(struct xdp_socket *s, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters);
void xdp_socket_rx_flush(struct xdp_socket *s);
void xdp_socket_tx_flush(struct xdp_socket *s);
bool xdp_socket_arm(struct xdp_socket *s);

#endif
