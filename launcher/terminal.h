/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * terminal: the user's terminal as the console of a virtual machine: raw, so that every key reaches the
 * guest, but for the escape key Ctrl-] and the one behind it; and as it was before, whatever happens.
 *
 * Threads: one; one terminal per process.
 */
#ifndef LAUNCHER_TERMINAL_H
#define LAUNCHER_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESCAPE_KEY 0x1d /* Ctrl-] */

enum escape_action {
	ESCAPE_NONE,  /* the key is kept back */
	ESCAPE_PASS,  /* `out` holds what the guest gets */
	ESCAPE_LEAVE, /* d */
	ESCAPE_STOP,  /* p */
	ESCAPE_KILL,  /* k */
	ESCAPE_HELP,  /* ? or h */
};

struct escape {
	bool armed; /* Ctrl-] was typed */
};

struct escape_output {
	uint8_t bytes[2];
	size_t count;
};

/* One key.  Ctrl-] twice is one Ctrl-] for the guest; before a key that means nothing it reaches the
 * guest together with that key. */
enum escape_action escape_take(struct escape *escape, uint8_t key, struct escape_output *out);

#define ESCAPE_HELP_TEXT \
	"Ctrl-] d leaves the console, p presses the power button, k kills, Ctrl-] sends Ctrl-]"

/* Makes standard input raw, if it is a terminal that this process may change.  False: it is not. */
bool terminal_raw(void);
/* Undoes that.  Any number of times. */
void terminal_restore(void);

/* SIGINT, SIGTERM, SIGHUP and SIGQUIT make the descriptor readable from now on; it stays open, and is
 * the same for each call.  -errno. */
int terminal_catch_signals(void);
/* The signals that came since, at most one of each kind per call; 0 = none. */
int terminal_signal(void);

#endif
