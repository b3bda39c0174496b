/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench: the verb `patchbay bench`.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli/command.h"

/* Returns the exit code; fills err when that is not EXIT_OK. */
int bench_run_verb(const struct command *command, struct err *err);

#endif
