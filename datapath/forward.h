/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forward: one burst from a receive queue to the ports it is for.
 */
#ifndef DATAPATH_FORWARD_H
#define DATAPATH_FORWARD_H

#include "datapath/worker.h"

/*
 * worker: visits one receive queue; returns the number of frames it brought.  `next` is the queue
 * that will be visited after it.
 */
unsigned forward_queue(
	struct worker *w, const struct snapshot_poll *poll, const struct snapshot_poll *next);

/*
 * worker: memory of a port was gone in the middle of a burst.  The port fails; the burst's other
 * frames are given back and counted.
 */
void forward_abort(struct worker *w, const void *address);

/* worker: forwards what the control thread injected; returns the number of frames. */
unsigned forward_injected(struct worker *w);

#endif
