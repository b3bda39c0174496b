/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stall: rings that have work and do not move, and why.
 *
 * Looked at from outside, now and then: what the ring has done (a count) and what there is to do.
 * Work that was there for STALL_NS while the count stood still is a stall; it ends when the count moves
 * or the work is gone.  The packet path knows nothing of it.
 *
 * Threads: none shared.
 */
#ifndef VHOST_STALL_H
#define VHOST_STALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STALL_NS UINT64_C(900000000) /* a second, looked at once a second */

enum stall_reason {
	STALL_NONE,          /* there is no work */
	STALL_NO_BUFFERS,    /* frames were dropped, the guest gives no receive buffers */
	STALL_SMALL_BUFFERS, /* frames were dropped, its buffers hold none of them */
	STALL_BROKEN,        /* the ring cannot be followed */
	STALL_STOPPED,       /* frames of the guest wait, the front end does not let the ring run */
	STALL_NO_KICK,       /* they wait, the worker sleeps: the guest has not kicked */
	STALL_WORKER,        /* they wait, the worker does nothing at all */
	STALL_NOT_TAKEN,     /* they wait, the worker does other things */
};

/* What is seen of a ring at one moment. */
struct stall_sample {
	enum stall_reason reason; /* why its work would stand still */
	uint64_t done;            /* chains it has completed; less than before: another ring */
};

/* What is remembered of a ring; the zero value is a ring not yet seen. */
struct stall {
	enum stall_reason reason;
	uint64_t done, since_ns;
	bool stalled;
};

enum stall_change { STALL_SAME, STALL_BEGINS, STALL_ENDS };

/* Takes a sample of clock_ns() `now`. */
enum stall_change stall_note(struct stall *stall, const struct stall_sample *sample, uint64_t now);

/* A clause such as "the guest gives no buffers". */
const char *stall_text(enum stall_reason reason);

#endif
