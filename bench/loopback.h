/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loopback: a cable between two guests that no switch serves: takes frames out of one's transmit ring
 * and copies them into the other's receive buffers.  It shows how fast the traffic side would be if
 * the switch cost nothing, and lets tests do to frames what a broken switch might.
 *
 * Threads: one at a time; not the guests' thread necessarily.
 */
#ifndef BENCH_LOOPBACK_H
#define BENCH_LOOPBACK_H

#include "bench/device_ring.h"
#include "bench/frame.h"

enum loopback_fate {
	LOOPBACK_PASS,
	LOOPBACK_DROP,
	LOOPBACK_TWICE,
	LOOPBACK_LATER, /* behind the next one */
};

struct loopback {
	struct device_ring rx[2], tx[2];
	bool mergeable;
	unsigned batch; /* least frames that are moved at once; 0 = as they come */
	unsigned lag;   /* polls between two reports of frames taken; 0 = each */
	unsigned hold;  /* bits: frames of this guest stay where they are */
	unsigned polls;
	/* Decides about frame number `number` of a direction, and may change it.  NULL = all pass. */
	enum loopback_fate (*fate)(
		void *arg, unsigned from, uint64_t number, uint8_t *flat, uint32_t *length);
	void *arg;
	uint64_t numbers[2];
	uint64_t starved; /* times that a frame found no buffer, and stayed where it was */
	struct loopback_late {
		uint8_t flat[FRAME_ROOM + 64];
		uint32_t length; /* 0 = none */
	} late[2];
};

/* The guests come from guest_create_alone() and have not sent yet. */
void loopback_init(struct loopback *loopback, struct guest *const guests[2]);

/* Moves what there is to move, both ways; returns frames delivered. */
unsigned loopback_poll(struct loopback *loopback);

#endif
