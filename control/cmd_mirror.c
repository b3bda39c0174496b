/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/command.h"
#include "control/live_mirror.h"
#include "lib/clock.h"

static int
no_mirror(const char *name, struct err *err)
{
	return err_set(
		err, -ENOENT, "mirror \"%s\" does not exist: see `patchbay mirror show`", name);
}

/* A name that no port has is a slip of the finger here, elsewhere a port that is yet to come. */
static int
check_ports(const struct model *model, const struct mirror_config *config, struct err *err)
{
	const char *missing = NULL;

	if (config->to[0] && !model_port(model, config->to))
		missing = config->to;
	for (unsigned i = 0; i < config->from.count; i++)
		if (!model_port(model, config->from.names[i]))
			missing = config->from.names[i];
	if (!missing)
		return 0;
	return err_set(err, -ENOENT,
		"mirror \"%s\": port \"%s\" does not exist: see `patchbay port show`", config->name,
		missing);
}

static int
mirror_add(struct model *wanted, const json_t *params, struct err *err)
{
	struct mirror_config config;
	int rc;

	schema_defaults(&noun_mirror, &config);
	rc = schema_load(&noun_mirror, &config, params, false, err);
	if (rc == 0)
		rc = check_ports(wanted, &config, err);
	return rc < 0 ? rc : model_add_mirror(wanted, &config, err);
}

static int
mirror_set(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	struct mirror_config *config = model_mirror(wanted, name);
	int rc;

	if (!config)
		return no_mirror(name, err);
	rc = schema_load(&noun_mirror, config, params, true, err);
	/* Those that are away may stay so; what is named in this breath must be there. */
	if (rc == 0 && (json_object_get(params, "from") || json_object_get(params, "to")))
		rc = check_ports(wanted, config, err);
	return rc;
}

static int
mirror_del(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct mirror_config *config = model_mirror(wanted, name);

	if (!config)
		return no_mirror(name, err);
	model_del_mirror(wanted, config);
	return 0;
}

/* ---- show ---- */

static void
add_missing(json_t *row, const struct model *model, const struct mirror_config *config)
{
	char text[(NAME_LIST_MAX + 1) * CONFIG_NAME_SIZE] = "";
	size_t used = 0;

	if (!model_port(model, config->to))
		used = (size_t)snprintf(text, sizeof(text), "%s", config->to);
	for (unsigned i = 0; i < config->from.count; i++)
		if (!model_port(model, config->from.names[i]))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
				used ? "," : "", config->from.names[i]);
	if (used)
		json_object_set_new(row, "missing", json_string(text));
}

static json_t *
mirror_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct model *model = &state->running;
	json_t *rows, *result;

	if (name && !model_mirror(model, name)) {
		no_mirror(name, err);
		return NULL;
	}
	rows = json_array();
	for (unsigned i = 0; i < model->mirror_count; i++) {
		const struct mirror_config *config = &model->mirrors[i];
		struct mirror_counters counters;
		json_t *row;

		if (name && strcmp(name, config->name) != 0)
			continue;
		datapath_mirror_counters(
			(unsigned)live_mirror(state->live, config->name), &counters);
		row = schema_store(&noun_mirror, config, true, true);
		json_object_update_new(
			row, json_pack("{s:I, s:I, s:I}", "frames", (json_int_t)counters.frames,
				     "bytes", (json_int_t)counters.bytes, "dropped",
				     (json_int_t)counters.dropped));
		add_missing(row, model, config);
		json_array_append_new(rows, row);
	}
	result = command_rows(rows, err);
	json_object_set_new(result, "time_ns", json_integer((json_int_t)clock_ns()));
	return result;
}

const struct command mirror_commands[] = {
	{"mirror.add", .edit = mirror_add},
	{"mirror.set", .edit = mirror_set},
	{"mirror.del", .edit = mirror_del},
	{"mirror.show", mirror_show},
	{NULL},
};
