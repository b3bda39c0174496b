/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * live_mirror: the mirrors that really run, by name and by the names of their ports.
 *
 * A mirror is there before its ports are, and stays when they go: a port that is added under the name
 * of one is at once what the mirror says.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_LIVE_MIRROR_H
#define CONTROL_LIVE_MIRROR_H

#include "control/live.h"

/* STEP_SET_MIRROR: `from` NULL = it is made, `to` NULL = it ends.  Its bridge exists. */
int live_mirror_set(struct live *live, const struct mirror_config *from,
	const struct mirror_config *to, struct err *err);

/* What mirrors have to do with a port of this name on this bridge ("" = on none). */
void live_mirrors_of(const struct live *live, const char *name, const char *bridge,
	struct port_mirrors *mirrors);

/* The datapath's number; -1 when there is none of that name. */
int live_mirror(const struct live *live, const char *name);

/* All ports are gone. */
void live_mirrors_clear(struct live *live);

#endif
