/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop_guard: finds loops through a bridge and cuts them.
 *
 * On a bridge with the guard every port sends a probe each second (datapath/probe.h).  A probe that
 * comes back names a pair of ports; so does an address that moves too often between two ports
 * (datapath/fdb_moves.h).  Of such a pair the later one is blocked, for a back-off time that doubles
 * each time it has to be blocked again soon after, and then let back on trial.
 *
 * Who pretends a loop blocks only himself: a probe says something about the port it came back by.
 * When that is the earlier port of the pair nothing is done at first, since with a real loop the
 * probes of the earlier port come back by the later one as well; only when they do not, and it goes
 * on for LOOP_GUARD_ALONE probes, the port by which they come back is blocked.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_LOOP_GUARD_H
#define CONTROL_LOOP_GUARD_H

#include <stddef.h>

#include "datapath/datapath.h"

#define LOOP_GUARD_BACKOFF_S     10
#define LOOP_GUARD_BACKOFF_MAX_S 300
#define LOOP_GUARD_ALONE         3

struct live;

/* Listens to the datapath on behalf of these bridges and ports; NULL ends it. */
void loop_guard_start(struct live *live);

/* The bridge's guard is on or off from now on. */
void loop_guard_set(unsigned bridge, bool on);

/* The port is about to be deleted. */
void loop_guard_forget(const struct port *port);

/* Once a second: sends probes, lets ports back. */
void loop_guard_tick(void);

/* Why the port is blocked and for how long, as a sentence; false when it is not. */
bool loop_guard_reason(const struct port *port, char *text, size_t size);

#endif
