/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: indexes and flags are read from guest memory, which may be anything and may be gone:
 * nothing follows from them but a sentence, and a wake-up a second.
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "datapath/datapath.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "vhost/backend_state.h"
#include "vhost/vhost_port.h"

/* Has the port dropped frames for this reason since it was last asked? */
static bool
grew(uint64_t *seen, uint64_t now)
{
	bool more = now > *seen;

	*seen = now;
	return more;
}

/* Why entries wait that the worker of a ring has not taken. */
static enum stall_reason
blame(struct vhost_port *vp, unsigned index)
{
	struct worker_stats stats;
	uint64_t cycles;
	bool moves;

	datapath_worker_stats(datapath_queue_worker(&vp->rings.port, index / 2), &stats);
	cycles = stats.busy_cycles + stats.idle_cycles;
	moves = cycles != vp->watch_ring[index].cycles;
	vp->watch_ring[index].cycles = cycles;
	/* One that was woken a second ago and sleeps still has not come to run. */
	if (stats.sleeping && (moves || !vp->watch_ring[index].woken))
		return STALL_NO_KICK;
	return moves ? STALL_NOT_TAKEN : STALL_WORKER;
}

/* A ring of a guest that sends, which does not run although its driver has set it up. */
static bool
waits_stopped(const struct backend *b, unsigned index)
{
	const struct backend_ring *ring = &b->ring[index];
	struct vring_setup setup = {
		.features = b->features, .next = ring->next, .next_wrap = ring->next_wrap};
	struct err err;

	if (!b->features_set || !ring->addressed || !backend_ring_size_ok(b, ring->size) ||
		b->held >> index & 1 || !b->memory ||
		backend_ring_translate(b, index, &ring->addr, ring->size, &setup, &err))
		return false;
	if (!backend_packed(b))
		setup.next = __atomic_load_n(
			&((const struct virtq_used *)setup.used)->idx, __ATOMIC_ACQUIRE);
	else if (!ring->exact || ring->next >= ring->size)
		return false;
	return vring_setup_has_entries(&setup);
}

static struct stall_sample
sample_running(
	struct vhost_port *vp, unsigned index, const struct vring *vr, bool dropped, bool too_small)
{
	const struct stall *before = &vp->watch_ring[index].stall;
	struct vring_counters counters;
	struct stall_sample s = {0};
	bool entries;

	vring_counters(vr, &counters);
	s.done = counters.chains;
	if (vring_broken(vr)) {
		s.reason = STALL_BROKEN;
		return s;
	}
	entries = vring_has_entries(vr);
	if (index % 2) {
		if (entries)
			s.reason = blame(vp, index);
		return s;
	}
	/* What began with a drop lasts as long as the guest does nothing about it. */
	if (!entries && (dropped || before->reason == STALL_NO_BUFFERS))
		s.reason = STALL_NO_BUFFERS;
	else if (entries && (too_small || before->reason == STALL_SMALL_BUFFERS))
		s.reason = STALL_SMALL_BUFFERS;
	return s;
}

bool
vhost_port_stall(const struct port *port, unsigned ring, struct vhost_stall *stall)
{
	const struct vhost_port *vp = (const struct vhost_port *)port;
	const struct stall *s = &vp->watch_ring[ring].stall;
	const struct vring *vr = vp->backend.ring[ring].vring;

	if (!s->stalled)
		return false;
	stall->ring = ring;
	snprintf(stall->text, sizeof(stall->text), "ring %u, on which the guest %s: %s", ring,
		ring % 2 ? "sends" : "receives",
		s->reason == STALL_BROKEN && vr && vring_broken(vr)
			? vring_broken_text(vring_broken(vr))
			: stall_text(s->reason));
	return true;
}

static void
note(struct vhost_port *vp, unsigned index, const struct stall_sample *sample, vhost_stall_cb tell,
	void *arg)
{
	struct port *port = &vp->rings.port;
	const struct backend_ring *ring = &vp->backend.ring[index];
	struct vhost_stall stall = {.ring = index};

	switch (stall_note(&vp->watch_ring[index].stall, sample, clock_ns())) {
	case STALL_BEGINS:
		vhost_port_stall(port, index, &stall);
		tell(port, &stall, true, arg);
		break;
	case STALL_ENDS:
		snprintf(stall.text, sizeof(stall.text), "ring %u %s", index,
			sample->reason || ring->vring ? "moves again" : "was stopped");
		tell(port, &stall, false, arg);
		break;
	case STALL_SAME:
		break;
	}
	/* Whoever missed the guest's kick gets another one. */
	vp->watch_ring[index].woken =
		vp->watch_ring[index].stall.stalled && ring->kick_fd >= 0 && !ring->polled;
	if (vp->watch_ring[index].woken)
		eventfd_write(ring->kick_fd, 1);
}

void
vhost_port_check(struct port *port, vhost_stall_cb tell, void *arg)
{
	struct vhost_port *vp = (struct vhost_port *)port;
	const struct backend *b = &vp->backend;
	struct stall_sample samples[VHOST_RINGS_MAX] = {0};
	struct fault_guard guard = {0};
	struct port_counters counters;
	bool dropped, too_small;

	datapath_port_counters(port, &counters);
	dropped = grew(&vp->no_buffer, counters.drops[DROP_NO_BUFFER]);
	too_small = grew(&vp->too_small, counters.drops[DROP_BUFFER_TOO_SMALL]);
	/* Memory that is gone fails the connection elsewhere. */
	if (FAULT_CAUGHT(&guard))
		return;
	for (unsigned i = 0; i < 2 * b->options.queues; i++) {
		if (b->ring[i].vring)
			samples[i] = sample_running(vp, i, b->ring[i].vring, dropped, too_small);
		else if (i % 2 && waits_stopped(b, i))
			samples[i].reason = STALL_STOPPED;
	}
	fault_end(&guard);
	for (unsigned i = 0; i < 2 * b->options.queues; i++)
		note(vp, i, &samples[i], tell, arg);
}
