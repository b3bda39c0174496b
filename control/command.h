/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command: the methods of the control socket, one handler per row of api/verbs.c.
 *
 * Handlers get parameters that verb_check() has passed; they look or change through
 * control/state.h.  What they return is documented in api/verbs.c.
 */
#ifndef CONTROL_COMMAND_H
#define CONTROL_COMMAND_H

#include <jansson.h>

#include "api/schema.h"
#include "control/rpc.h"
#include "control/state.h"

/* Returns a new reference, or NULL with *err filled. */
typedef json_t *(*command_handler)(struct state *state, const json_t *params, struct err *err);

/*
 * Edits a copy of what runs; the copy then becomes real as a whole (state_change) or not at all.
 * 0 or negative errno with *err filled.
 */
typedef int (*command_edit)(struct model *wanted, const json_t *params, struct err *err);

/* The same as a handler, for what lasts as long as the peer stays connected. */
typedef json_t *(*command_attach)(
	struct state *state, const json_t *params, struct rpc_peer *peer, struct err *err);

/* One of the three. */
struct command {
	const char *method;
	command_handler handler;
	command_edit edit; /* the result is {} */
	command_attach attach;
};

/* The tables of the cmd_*.c files, each ended by method == NULL. */
extern const struct command bridge_commands[], capture_commands[], port_commands[], fdb_commands[],
	filter_commands[], set_commands[], stats_commands[], worker_commands[], config_commands[],
	daemon_commands[], events_commands[], mdb_commands[], mirror_commands[];

/* NULL when the method has none. */
const struct command *command_find(const char *method);

/* Has every verb that is not the client's own a handler, and every handler a verb?  -ENOSYS. */
int command_check_tables(struct err *err);

/* rpc_handler.call; arg is the struct state. */
json_t *command_call(void *arg, const char *method, json_t *params, struct rpc_peer *peer,
	struct rpc_error *error);

/* ---- for handlers ---- */

/* The empty result; NULL with *err filled when rc is negative. */
json_t *command_done(int rc, struct err *err);
/* NULL with "out of memory" in *err. */
json_t *command_no_memory(struct err *err);
/* {"rows": rows}; takes the reference; NULL rows is an error already in *err, or no memory. */
json_t *command_rows(json_t *rows, struct err *err);
/* A parameter's text, NULL when it is not given. */
const char *param_text(const json_t *params, const char *name);
/* A parameter's number, `otherwise` when it is not given. */
json_int_t param_number(const json_t *params, const char *name, json_int_t otherwise);
bool param_true(const json_t *params, const char *name);

#endif
