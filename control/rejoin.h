/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rejoin: after a crash the guests come back one after the other.  What the first one had put into
 * its rings before is for the others: it stays there until they can receive, or the last of them is
 * too late.
 *
 * Threads: the control thread.  There is one per process.
 */
#ifndef CONTROL_REJOIN_H
#define CONTROL_REJOIN_H

#include "control/live.h"

/* The longest that guests wait for one another. */
#define REJOIN_MS 200

/*
 * Before the event loop runs: no port with live_port.had_pairs brings a frame until each of them
 * can be sent to with as many queue pairs as before, REJOIN_MS at most.  -ENOMEM: nobody waits.
 */
int rejoin_start(struct live *live);
void rejoin_stop(void);

#endif
