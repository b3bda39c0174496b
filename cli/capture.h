/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture: `patchbay capture`: records what passes at a port or a bridge.
 */
#ifndef CLI_CAPTURE_H
#define CLI_CAPTURE_H

#include "cli/command.h"

/* Returns the exit code; fills err when that is not EXIT_OK. */
int capture_run_verb(const struct command *command, struct err *err);

#endif
