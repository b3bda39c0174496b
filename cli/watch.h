/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch: a question asked again and again, its answers redrawn.
 */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/client.h"
#include "cli/command.h"

/* Until SIGINT or SIGTERM (returns 0) or an error of client_call(). */
int watch_run(struct client *client, const struct command *command, struct err *err);

#endif
