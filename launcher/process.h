/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process: a child of the supervisor: what it says on standard error is logged (but for repetitions, and
 * PROCESS_LINES_MAX at most), its last line kept, and its end is an event.  It dies with the supervisor.
 *
 * Threads: that of the event loop; the supervisor has no other.
 */
#ifndef LAUNCHER_PROCESS_H
#define LAUNCHER_PROCESS_H

#include <sys/types.h>

#include "lib/err.h"

#define PROCESS_FDS_MAX   4
#define PROCESS_LINES_MAX 4096

struct event_base;
struct process;

struct process_start {
	struct event_base *loop;
	/* In the child, which has nothing open but standard files and fds[0] as 3, fds[1] as 4, ...
	 * Its result is the exit code. */
	int (*body)(void *arg);
	/* A line that it has said; may be NULL. */
	void (*said)(void *arg, const char *line);
	/* status as of waitpid(2); the process is gone. */
	void (*ended)(void *arg, int status);
	void *arg;
	const int *fds; /* the caller's */
	unsigned fd_count;
};

int process_create(struct process **process, const struct process_start *start, struct err *err);
pid_t process_pid(const struct process *process);
/* The last line that it has said; "". */
const char *process_words(const struct process *process);
void process_kill(struct process *process);
/* Kills it and waits for its end, without a call of ended().  NULL is fine. */
void process_destroy(struct process *process);

#endif
