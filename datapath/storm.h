/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * storm: how many frames that go to many receivers a port may send.
 *
 * Each class has its own bucket: a broadcast storm does not keep multicast out.  "Unknown" is a
 * unicast address that nobody was heard with: neither in the MAC table nor among the sightings
 * (datapath/sighting.h), so that the first frames to a guest that has just spoken are not limited.
 */
#ifndef DATAPATH_STORM_H
#define DATAPATH_STORM_H

#include <stdbool.h>
#include <stdint.h>

enum storm_class { STORM_BROADCAST, STORM_MULTICAST, STORM_UNKNOWN, STORM_CLASSES };

struct worker;
struct snapshot_port;

/* worker: may this frame of the burst be received, which many will get?  Counts the drop if not. */
bool storm_admits(struct worker *w, const struct snapshot_port *in, unsigned i);

#endif
