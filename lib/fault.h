/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: surviving memory that goes away.
 *
 * Memory that a peer shares is backed by its file.  When the file is truncated, or no page can be had
 * for it, the next access raises SIGBUS.  Code that touches such memory does so under a guard: the
 * access does not return, the guarded section ends with an error, and the process lives.
 *
 *	struct fault_guard guard = {.ours = ours, .arg = arg};
 *
 *	if (FAULT_CAUGHT(&guard))
 *		...	an access to guard.address failed, everything below was left
 *	...		guarded: no lock, no allocation that would be lost
 *	fault_end(&guard);
 *
 * A SIGBUS outside a guard, or at an address that the guard does not know, ends the process as usual.
 *
 * Threads: a guard belongs to its thread; guards do not nest.  fault_install() once per process.
 */
#ifndef LIB_FAULT_H
#define LIB_FAULT_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fault_guard {
	/* Is this address in memory that may go away?  Runs in a signal handler.  NULL = all are. */
	bool (*ours)(const void *address, void *arg);
	void *arg;
	const void *address; /* of the failed access */
	sigjmp_buf back;
};

int fault_install(void); /* negative errno */

extern _Thread_local struct fault_guard *volatile fault_current;

/* A macro because the function that calls sigsetjmp() must not return before the guard ends. */
#define FAULT_CAUGHT(guard) (sigsetjmp((guard)->back, 0) ? 1 : fault_begin(guard))

/* No access may be moved out of the guarded section by the compiler. */
static inline int
fault_begin(struct fault_guard *guard)
{
	fault_current = guard;
	atomic_signal_fence(memory_order_seq_cst);
	return 0;
}

static inline void
fault_end(struct fault_guard *guard)
{
	(void)guard;
	atomic_signal_fence(memory_order_seq_cst);
	fault_current = NULL;
}

#endif
