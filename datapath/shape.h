/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shape: frames that wait until the rate of the port they are for lets them go.
 *
 * A port with a limit of what it may receive and room to wait has a queue for each of its transmit
 * queues.  While the rate is kept, frames go straight through and nothing is copied.  What exceeds it
 * is copied into packet buffers (datapath/frame.h: no pointer into a sender's memory outlives the
 * burst), waits in order, and is sent by the worker that owns the transmit queue, as fast as the
 * port's meters allow.  What finds the queue full is dropped: QUEUE_FULL.
 *
 * Memory: packet buffers come from a pool of their own, SHAPE_POOL of them for all ports, made for
 * the first port that is shaped; a port holds SHAPE_PORT_MBUFS of them at most.
 *
 * Threads: a queue belongs to the worker that owns the transmit queue, and goes with it.
 */
#ifndef DATAPATH_SHAPE_H
#define DATAPATH_SHAPE_H

#include "datapath/worker.h"

#define SHAPE_POOL       8191 /* about 20 MiB */
#define SHAPE_PORT_MBUFS 2048 /* divided among the port's transmit queues */

struct shape_queue {
	uint32_t head, tail; /* counted on for ever; entries are mbufs[head % SHAPE_PORT_MBUFS] */
	uint32_t mbuf_count; /* with those that are chained */
	uint64_t bytes;      /* of the frames */
	struct rte_mbuf **mbufs;
};

struct shaper {
	struct rte_mempool *pool;
	unsigned queue_count;
	uint32_t mbufs_most; /* of a queue */
	struct shape_queue queues[];
};

/* control thread: for a port with that many transmit queues.  -ENOMEM. */
int shaper_create(struct shaper **shaper, unsigned queues, struct err *err);
/* control thread, when no worker can know it: frees what still waits. */
void shaper_destroy(struct shaper *shaper);

/*
 * worker: takes frames for one transmit queue that this worker owns.  Returns how many of them, from
 * the first one on, go at once; the others wait, or are counted as dropped.
 */
unsigned shape_frames(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters);

/* worker: sends of all its queues what may go by now; returns how many frames. */
unsigned shape_turn(struct worker *w);

#endif
