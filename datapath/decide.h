/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * decide: the first pass over a burst.  From private copies only: VLAN, source address, destination.
 */
#ifndef DATAPATH_DECIDE_H
#define DATAPATH_DECIDE_H

#include "datapath/worker.h"

/*
 * worker: appends the index of each frame of w->burst to the list (w->lists) of every port it is
 * for; what goes nowhere is counted on the port it came in by.  `in` has a bridge.
 */
void decide_burst(struct worker *w, const struct snapshot_port *in, struct port_counters *counters);

#endif
