/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_text: captured frames as text on standard output, a line each: time, port, direction, what the
 * frame is, why it was dropped.  What it is says tcpdump where it is installed, which is given the
 * frames through a pipe and whose lines come back through another one; else a line of our own.
 */
#ifndef CLI_CAPTURE_TEXT_H
#define CLI_CAPTURE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/capture_frame.h"
#include "lib/err.h"

#define CAPTURE_TEXT_WAITING 1024 /* frames that tcpdump has been given and not described yet */

/* What stands around tcpdump's line. */
struct capture_words {
	char *before, *behind;
};

struct capture_text {
	pid_t child;  /* tcpdump; 0 = none */
	int to, from; /* -1 = closed */
	/* Frames in the order given: numbers told..given are waited for. */
	uint64_t given, told;
	struct capture_words words[CAPTURE_TEXT_WAITING];
	char *out; /* not yet taken by tcpdump: out[out_done..out_used) */
	size_t out_done, out_used, out_size;
	char *line; /* of tcpdump, not yet whole */
	size_t line_used, line_size;
};

int capture_text_open(struct capture_text *text, struct err *err);
/* Is there room for another frame? */
bool capture_text_takes(const struct capture_text *text);
int capture_text_add(struct capture_text *text, const struct capture_frame *frame, struct err *err);
/* Moves what can be moved without waiting. */
int capture_text_turn(struct capture_text *text, struct err *err);
/* Descriptors and events to wait for before the next turn; returns how many, at most 2. */
struct pollfd;
unsigned capture_text_poll(const struct capture_text *text, struct pollfd *fds);
/* Waits, for a while, until tcpdump has said all. */
int capture_text_finish(struct capture_text *text, struct err *err);
/* Idempotent; a zeroed structure is fine. */
void capture_text_close(struct capture_text *text);

#endif
