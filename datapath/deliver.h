/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deliver: the second pass over a burst.  Visits each destination once: brings the frames into the
 * form in which they leave, does what the receiver can't do itself (datapath/offload.h), and hands
 * them to the port, or to the worker that owns the port's queue (datapath/handoff.h).
 */
#ifndef DATAPATH_DELIVER_H
#define DATAPATH_DELIVER_H

#include "datapath/worker.h"

/* worker: sends what decide_burst() put into the lists, and empties them. */
void deliver_burst(struct worker *w);

/*
 * worker: sends a list of copies that a mirror has made, of which w->list_ports[0] is the port; of
 * the port's checks, those that limit it are done.
 */
void deliver_copies(struct worker *w, const struct snapshot_port *out, struct frame_list *list);

/*
 * worker: sends frames, ready in form, through one queue of a port.  `handed`: they come from the
 * hand-off ring.
 */
void deliver_queue(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters, bool handed);

/* The list that names a whole burst, and what is read with its end. */
extern const uint8_t deliver_all[FRAME_LIST_SIZE];

#endif
