/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * police: what a frame costs of a port's rate.
 */
#ifndef DATAPATH_POLICE_H
#define DATAPATH_POLICE_H

#include "datapath/frame.h"
#include "datapath/snapshot.h"

struct police_cost {
	uint32_t bytes, packets;
};

/*
 * What the frame is on a wire, without preamble and frame check sequence: for one that is to be cut
 * into segments, their number, and their bytes with all headers.
 */
struct police_cost police_cost(const struct frame *frame);

/* worker: takes that from the buckets of a rate; all of it, or nothing and returns false. */
bool police_take(const struct snapshot_rate *rate, uint64_t now, struct police_cost cost);

#endif
