/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gro: joins TCP segments of a burst that follow each other into one large frame, so that a receiver
 * which takes large frames has one to look at instead of many (generic receive offload).
 *
 * Only what can be cut into the same segments again is joined: neighbours in their flow, equal in all
 * headers but sequence number, IPv4 identification and PSH, with checksums that were found right, each
 * as long as the first but the last.  Frames of a flow keep their order.  Nothing waits: what is in
 * two bursts stays two frames.
 *
 * Threads: worker.
 */
#ifndef DATAPATH_GRO_H
#define DATAPATH_GRO_H

#include "datapath/frame.h"

/* Returns how many frames the burst has less. */
unsigned gro_join(struct burst *burst);

#endif
