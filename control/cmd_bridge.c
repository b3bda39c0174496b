/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/command.h"

static int
no_bridge(const char *name, struct err *err)
{
	return err_set(err, -ENOENT,
		"bridge \"%s\" does not exist: see `patchbay bridge show`, or add it with `patchbay bridge "
		"add %s`",
		name, name);
}

static int
bridge_add(struct model *wanted, const json_t *params, struct err *err)
{
	struct bridge_config config;
	int rc;

	schema_defaults(&noun_bridge, &config);
	rc = schema_load(&noun_bridge, &config, params, false, err);
	if (rc == 0 && model_bridge(wanted, config.name))
		rc = err_set(err, -EEXIST, "bridge \"%s\" exists already", config.name);
	return rc < 0 ? rc : model_add_bridge(wanted, &config, err);
}

static int
bridge_set(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	struct bridge_config *config = model_bridge(wanted, name);

	if (!config)
		return no_bridge(name, err);
	return schema_load(&noun_bridge, config, params, true, err);
}

static int
bridge_del(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct bridge_config *config = model_bridge(wanted, name);
	unsigned ports = 0;
	const char *first = NULL;

	if (!config)
		return no_bridge(name, err);
	for (unsigned i = 0; i < wanted->port_count; i++) {
		if (strcmp(wanted->ports[i].bridge, name) == 0 && ports++ == 0)
			first = wanted->ports[i].name;
	}
	if (ports)
		return err_set(err, -EBUSY,
			"bridge \"%s\" has %u port%s (%s%s): delete them with `patchbay port del`, or move "
			"them with `patchbay port set %s bridge=...`",
			name, ports, ports > 1 ? "s" : "", first, ports > 1 ? ", ..." : "", first);
	for (unsigned i = 0; i < wanted->mirror_count; i++) {
		if (strcmp(wanted->mirrors[i].bridge, name) == 0)
			return err_set(err, -EBUSY,
				"bridge \"%s\" has mirror \"%s\": delete it with `patchbay mirror del %s`",
				name, wanted->mirrors[i].name, wanted->mirrors[i].name);
	}
	model_del_bridge(wanted, config);
	return 0;
}

static int
add_counts(json_t *row, struct live *live, const char *name)
{
	const struct live_bridge *b = live_bridge(live, name);
	struct fdb_counts counts;
	json_t *members;

	fdb_get_counts(datapath_bridge_fdb(b->bridge), &counts);
	members = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "entries",
		(json_int_t)counts.entries, "static_entries", (json_int_t)counts.statics, "learnt",
		(json_int_t)counts.learnt, "moved", (json_int_t)counts.moved, "aged",
		(json_int_t)counts.aged, "evicted", (json_int_t)counts.evicted, "refused",
		(json_int_t)counts.refused);
	return json_object_update_new(row, members);
}

static json_t *
bridge_row(struct state *state, const struct bridge_config *config)
{
	json_t *row = schema_store(&noun_bridge, config, true, true), *names = json_array();
	const struct model *m = &state->running;

	for (unsigned i = 0; i < m->port_count; i++) {
		if (strcmp(m->ports[i].bridge, config->name) == 0)
			json_array_append_new(names, json_string(m->ports[i].name));
	}
	json_object_set_new(row, "ports", json_integer((json_int_t)json_array_size(names)));
	json_object_set_new(row, "port_names", names);
	add_counts(row, state->live, config->name);
	return row;
}

static json_t *
bridge_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct model *m = &state->running;
	json_t *rows;

	if (name && !model_bridge(m, name)) {
		no_bridge(name, err);
		return NULL;
	}
	rows = json_array();
	for (unsigned i = 0; i < m->bridge_count; i++) {
		if (!name || strcmp(m->bridges[i].name, name) == 0)
			json_array_append_new(rows, bridge_row(state, &m->bridges[i]));
	}
	return command_rows(rows, err);
}

const struct command bridge_commands[] = {
	{"bridge.add", .edit = bridge_add},
	{"bridge.set", .edit = bridge_set},
	{"bridge.del", .edit = bridge_del},
	{"bridge.show", bridge_show},
	{NULL},
};
