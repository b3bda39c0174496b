/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/command.h"

static const struct command *const tables[] = {
	bridge_commands,
	capture_commands,
	port_commands,
	fdb_commands,
	filter_commands,
	set_commands,
	stats_commands,
	worker_commands,
	config_commands,
	daemon_commands,
	events_commands,
	mdb_commands,
	mirror_commands,
};

#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

const struct command *
command_find(const char *method)
{
	for (unsigned t = 0; t < TABLE_COUNT; t++) {
		for (const struct command *c = tables[t]; c->method; c++) {
			if (strcmp(c->method, method) == 0)
				return c;
		}
	}
	return NULL;
}

int
command_check_tables(struct err *err)
{
	char method[64];

	for (unsigned i = 0; i < verb_count; i++) {
		if (verbs[i].flags & VERB_LOCAL)
			continue;
		verb_method(&verbs[i], method, sizeof(method));
		if (!command_find(method))
			return err_set(err, -ENOSYS, "the verb %s has no handler", method);
	}
	for (unsigned t = 0; t < TABLE_COUNT; t++) {
		for (const struct command *c = tables[t]; c->method; c++) {
			if (!verb_by_method(c->method))
				return err_set(
					err, -ENOSYS, "the handler of %s has no verb", c->method);
		}
	}
	return 0;
}

static json_t *
unknown_method(const char *method, struct rpc_error *error)
{
	error->code = API_NO_METHOD;
	err_set(&error->err, -ENOSYS,
		"there is no method \"%.60s\": `daemon.schema` lists all of them", method);
	return NULL;
}

/* Lets a handler edit a copy of what runs and makes that real. */
static json_t *
change(struct state *state, command_edit edit, const json_t *params, struct err *err)
{
	struct model wanted;
	int rc;

	if (model_copy(&wanted, &state->running) < 0)
		return command_no_memory(err);
	rc = edit(&wanted, params, err);
	if (rc == 0)
		rc = state_change(state, &wanted, false, NULL, err);
	model_free(&wanted);
	return command_done(rc, err);
}

json_t *
command_call(void *arg, const char *method, json_t *params, struct rpc_peer *peer,
	struct rpc_error *error)
{
	const struct verb *verb = verb_by_method(method);
	const struct command *command = verb ? command_find(method) : NULL;
	json_t *checked, *result;

	if (!command)
		return unknown_method(method, error);
	if (!peer->may_change && !(verb->flags & VERB_READ_ONLY)) {
		error->code = API_DENIED;
		err_set(&error->err, -EPERM,
			"permission denied: %s changes something, which only root, the daemon's own user and "
			"members of the control socket's group may do",
			method);
		return NULL;
	}
	error->code = API_INVALID_PARAMS;
	if (verb_check(verb, params, &checked, &error->err) < 0)
		return NULL;
	error->code = API_FAILED;
	if (command->edit)
		result = change(arg, command->edit, checked, &error->err);
	else if (command->attach)
		result = command->attach(arg, checked, peer, &error->err);
	else
		result = command->handler(arg, checked, &error->err);
	json_decref(checked);
	return result;
}

/* ---- for handlers ---- */

json_t *
command_done(int rc, struct err *err)
{
	json_t *empty;

	if (rc < 0)
		return NULL;
	empty = json_object();
	return empty ? empty : command_no_memory(err);
}

json_t *
command_no_memory(struct err *err)
{
	err_set(err, -ENOMEM, "out of memory");
	return NULL;
}

json_t *
command_rows(json_t *rows, struct err *err)
{
	json_t *result;

	if (!rows)
		return NULL;
	result = json_object();
	if (json_object_set_new(result, "rows", rows) < 0) {
		json_decref(result);
		return command_no_memory(err);
	}
	return result;
}

const char *
param_text(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

json_int_t
param_number(const json_t *params, const char *name, json_int_t otherwise)
{
	const json_t *value = json_object_get(params, name);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool
param_true(const json_t *params, const char *name)
{
	return json_is_true(json_object_get(params, name));
}
