/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach: joins the user's terminal with the console of a virtual machine, until one of them is done.
 *
 * Threads: one; blocks.
 */
#ifndef LAUNCHER_ATTACH_H
#define LAUNCHER_ATTACH_H

#include <stdbool.h>

#include <jansson.h>

#include "launcher/terminal.h"

enum attach_end {
	ATTACH_CONSOLE_CLOSED, /* and there is no line */
	ATTACH_LEFT,           /* by the escape key */
	ATTACH_DONE,           /* message() said so */
	ATTACH_LINE_CLOSED,
	ATTACH_FAILED, /* errno is set */
};

struct attach {
	int console;     /* stream socket, -1 = none */
	int line;        /* JSON lines from the supervisor, -1 = none; the caller's both */
	int signals;     /* of terminal_catch_signals() */
	bool use_input;  /* standard input is the keyboard */
	bool use_escape; /* and a terminal: the escape key is one */
	/* A message on the line; true = done. */
	bool (*message)(void *arg, const json_t *message);
	/* ESCAPE_STOP, ESCAPE_KILL. */
	void (*action)(void *arg, enum escape_action action);
	/* A signal; true = leave. */
	bool (*signal)(void *arg, int number);
	void *arg;
};

enum attach_end attach_run(struct attach *attach);

#endif
