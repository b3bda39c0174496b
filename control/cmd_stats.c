/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/command.h"
#include "datapath/drop.h"
#include "lib/clock.h"

static json_t *
drop_members(const struct port_counters *counters)
{
	json_t *drops = json_object();

	for (unsigned d = 0; d < DROP_COUNT; d++) {
		if (counters->drops[d])
			json_object_set_new(drops, drop_name((enum drop)d),
				json_integer((json_int_t)counters->drops[d]));
	}
	return drops;
}

static json_t *
stats_row(const struct live_port *p)
{
	struct port_counters c;
	json_t *row;

	datapath_port_counters(p->port, &c);
	row = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", p->name,
		"rx_packets", (json_int_t)c.rx_packets, "rx_bytes", (json_int_t)c.rx_bytes,
		"tx_packets", (json_int_t)c.tx_packets, "tx_bytes", (json_int_t)c.tx_bytes,
		"rx_forwarded", (json_int_t)c.rx_forwarded, "rx_flooded", (json_int_t)c.rx_flooded,
		"rx_copies", (json_int_t)c.rx_copies, "tx_segmented", (json_int_t)c.tx_segmented,
		"tx_csum", (json_int_t)c.tx_csum);
	json_object_set_new(row, "drops", drop_members(&c));
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
