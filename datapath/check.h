/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: what a port asks for beyond plain switching: guards, limits, whatever looks at frames or
 * refuses them.
 *
 * One list per direction gives each check a bit and its place: bits are worked off from the lowest,
 * so the order of the rows is the order of execution.  A port that asks for nothing has no bit set,
 * and costs one test per burst.  A check sees a whole burst at once, as a mask of indexes into
 * w->burst.frames, and says which of them go on; what it refuses it counts by a name of
 * datapath/drop.h (check_drop()).
 *
 *   In:  once per visit of a receive queue, on the worker that polls it, for frames that the port's
 *        VLANs and the addresses admit.  f->vlan is known, data is as it was received.  What is
 *        refused is neither learnt nor sent.
 *   Out: once per burst and destination, on the worker of the sender, before frames are cut for a
 *        receiver without offloads.  data is in the form in which it leaves.  w->source is the port
 *        that the burst came from.  Frames that the control thread sends are not checked.
 *
 * Two workers may run the same check for one port at the same time: state that it changes is atomic
 * or the worker's own.  A check looks at private bytes only (f->data, f->head_len; datapath/frame.h).
 */
#ifndef DATAPATH_CHECK_H
#define DATAPATH_CHECK_H

#include "datapath/capture_impl.h"
#include "datapath/worker.h"

/* X(identifier, function): a new check is a row here and its function. */
#define CHECK_IN_LIST(X)     \
	X(PROBE, probe_in)   \
	X(GUARD, guard_in)   \
	X(FILTER, filter_in) \
	X(POLICE, police_in) \
	X(SNOOP, snoop_in)   \
	X(MIRROR, mirror_in)

#define CHECK_OUT_LIST(X)       \
	X(ISOLATE, isolate_out) \
	X(FILTER, filter_out)   \
	X(LEASE, lease_out)     \
	X(POLICE, police_out)   \
	X(MIRROR, mirror_out)

/* worker: which of `frames` go on; the port is the one whose bit is set. */
typedef uint64_t check_run(
	struct worker *worker, const struct snapshot_port *port, uint64_t frames);

enum {
#define X(name, run) CHECK_IN_INDEX_##name,
	CHECK_IN_LIST(X)
#undef X
		CHECK_IN_COUNT
};
enum {
#define X(name, run) CHECK_OUT_INDEX_##name,
	CHECK_OUT_LIST(X)
#undef X
		CHECK_OUT_COUNT
};

/* The bits of snapshot_port's in_checks and out_checks. */
enum {
#define X(name, run) CHECK_IN_##name = 1u << CHECK_IN_INDEX_##name,
	CHECK_IN_LIST(X)
#undef X
};
enum {
#define X(name, run) CHECK_OUT_##name = 1u << CHECK_OUT_INDEX_##name,
	CHECK_OUT_LIST(X)
#undef X
};

/* The checks that copies of a mirror are put through. */
#define CHECK_OUT_OF_COPIES (CHECK_OUT_FILTER | CHECK_OUT_POLICE)

#define X(name, run) check_run run;
CHECK_IN_LIST(X)
CHECK_OUT_LIST(X)
#undef X

/* worker: runs checks of the port on frames of w->burst; returns those that go on. */
uint64_t checks_in(struct worker *w, const struct snapshot_port *in, uint64_t frames);
uint64_t checks_out(
	struct worker *w, const struct snapshot_port *out, uint32_t checks, uint64_t frames);

/* worker: counts frames that end here. */
static inline void
check_drop(struct worker *w, const struct snapshot_port *port, uint64_t frames, enum drop drop)
{
	port->port->counters[w->id].drops[drop] += (uint64_t)__builtin_popcountll(frames);
	if (__builtin_expect(port->captures_in | port->captures_out, 0))
		capture_checked(w, port, frames, drop);
}

/* Takes the lowest index out of a mask that is not 0. */
static inline unsigned
check_next(uint64_t *frames)
{
	unsigned i = (unsigned)__builtin_ctzll(*frames);

	*frames &= *frames - 1;
	return i;
}

_Static_assert(FRAME_BURST <= 64, "a burst fits a mask");
_Static_assert(CHECK_IN_COUNT <= 32 && CHECK_OUT_COUNT <= 32, "checks fit a mask");

#endif
