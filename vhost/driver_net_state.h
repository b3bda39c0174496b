/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_net_state: what the files of the virtio-net driver share: driver_net.c (set-up, notices),
 * driver_net_tx.c, driver_net_rx.c.
 *
 * Each ring has slots of guest memory, one per chain.  A slot is a row of pieces with GUARD bytes
 * between and behind them; the guards of receive slots hold a pattern that is checked when the slot
 * comes back, so that a device which ignores a descriptor's end is found out.
 */
#ifndef VHOST_DRIVER_NET_STATE_H
#define VHOST_DRIVER_NET_STATE_H

#include "vhost/driver_net.h"

#define GUARD      16
#define GUARD_BYTE 0xdb

struct slot {
	uint8_t *host;
	uint64_t gpa;
};

struct queue {
	struct driver_ring *ring;
	struct frontend_ring place;
	struct slot *slots; /* [size] */
	struct slot **free; /* [size], a stack */
	unsigned free_count;
	uint64_t kicks, calls, frames;
};

/* Where the parts of a receive slot stand. */
struct piece {
	uint32_t offset, len;
};

/* Receive buffers collected and not yet consumed. */
struct pending {
	struct driver_used used[64];
	unsigned next, count;
};

struct pair {
	struct queue rx, tx;
	struct pending pending;
	unsigned rx_posted, rx_waiting; /* with the device; posted and not published */
	/* A frame over several buffers whose last ones are still to come. */
	unsigned frame_left;  /* buffers; 0 = none */
	size_t frame_len;     /* bytes so far */
	bool frame_truncated; /* does not fit the caller's memory */
};

struct driver_net {
	struct driver_net_options options;
	unsigned header_len;
	bool mergeable;
	struct piece rx_pieces[DRIVER_NET_PIECES_MAX + 1];
	unsigned rx_piece_count;
	uint32_t rx_room, rx_slot, tx_slot; /* bytes of a receive buffer, of slots */
	char error[160];
	struct pair pairs[];
};

/* Adds a chain, through an indirect table where the options say so.  0 or -ENOSPC. */
int driver_net_add(struct driver_net *net, struct queue *q, const struct driver_buf *bufs,
	unsigned out, unsigned in, void *token);

#endif
