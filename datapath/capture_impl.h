/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_impl: inside of a capture, for capture.c, the snapshot and the packet path. */
#ifndef DATAPATH_CAPTURE_IMPL_H
#define DATAPATH_CAPTURE_IMPL_H

#include "datapath/bpf_jit.h"
#include "datapath/capture.h"
#include "datapath/worker.h"

struct capture {
	/* What the workers need; constant while one may see it. */
	struct bpf_jit jit; /* bpf == NULL: every frame */
	bool drops_only;
	uint32_t snaplen;
	struct capture_lane *lanes; /* [workers] */

	/* The control thread's. */
	unsigned directions;
	uint32_t generation; /* of the port; 0 = a bridge's */
	int bridge;          /* -1 = none: it is gone */
	struct capture_area *area;
	const struct capture_progress *progress;
	size_t area_size;
	int records_fd, progress_fd;
};

struct topology;
struct port_slot;

/* control thread: which captures the port is part of. */
void capture_describe(
	struct snapshot_port *p, const struct port_slot *slot, const struct topology *topology);
/* control thread: captures of that port (or, with NULL, bridge) get nothing any more, and say so. */
void capture_forget(struct topology *topology, const struct port_slot *port, unsigned bridge);

/* ---- worker ---- */

/* Before and after the burst that `in` brought is decided about. */
void capture_begin(struct worker *w);
void capture_received(struct worker *w, const struct snapshot_port *in);
/* One frame of it, about which nothing else is decided: with a reason, or CAPTURE_DELIVERED. */
void capture_one(struct worker *w, const struct snapshot_port *in, unsigned i, unsigned fate);
/* Sends like port_ops.tx. */
void capture_tx(struct worker *w, const struct snapshot_port *out, unsigned queue,
	const struct frame *frames, const uint8_t *list, unsigned count,
	struct port_counters *counters);
/* Frames that do not reach the port that they were meant for; or went, with CAPTURE_DELIVERED. */
void capture_sent(struct worker *w, const struct snapshot_port *out, const struct frame *frames,
	const uint8_t *list, unsigned count, unsigned fate);

/* Frames of the burst that a check of a port that is captured refuses. */
void capture_checked(
	struct worker *w, const struct snapshot_port *port, uint64_t frames, enum drop drop);

/* Received frames, neighbours in the burst, are dropped and have been counted. */
static inline void
capture_refuse(struct worker *w, unsigned first, unsigned count, enum drop drop)
{
	if (__builtin_expect(w->source->captures_in, 0))
		memset(w->fates + first, drop, count);
}

/* A sent frame is dropped and has been counted. */
static inline void
capture_drop(struct worker *w, const struct snapshot_port *out, const struct frame *frame,
	enum drop drop)
{
	static const uint8_t first[1] = {0};

	if (__builtin_expect(out->captures_out, 0))
		capture_sent(w, out, frame, first, 1, drop);
}

#endif
