/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/command.h"
#include "control/events.h"

static json_t *
events_show(struct state *state, const json_t *params, struct err *err)
{
	struct event_query query = {
		.since = (uint64_t)param_number(params, "since", 0),
		.most = (unsigned)param_number(params, "limit", 0),
		.type = param_text(params, "type"),
		.port = param_text(params, "port"),
		.bridge = param_text(params, "bridge"),
	};
	json_t *result = events_list(&query);

	(void)state;
	return result ? result : command_no_memory(err);
}

const struct command events_commands[] = {
	{"events.show", events_show},
	{NULL},
};
