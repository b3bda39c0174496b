/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>

#include "control/command.h"
#include "control/snooping.h"
#include "lib/clock.h"

static json_t *
member_row(const struct live_bridge *b, const char *port, const struct mcast_member *member)
{
	uint64_t now = clock_ns();
	char group[INET6_ADDRSTRLEN] = "";
	json_t *row;

	if (mcast_is_v4(&member->group))
		inet_ntop(AF_INET, member->group.b + 12, group, sizeof(group));
	else if (!mcast_is_router(member))
		inet_ntop(AF_INET6, member->group.b, group, sizeof(group));
	row = json_pack("{s:s, s:i, s:s, s:s}", "bridge", b->name, "vlan", (int)member->vlan,
		"port", port, "type", mcast_is_router(member) ? "router" : "member");
	if (group[0])
		json_object_set_new(row, "group", json_string(group));
	if (member->expires != UINT64_MAX)
		json_object_set_new(row, "expires",
			json_integer(member->expires > now
					     ? (json_int_t)((member->expires - now) / 1000000000)
					     : 0));
	return row;
}

static json_t *
mdb_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "bridge");
	json_t *rows;

	if (name && !live_bridge(state->live, name)) {
		err_set(err, -ENOENT, "bridge \"%s\" does not exist: see `patchbay bridge show`",
			name);
		return NULL;
	}
	rows = json_array();
	for (unsigned i = 0; i < BRIDGE_MAX; i++) {
		const struct live_bridge *b = &state->live->bridges[i];
		const struct mcast *m = snooping_bridge(i);

		if (!m || !b->name[0] || (name && b != live_bridge(state->live, name)))
			continue;
		for (unsigned p = 0; p < PORT_MAX; p++)
			for (unsigned k = 0; k < m->ports[p].count; k++)
				json_array_append_new(
					rows, member_row(b, state->live->ports[p].name,
						      &m->ports[p].members[k]));
	}
	return command_rows(rows, err);
}

const struct command mdb_commands[] = {
	{"mdb.show", mdb_show},
	{NULL},
};
