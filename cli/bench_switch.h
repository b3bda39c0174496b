/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_switch: the switch that `patchbay bench` measures: a patchbayd that it starts for the time of
 * the run, or one that runs already; and what the control socket of either says.
 */
#ifndef CLI_BENCH_SWITCH_H
#define CLI_BENCH_SWITCH_H

#include <sys/types.h>

#include "bench/options.h"
#include "bench/run.h"
#include "cli/client.h"
#include "lib/unix_socket.h"

struct bench_switch {
	/* A patchbayd of our own. */
	char folder[64]; /* "" = none */
	pid_t pid;       /* 0 = none */
	char sockets[BENCH_PORTS_MAX][UNIX_SOCKET_PATH_SIZE];

	struct client client; /* fd -1 = nothing is known about the switch */
	json_t *version;      /* what daemon.version says; NULL */
};

/*
 * Starts a patchbayd with the ports that the options ask for and workers on the CPUs given, and
 * connects to it.  -ENOENT when there is no program.
 */
int bench_switch_start(struct bench_switch *s, const struct bench_options *options,
	const uint16_t *cpus, unsigned cpu_count, struct err *err);

/*
 * Finds the patchbayd that has these sockets: by its control socket when that is given, else where
 * commands find it.  A switch that is none is no error.
 */
int bench_switch_find(struct bench_switch *s, const struct bench_options *options,
	unsigned timeout_ms, struct err *err);

/* Stops what was started, removes what was made.  Idempotent. */
void bench_switch_stop(struct bench_switch *s);

/* How bench asks the switch; empty when it cannot be asked. */
void bench_switch_meter(struct bench_switch *s, struct bench_meter *meter);

#endif
