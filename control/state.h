/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state: what runs, and the one way to change it.
 *
 * Commands, the configuration file at start, SIGHUP and `config apply` all describe a whole model
 * and call state_change(): check, plan, apply, all or nothing.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_STATE_H
#define CONTROL_STATE_H

#include "control/live.h"
#include "control/model.h"

struct giver;

struct state {
	struct live *live;
	struct model running; /* what live is */
	uint64_t started_ns;  /* clock_ns() */
	struct giver *giver;  /* gives everything to the next daemon; NULL = not yet */
};

/*
 * Makes what runs equal to `wanted`.  The sentences of the plan are appended to `changes` (JSON
 * strings; may be NULL).  With dry_run nothing is changed.  On failure everything is as it was, apart
 * from what could not be restored, which is logged.
 */
int state_change(struct state *state, const struct model *wanted, bool dry_run, json_t *changes,
	struct err *err);

/* The same from a file. */
int state_load(struct state *state, const char *path, struct err *err);

/* Ends everything that runs. */
void state_clear(struct state *state);

#endif
