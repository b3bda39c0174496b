/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/command.h"
#include "control/counters.h"
#include "lib/clock.h"

static json_t *
stats_row(const struct live_port *p)
{
	json_t *row = json_pack("{s:s}", "name", p->name), *members;
	struct port_counters c;

	datapath_port_counters(p->port, &c);
	members = counters_json(&c);
	json_object_update(row, members);
	json_decref(members);
	return row;
}

static json_t *
stats_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "port");
	const struct model *m = &state->running;
	json_t *rows, *result;

	if (name && !model_port(m, name)) {
		err_set(err, -ENOENT, "port \"%s\" does not exist: see `patchbay port show`", name);
		return NULL;
	}
	rows = json_array();
	for (unsigned i = 0; i < m->port_count; i++) {
		if (!name || strcmp(m->ports[i].name, name) == 0)
			json_array_append_new(
				rows, stats_row(live_port(state->live, m->ports[i].name)));
	}
	result = command_rows(rows, err);
	json_object_set_new(result, "time_ns", json_integer((json_int_t)clock_ns()));
	return result;
}

const struct command stats_commands[] = {
	{"stats.show", stats_show},
	{NULL},
};
