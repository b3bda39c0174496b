/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mirror: copies of frames go to another port, for somebody who watches.
 *
 * While a burst is judged, the checks mirror_in() and mirror_out() (datapath/check.h) note which of
 * its frames each mirror wants, however often.  When the burst has been delivered, what was noted
 * goes to the mirror's port as one more list of the same burst: ordinary frames come first, and
 * nothing waits for a copy.
 *
 * What lies behind the head of a frame that is wanted is made private before its first receiver gets
 * it: a guest that changes a frame while it is copied cannot show the watcher another one.
 *
 * Threads: worker.
 */
#ifndef DATAPATH_MIRROR_H
#define DATAPATH_MIRROR_H

#include "datapath/worker.h"

/* What is wanted of the burst under way goes to the mirrors' ports. */
void mirror_deliver(struct worker *w);

/* Delivery of the burst was given up: what is wanted of it counts as lost. */
void mirror_abandon(struct worker *w);

/*
 * What is sent from here to mirror_end() are copies of the mirror with this number + 1, or of none (0);
 * what the counters of their port lose meanwhile was lost of them.
 */
void mirror_begin(struct worker *w, unsigned note, const struct port_counters *counters);
void mirror_end(struct worker *w);

#endif
