/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbours: tells ports that ask (`neighbour` in datapath/port.h) which addresses are behind the
 * other ports of their bridge: learnt and static entries of its MAC table, and the `mac` of ports.
 *
 * Inside the datapath folder only; control thread only.  A bridge without such a port pays nothing.
 */
#ifndef DATAPATH_NEIGHBOURS_H
#define DATAPATH_NEIGHBOURS_H

#include "datapath/topology.h"

/*
 * The port has come to the bridge (datapath_port_add, datapath_port_set), or is about to leave it.
 * `gone`: it is told nothing any more, the others are.
 */
void neighbours_join(struct topology *topology, unsigned port);
void neighbours_leave(struct topology *topology, unsigned port, bool gone);

/* The bridge has a new MAC table; `old` was copied to it and is not destroyed yet. */
void neighbours_renew(struct topology *topology, unsigned bridge, struct fdb *old);

#endif
