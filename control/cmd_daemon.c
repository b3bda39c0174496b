/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_version.h>

#include "control/command.h"
#include "control/giver.h"
#include "datapath/env.h"
#include "lib/clock.h"

static json_t *
daemon_ping(struct state *state, const json_t *params, struct err *err)
{
	(void)state;
	(void)params;
	return command_done(0, err);
}

/* "22.11.5" of "DPDK 22.11.5". */
static const char *
dpdk_version(void)
{
	const char *text = rte_version(), *space = strrchr(text, ' ');

	return space ? space + 1 : text;
}

static json_t *
daemon_version(struct state *state, const json_t *params, struct err *err)
{
	json_int_t uptime = (json_int_t)((clock_ns() - state->started_ns) / UINT64_C(1000000000));
	json_t *row = json_pack("{s:s, s:i, s:i, s:I, s:b, s:s}", "version", PATCHBAY_VERSION,
		"api", API_VERSION, "pid", (int)getpid(), "uptime", uptime, "hugepages",
		(int)env_hugepages(), "dpdk", dpdk_version());

	(void)params;
	return row ? row : command_no_memory(err);
}

static json_t *
daemon_schema(struct state *state, const json_t *params, struct err *err)
{
	json_t *schema = schema_describe();

	(void)state;
	(void)params;
	return schema ? schema : command_no_memory(err);
}

static json_t *
daemon_takeover(struct state *state, const json_t *params, struct err *err)
{
	char name[TAKEOVER_NAME_SIZE];

	(void)params;
	if (!state->giver) {
		err_set(err, -EAGAIN, "the daemon is still starting: try again");
		return NULL;
	}
	if (giver_offer(state->giver, name, err) < 0)
		return NULL;
	return json_pack("{s:s}", "name", name);
}

static json_t *
daemon_restart(struct state *state, const json_t *params, struct err *err)
{
	int pid;

	(void)params;
	if (!state->giver) {
		err_set(err, -EAGAIN, "the daemon is still starting: try again");
		return NULL;
	}
	pid = giver_restart(state->giver, err);
	return pid < 0 ? NULL : json_pack("{s:i}", "pid", pid);
}

const struct command daemon_commands[] = {
	{"daemon.ping", daemon_ping},
	{"daemon.version", daemon_version},
	{"daemon.schema", daemon_schema},
	{"daemon.takeover", daemon_takeover},
	{"daemon.restart", daemon_restart},
	{NULL},
};
