/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pair: two vhost ports whose rings this process drives itself, for measuring the packet path
 * without control plane, sockets and guests (bench/path.c, bench/steps.c).  The driver side sends
 * every frame it receives back with its addresses swapped, in place.
 *
 * Threads: pair_open() and pair_fill() any one thread, before the ports are used; pair_turn() one
 * thread, which need not be the one that forwards.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include "lib/err.h"
#include "lib/ethernet.h"
#include "vhost/driver_memory.h"
#include "vhost/driver_ring.h"
#include "vhost/port_vhost.h"

#define PAIR_BURST 32 /* frames taken and sent at once */
#define PAIR_MACS  2  /* addresses of a side, the first of them alone unless `mixed` */

struct pair_options {
	unsigned size;   /* bytes of a frame */
	unsigned ring;   /* entries of each ring */
	unsigned flight; /* frames that go round, of each port; at most `ring` */
	bool packed, in_order, mergeable;
	bool mixed; /* no frame is like the one before it: addresses and type of service differ */
	bool big;   /* buffers for 64 KiB frames, instead of 2 KiB */
	bool huge;  /* guest memory in hugepages */
};

struct pair_side {
	struct vhost_rings device; /* the port */
	struct driver_ring *rx, *tx;
	uint8_t *host; /* buffers */
	uint64_t gpa;
};

struct pair {
	struct pair_options options;
	uint64_t features;
	uint32_t stride; /* bytes of a buffer */
	struct driver_memory *memory;
	struct guest_memory *table;
	struct pair_side sides[2];
};

/*
 * Makes ports, rings and buffers; buffers to receive into are posted.  The ports are up, but belong
 * to no datapath yet.  What was made stays until the process ends.  -EINVAL, -ENOMEM.
 */
int pair_open(struct pair *pair, const struct pair_options *options, struct err *err);
/* Sends the frames that go round.  Their source is a pair_mac() of the side that sends them. */
void pair_fill(struct pair *pair);
/* Takes up to PAIR_BURST frames on a side and sends them back; returns how many. */
unsigned pair_turn(struct pair *pair, unsigned side);

/* number 0..PAIR_MACS-1 */
struct mac pair_mac(unsigned side, unsigned number);

#endif
