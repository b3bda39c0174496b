/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stopping and starting rings: the only place where the workers gain or lose a ring.
 *
 * Threat model: see vhost/backend.h.  Addresses are translated anew at every start, so that a ring
 * never outlives the table it was checked against.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "datapath/datapath.h"
#include "lib/fd.h"
#include "vhost/backend_state.h"

uint32_t
backend_rings_running(const struct backend *b)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		if (b->ring[i].vring)
			mask |= UINT32_C(1) << i;
	return mask;
}

/* The port can be sent to as far as its pairs run without a gap. */
static void
port_update(struct backend *b)
{
	struct port *port = &b->rings->port;

	atomic_store_explicit(&port->accepts, vhost_accepts(b->features), memory_order_relaxed);
	atomic_store_explicit(&port->tx_queues, backend_pairs_running(b), memory_order_release);
}

static void
release_vring(void *vring)
{
	vring_destroy(vring);
}

/* in_use: a worker is stuck, perhaps inside, so that nobody knows where the ring stands. */
static void
ring_retire(struct backend *b, struct backend_ring *ring, bool in_use)
{
	struct vring_counters c;

	vring_counters(ring->vring, &c);
	b->calls += c.calls;
	if (!in_use)
		ring->next = vring_next(ring->vring, &ring->next_wrap);
	ring->exact = !in_use;
	datapath_release(release_vring, ring->vring);
	ring->vring = NULL;
}

void
backend_rings_stop(struct backend *b, uint32_t mask)
{
	struct vring *stopped[VHOST_RINGS_MAX];
	bool in_use;

	mask &= backend_rings_running(b);
	if (!mask)
		return;
	for (unsigned i = 1; i < VHOST_RINGS_MAX; i += 2)
		if (mask >> i & 1)
			datapath_port_watch(&b->rings->port, i / 2, -1);
	in_use = vhost_rings_stop(b->rings, mask, stopped) < 0;
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		if (mask >> i & 1)
			ring_retire(b, &b->ring[i], in_use);
	port_update(b);
}

static void
release_fd(void *fd)
{
	close((int)(intptr_t)fd);
}

static void
release_memory(void *memory)
{
	guest_memory_release(memory);
}

static void
release_log(void *log)
{
	dirty_log_destroy(log);
}

static void
release_inflight(void *arg)
{
	struct inflight_region *region = arg;

	inflight_region_unmap(region);
	free(region);
}

void
backend_fd_replace(struct backend *b, int *fd, int with)
{
	(void)b;
	if (*fd >= 0)
		datapath_release(release_fd, (void *)(intptr_t)*fd);
	*fd = with;
}

void
backend_memory_replace(struct backend *b, struct guest_memory *with)
{
	if (b->memory)
		datapath_release(release_memory, b->memory);
	b->memory = with;
}

void
backend_log_replace(struct backend *b, struct dirty_log *with)
{
	if (b->log)
		datapath_release(release_log, b->log);
	b->log = with;
}

void
backend_inflight_replace(struct backend *b, const struct inflight_region *with)
{
	struct inflight_region *old = b->inflight.map ? malloc(sizeof(*old)) : NULL;

	/* Without memory for it the mapping is kept for ever. */
	if (old) {
		*old = b->inflight;
		datapath_release(release_inflight, old);
	}
	b->inflight = *with;
}

static bool
ring_can_run(const struct backend *b, const struct backend_ring *ring)
{
	return b->features_set && ring->size && ring->addressed && ring->kicked && ring->enabled &&
	       !ring->broken && !ring->vring;
}

/*
 * Where the ring begins.  After our own stop that is known.  Else the front end's word is only what
 * it last heard: every buffer is completed in order within the burst that took it, so a split ring's
 * used index is what was really done, after a crash too; a packed ring's is in the inflight region.
 */
static void
ring_place(const struct backend *b, struct backend_ring *ring, struct vring_setup *setup)
{
	struct inflight_queue *inflight = setup->inflight;

	setup->next = ring->next;
	setup->next_wrap = ring->next_wrap;
	if (!ring->exact && !backend_packed(b)) {
		const struct virtq_used *used = setup->used;

		setup->next = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
	} else if (!ring->exact && inflight) {
		inflight_position_recover(
			inflight, setup->desc, ring->size, &setup->next, &setup->next_wrap);
	}
	if (inflight && backend_packed(b))
		inflight_position_start(
			inflight, b->features, ring->size, setup->next, setup->next_wrap);
}

/*
 * What the dirty log needs.  A packed ring is marked used in the descriptor ring, while the address
 * that front ends give for the log is that of the device's event structure.
 */
static void
ring_log(const struct backend *b, const struct backend_ring *ring, struct vring_setup *setup)
{
	setup->log = b->log;
	setup->log_used = ring->addr.flags >> VHOST_VRING_F_LOG & 1;
	setup->used_gpa = setup->event_gpa = ring->addr.log_guest_addr;
	if (backend_packed(b) &&
		!guest_memory_user_to_guest(b->memory, ring->addr.desc_user_addr, &setup->used_gpa))
		setup->log_used = false;
}

static int
ring_start(struct backend *b, unsigned index, struct err *err)
{
	struct backend_ring *ring = &b->ring[index];
	struct vring_setup setup = {
		.size = ring->size,
		.features = b->features,
		.memory = b->memory,
		.call_fd = ring->call_fd,
	};
	int rc;

	if (!backend_ring_size_ok(b, ring->size))
		return err_set(err, -EINVAL, "ring %u: %u entries", index, ring->size);
	rc = backend_ring_translate(b, index, &ring->addr, ring->size, &setup, err);
	if (rc)
		return rc;
	if (b->features & VIRTIO_BIT(VHOST_F_LOG_ALL))
		ring_log(b, ring, &setup);
	setup.inflight = inflight_region_queue(&b->inflight, index, ring->size, backend_packed(b));
	ring_place(b, ring, &setup);
	if (backend_packed(b) && setup.next >= ring->size)
		return err_set(
			err, -EINVAL, "ring %u: position %u of %u", index, setup.next, ring->size);
	rc = vring_create(&ring->vring, &setup);
	if (rc) {
		ring->vring = NULL;
		return err_set(err, rc, "ring %u: %s", index, strerror(-rc));
	}
	return 0;
}

/*
 * Gives a ring to the workers.  Between two runs of a ring neither side may have been told of what
 * the other did (the first of them may have ended with the process that it was in), so both are woken
 * once; a needless call or kick does no harm.
 */
static void
ring_publish(struct backend *b, unsigned index)
{
	struct backend_ring *ring = &b->ring[index];

	vhost_rings_start(b->rings, index, ring->vring);
	if (index % 2 && ring->kick_fd >= 0) {
		datapath_port_watch(&b->rings->port, index / 2, ring->kick_fd);
		eventfd_write(ring->kick_fd, 1);
	}
	if (ring->call_fd >= 0)
		eventfd_write(ring->call_fd, 1);
}

int
backend_rings_start(struct backend *b, struct err *err)
{
	struct err why = {0};
	int rc = 0;

	b->waiting[0] = '\0';
	for (unsigned i = 0; i < VHOST_RINGS_MAX && !rc; i++) {
		if (b->held >> i & 1 || !ring_can_run(b, &b->ring[i]))
			continue;
		rc = ring_start(b, i, &why);
		if (!rc) {
			ring_publish(b, i);
		} else if (rc != -ENOMEM) {
			snprintf(b->waiting, sizeof(b->waiting), "%.*s",
				(int)sizeof(b->waiting) - 1, why.text);
			rc = 0;
		}
	}
	port_update(b);
	return rc ? err_set(err, rc, "%s", why.text) : 0;
}

void
backend_ring_reset(struct backend *b, unsigned index)
{
	struct backend_ring *ring = &b->ring[index];

	backend_rings_stop(b, UINT32_C(1) << index);
	ring->kicked = false;
	ring->broken = false;
	backend_fd_replace(b, &ring->kick_fd, -1);
}
