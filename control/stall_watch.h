/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stall_watch: events for queues and workers that have had work for a second and made no progress.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_STALL_WATCH_H
#define CONTROL_STALL_WATCH_H

#include "control/live.h"

/* Once a second. */
void stall_watch_tick(struct live *live);

#endif
