/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * confine: takes from the process, for good, what it does not need any more (lib/needs.h).
 *
 * - Capabilities: the calling thread keeps those that are needed and that it has, all others keep
 *   none.  Inheritable and ambient ones go.
 * - No new privileges (prctl(2)): nothing that is executed has more rights.
 * - System calls (seccomp(2)), for all threads: what no table lists fails with EPERM, or with ENOSYS
 *   when it is younger than this program, so that libraries fall back on what they did before.  It
 *   is counted, confine_refused() says which.  A call that only somebody else's code in this process
 *   would make (execve, ptrace, mount, loading kernel modules and the like) ends the process with
 *   SIGSYS.  Memory is never writable and executable at once.
 *
 * Why not an end for every unlisted call: a library's new habit would cost every guest its network,
 * and a call that fails gives nobody anything.
 *
 * Threads: one, once; other threads must not be starting or ending meanwhile, nor block SIGSYS.
 */
#ifndef LIB_CONFINE_H
#define LIB_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/needs.h"

/* 0 or negative errno; on failure some of it may have been done: the caller ends the process. */
int confine(const struct needs *const *needs, size_t count, struct err *err);

struct confine_refusal {
	int number;
	unsigned times;
	uint64_t argument; /* the second one, of the last time: what an ioctl(2) asks for */
};

/* A call that was refused since the last time it was told; false: none.  Any thread; wait-free. */
bool confine_refused(struct confine_refusal *refusal);
/* "ptrace"; "?" for a number that the library does not know.  Not for signal handlers. */
void confine_call_name(int number, char *text, size_t size);

/* What every process needs. */
extern const struct needs process_needs;

#endif
