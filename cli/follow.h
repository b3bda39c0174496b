/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * follow: what happens, line by line, until Ctrl-C.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/client.h"
#include "cli/command.h"

/*
 * Prints the rows of the answers to c, each once: JSON texts, or "time type text" for people.  Until
 * SIGINT or SIGTERM (returns 0) or an error of client_call().
 */
int follow_run(struct client *client, const struct command *c, struct err *err);

#endif
