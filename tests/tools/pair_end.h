/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pair_end: one port of a switch with a front end of ours attached: attaching, sending, receiving,
 * attaching again.
 */
#ifndef TESTS_TOOLS_PAIR_END_H
#define TESTS_TOOLS_PAIR_END_H

#include "tests/tools/pair_options.h"
#include "tests/tools/probe_track.h"
#include "vhost/driver_net.h"

#define SECOND_NS UINT64_C(1000000000)

/* One attached port, with what it sends and what the other one should send to it. */
struct end {
	struct driver_memory *memory;
	struct frontend *frontend;
	struct driver_net *net;
	struct probe probe;
	unsigned pairs;
	struct track *tracks;        /* [pairs], of what this end sends, by queue pair */
	struct histogram *latency;   /* of what arrives here */
	uint64_t sent, arrived;      /* frames */
	uint64_t given_up;           /* cells that were sent and are not waited for any more */
	uint64_t bytes, foreign;     /* of what arrived; frames of others */
	uint64_t due_ns;             /* when the next frame is to be sent */
	uint64_t arrival_ns, gap_ns; /* the last arrival; the longest time between two */
	uint64_t mark_gap_ns;        /* the same, since the last mark */
	uint64_t resumed_ns;         /* when what it had sent was last given up */
	const char *damage;
};

struct run {
	struct options options;
	struct end ends[2];
	uint64_t start_ns, first_ns, checked_ns, reconnects;
};

/* Connects both ends and starts their rings; exits when that fails. */
void ends_attach(struct run *run);
void ends_detach(struct run *run);

/* Cells sent, or received, of what this end sends. */
uint64_t cells_sent(const struct end *end);
uint64_t cells_received(const struct end *end);

/* What is under way is not waited for any more: as much again may be sent. */
void give_up(struct end *end);

/* Sends while window, rate and ring allow, `limit` frames in all; returns frames. */
unsigned send_some(struct run *run, unsigned which, uint64_t limit, uint64_t now);
/* Takes everything that is there; returns frames. */
unsigned receive_all(struct run *run, unsigned which);
/* From time to time: attaches again where the switch has gone away. */
void check_connections(struct run *run, uint64_t now);
/* Sleeps until one of the ends is called, or the next frame is due. */
void wait_for_call(struct run *run, uint64_t now);

#endif
