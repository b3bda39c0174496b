/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handoff: frames for a queue that another worker owns are copied into mbufs and handed to it through
 * its ring: many producers, one consumer, no waiting.
 */
#ifndef DATAPATH_HANDOFF_H
#define DATAPATH_HANDOFF_H

#include "datapath/worker.h"

/* worker: copies frames for the owner of the queue; what can't be handed over is counted. */
void handoff_send(struct worker *w, const struct snapshot_port *out, unsigned queue, unsigned owner,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters);

/* worker: delivers what other workers handed over; returns the number of frames. */
unsigned handoff_receive(struct worker *w);

/* worker: the memory of a receiver failed in handoff_receive(): drops what it held. */
void handoff_abort(struct worker *w);

#endif
