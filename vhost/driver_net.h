/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_net: a small virtio-net driver (virtio 1.2, 5.1) over driver_ring: sends whole frames and
 * receives whole frames, one copy each way, so that a test says "send this frame here, expect exactly
 * this frame there".  How a frame is laid out over descriptors is the caller's choice.
 *
 * What is received is checked against the rules of 5.1.6.4: lengths within the buffers, num_buffers,
 * bytes around the buffers untouched.  A violation is -EPROTO with a text, and stays.
 *
 * Threads: a queue pair belongs to one thread at a time; pairs are independent.
 */
#ifndef VHOST_DRIVER_NET_H
#define VHOST_DRIVER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "vhost/driver_memory.h"
#include "vhost/driver_ring.h"
#include "vhost/frontend.h"

#define DRIVER_NET_PAIRS_MAX  VHOST_QUEUE_PAIRS_MAX
#define DRIVER_NET_PIECES_MAX 128 /* descriptors of one frame or buffer */
#define DRIVER_NET_FRAME_MAX  65553

struct driver_net_options {
	struct driver_memory *memory; /* rings and buffers are taken from it; outlives the driver */
	uint64_t features;            /* negotiated */
	unsigned pairs;               /* 1..DRIVER_NET_PAIRS_MAX */
	uint16_t rx_size, tx_size;    /* ring entries */
	/*
	 * Where the rings begin, as driver_ring_setup.start; start_set = false begins as after a
	 * reset.
	 */
	bool start_set;
	uint16_t start;

	/* Receive buffers: bytes for header and data; 0 = room for any frame, or 2048 if mergeable. */
	uint32_t rx_buffer;
	unsigned rx_pieces;   /* descriptors for the data of a buffer; 0 = 1 */
	bool rx_header_apart; /* the header in a descriptor of its own */
	unsigned rx_fill;     /* buffers to post; 0 = as many as the ring takes */

	/* Frames sent. */
	uint32_t tx_buffer;   /* most bytes of a frame; 0 = DRIVER_NET_FRAME_MAX */
	unsigned tx_pieces;   /* descriptors for the data; 0 = 1; fewer for very short frames */
	bool tx_header_apart; /* else the header shares the first one (2.7.4) */
	bool indirect;        /* use indirect tables for both, where negotiated */
	bool polling;         /* never ask for calls */
};

struct driver_net;

/* -EINVAL, -ENOMEM (guest memory too small), or what eventfd(2) says. */
int driver_net_create(
	struct driver_net **net, const struct driver_net_options *options, struct err *err);
/* NULL is fine.  Guest memory that was taken is not given back. */
void driver_net_destroy(struct driver_net *net);

/* Ring `index` (2q receives, 2q + 1 transmits), to be given to a front end or a device. */
void driver_net_ring(struct driver_net *net, unsigned index, struct frontend_ring *ring);
struct driver_ring *driver_net_driver_ring(struct driver_net *net, unsigned index);
/* Bytes of struct virtio_net_hdr that go with each frame: 12 or 10. */
unsigned driver_net_header_len(const struct driver_net *net);

/* Posts receive buffers, as many as the options say, and publishes them. */
void driver_net_fill(struct driver_net *net, unsigned pair);

/*
 * Queues a frame; header NULL = no offload request.  Visible to the device after
 * driver_net_flush().  -EAGAIN: no free descriptors (those that came back were collected first);
 * -EMSGSIZE: longer than tx_buffer; -EPROTO.
 */
int driver_net_send(struct driver_net *net, unsigned pair, const struct virtio_net_hdr *header,
	const void *frame, size_t len);
/* Publishes what was queued and posted, kicks where that is asked for. */
void driver_net_flush(struct driver_net *net, unsigned pair);
/* Takes back what the device has sent; returns frames still with the device. */
unsigned driver_net_reclaim(struct driver_net *net, unsigned pair);

/*
 * The next frame: its length, 0 = there is none, -EMSGSIZE = longer than `size` (it is lost),
 * -EPROTO.  header may be NULL.  Its buffers are posted again, and published by the next
 * driver_net_flush() or when half of them wait.
 */
int driver_net_receive(struct driver_net *net, unsigned pair, struct virtio_net_hdr *header,
	void *frame, size_t size);

/*
 * Waits until a frame may be there, at most timeout_ms; false when time ran out.  Not with
 * options.polling.
 */
bool driver_net_wait(struct driver_net *net, unsigned pair, int timeout_ms);

/* What went wrong after -EPROTO; "" = nothing. */
const char *driver_net_error(const struct driver_net *net);

struct driver_net_counters {
	uint64_t sent, received, kicks, calls;
};
void driver_net_counters(
	const struct driver_net *net, unsigned pair, struct driver_net_counters *counters);

#endif
