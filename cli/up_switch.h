/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * up_switch: a patchbayd that a command starts and that goes on without it.
 */
#ifndef CLI_UP_SWITCH_H
#define CLI_UP_SWITCH_H

#include <stddef.h>
#include <sys/types.h>

#include "cli/client.h"
#include "lib/err.h"

/* The program: the one given, or beside this one when installed, in its folder when just built, or in
 * $PATH.  Returns given, path or a name for execvp(). */
const char *up_switch_program(const char *given, char *path, size_t size);

/* Starts a patchbayd on the socket (NULL = this user's place) and connects to it. */
int up_switch_start(struct client *client, const char *socket, pid_t *pid, struct err *err);

/* Ends the process if it is still the patchbayd at the other end of the connection, and waits. */
void up_switch_stop(struct client *client, pid_t pid);

#endif
