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

#include <stddef.h>

#include "lib/err.h"
#include "lib/needs.h"

/* 0 or negative errno; on failure some of it may have been done: the caller ends the process. */
int confine(const struct needs *const *needs, size_t count, struct err *err);

/*
 * Which call was refused since the last time: its number (*times of it), or -1 when there was none.
 * Any thread; wait-free.
 */
int confine_refused(unsigned *times);
/* "ptrace"; "?" for a number that the library does not know.  Not for signal handlers. */
void confine_call_name(int number, char *text, size_t size);

/* What every process needs. */
extern const struct needs process_needs;

#endif
