/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * complete: what can stand at the end of a half-typed command.
 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include <stdio.h>

/*
 * words[0..count) are what was typed behind "patchbay", the last of them (which may be "") is to be
 * completed.  Prints one whole word per line, or ":files" where a file's name belongs.  Names of
 * objects are asked from the daemon, briefly; none are offered when it does not answer.
 */
void complete_print(char **words, int count, FILE *file);

/* The script for bash that asks `patchbay __complete`. */
void complete_print_bash(FILE *file);

#endif
