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
struct saver;

struct state {
	struct live *live;
	struct model running; /* what live is */
	uint64_t started_ns;  /* clock_ns() */
	struct giver *giver;  /* gives everything to the next daemon; NULL = not yet */
	struct saver *saver;  /* told of every change; NULL = nothing is saved */
};

/*
 * Makes what runs equal to `wanted`.  The sentences of the plan are appended to `changes` (JSON
 * strings; may be NULL).  With dry_run nothing is changed.  On failure everything is as it was, apart
 * from what could not be restored, which is logged.
 */
int state_change(struct state *state, const struct model *wanted, bool dry_run, json_t *changes,
	struct err *err);

/*
 * The same for a configuration file, whose model gets what belongs to others (model_keep_owned()).
 * kept gets a JSON string for each port of that kind; NULL = log them.
 */
int state_apply(struct state *state, struct model *wanted, bool dry_run, json_t *changes,
	json_t *kept, struct err *err);

/* The same from a file of the file system. */
int state_load(struct state *state, const char *path, struct err *err);

/*
 * Adds each object of a model that does not run yet; one that cannot be is logged, and the others are
 * added all the same.
 */
void state_add_each(struct state *state, const struct model *wanted);

/* What ran before: the whole file, or as much of it as still can be.  Fails if it cannot be read. */
int state_restore(struct state *state, const char *path, struct err *err);

/* Ends everything that runs. */
void state_clear(struct state *state);

#endif
