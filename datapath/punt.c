/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/classify.h"
#include "datapath/pull.h"
#include "datapath/punt.h"
#include "datapath/topology.h"
#include "datapath/worker.h"

struct punt_ring {
	/* The worker's. */
	_Atomic uint32_t head __attribute__((aligned(64))); /* slots filled so far */
	uint64_t period_end;                                /* TSC */
	uint32_t used[PUNT_COUNT];                          /* of all ports in this period */
	_Atomic uint64_t lost[PUNT_COUNT];
	struct {
		uint64_t period_end;
		uint32_t generation;
		uint16_t used[PUNT_COUNT];
	} ports[PORT_MAX];
	/* The control thread's. */
	_Atomic uint32_t tail __attribute__((aligned(64))); /* slots emptied so far */
	struct punted slots[PUNT_SLOTS];
};

static const uint16_t most[PUNT_COUNT] = {
#define X(name, most, text) most,
	PUNT_LIST(X)
#undef X
};

static struct {
	punt_listener call;
	void *arg;
} listeners[PUNT_COUNT];

void
punt_listen(enum punt_reason reason, punt_listener listener, void *arg)
{
	listeners[reason].call = listener;
	listeners[reason].arg = arg;
}

int
punt_ring_create(struct punt_ring **out)
{
	struct punt_ring *ring = aligned_alloc(64, RTE_ALIGN(sizeof(*ring), 64));

	if (!ring)
		return -ENOMEM;
	/* The slots stay untouched, and without memory, until they are used. */
	memset(ring, 0, offsetof(struct punt_ring, slots));
	*out = ring;
	return 0;
}

void
punt_ring_destroy(struct punt_ring *ring)
{
	free(ring);
}

/* Is one more within what the port and all ports may punt? */
static bool
admits(struct punt_ring *ring, const struct worker *w, enum punt_reason reason,
	const struct snapshot_port *in)
{
	uint64_t period = w->tsc_hz / 1000 * PUNT_PERIOD_MS;
	unsigned p = in->port->index;

	if (w->tsc >= ring->period_end) {
		ring->period_end = w->tsc + period;
		memset(ring->used, 0, sizeof(ring->used));
	}
	if (w->tsc >= ring->ports[p].period_end || ring->ports[p].generation != in->generation) {
		ring->ports[p].period_end = w->tsc + period;
		ring->ports[p].generation = in->generation;
		memset(ring->ports[p].used, 0, sizeof(ring->ports[p].used));
	}
	if (ring->ports[p].used[reason] >= most[reason] ||
		ring->used[reason] >= (uint32_t)most[reason] * PUNT_WORKER_FACTOR)
		return false;
	ring->ports[p].used[reason]++;
	ring->used[reason]++;
	return true;
}

static void
fill(struct punted *slot, const struct frame *f, const uint8_t *bytes, unsigned stored)
{
	unsigned tag = f->tagged ? VLAN_TAG : 0;

	memcpy(slot->bytes, bytes, 2 * MAC_LEN);
	memcpy(slot->bytes + 2 * MAC_LEN, bytes + 2 * MAC_LEN + tag, stored - tag - 2 * MAC_LEN);
	slot->stored = (uint16_t)(stored - tag);
	slot->len = f->len - tag;
	slot->vlan = f->vlan;
}

bool
punt(struct worker *w, enum punt_reason reason, const struct snapshot_port *in, struct frame *f,
	unsigned wanted)
{
	struct punt_ring *ring = w->punt;
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	struct punted *slot = &ring->slots[head % PUNT_SLOTS];
	const uint8_t *bytes = NULL;

	if (wanted > PUNT_BYTES)
		wanted = PUNT_BYTES;
	if (wanted > f->len)
		wanted = f->len;
	if (head - tail < PUNT_SLOTS && admits(ring, w, reason, in))
		bytes = pull(w->pull, &w->burst, f, wanted);
	if (!bytes) {
		atomic_fetch_add_explicit(&ring->lost[reason], 1, memory_order_relaxed);
		return false;
	}
	fill(slot, f, bytes, wanted);
	slot->generation = in->generation;
	slot->port = in->port->index;
	slot->reason = (uint16_t)reason;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	w->events_pending = true;
	return true;
}

bool
punt_dispatch(struct punt_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	for (; tail != head; tail++) {
		const struct punted *slot = &ring->slots[tail % PUNT_SLOTS];
		struct port *port = topology_port_of(slot->port, slot->generation);

		if (port && listeners[slot->reason].call)
			listeners[slot->reason].call(listeners[slot->reason].arg, port, slot);
		atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	}
	return atomic_load_explicit(&ring->head, memory_order_acquire) != head;
}

uint64_t
punt_ring_lost(const struct punt_ring *ring, enum punt_reason reason)
{
	return atomic_load_explicit(&ring->lost[reason], memory_order_relaxed);
}
