/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snoop: what a bridge that snoops does with multicast frames (RFC 4541).
 *
 * The check on the way in shows IGMP and MLD messages to the control thread and marks those of
 * members: they go to routers only.  Where other multicast frames go the table of groups says.
 */
#ifndef DATAPATH_SNOOP_H
#define DATAPATH_SNOOP_H

#include "datapath/mdb.h"
#include "datapath/worker.h"

/* frame.snoop */
enum { SNOOP_NONE, SNOOP_QUERY, SNOOP_REPORT };

/*
 * worker: the ports for a group frame, `in` possibly among them; false = it goes to all.  What is no
 * IP multicast, or is for all hosts of the link (224.0.0.x, ff02::1), always goes to all.
 */
bool snoop_ports(const struct snapshot_port *in, const struct frame *f, const uint16_t **ports,
	unsigned *count);

#endif
