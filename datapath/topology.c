/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <rte_common.h>

#include "datapath/capture_impl.h"
#include "datapath/classify.h"
#include "datapath/mbuf.h"
#include "datapath/mdb.h"
#include "datapath/shape.h"
#include "datapath/neighbours.h"
#include "datapath/topology.h"
#include "datapath/worker.h"
#include "lib/clock.h"

static struct topology topology;
struct topology *const topology_live = &topology;

int
topology_publish(void)
{
	struct snapshot *s = snapshot_build(&topology);

	if (!s)
		return -ENOMEM;
	datapath_publish(s);
	return 0;
}

static void
release_fdb(void *fdb)
{
	fdb_destroy(fdb);
}

static void
release_mdb(void *mdb)
{
	mdb_free(mdb);
}

static void
release_shaper(void *shaper)
{
	shaper_destroy(shaper);
}

int
topology_error(struct err *err, int r)
{
	return err_set(err, r, "no memory for the change: %s", strerror(-r));
}

int
topology_start(unsigned workers, struct snapshot **first, struct err *err)
{
	topology.workers = workers;
	*first = snapshot_build(&topology);
	return *first ? 0 : err_set(err, -ENOMEM, "no memory to start");
}

void
topology_stop(struct snapshot *last)
{
	snapshot_free(last);
	for (unsigned m = 0; m < MIRROR_MAX; m++)
		free(topology.mirrors[m].counters);
	for (unsigned b = 0; b < BRIDGE_MAX; b++) {
		fdb_destroy(topology.bridges[b].fdb);
		mdb_free((struct mdb *)(uintptr_t)atomic_load(&topology.bridges[b].mdb));
	}
	memset(&topology, 0, sizeof(topology));
}

/* ---- bridges ---- */

int
datapath_bridge_add(const struct bridge_settings *settings, unsigned *bridge, struct err *err)
{
	struct bridge_slot *slot;
	unsigned b = 0;
	int r;

	while (b < BRIDGE_MAX && topology.bridges[b].used)
		b++;
	if (b == BRIDGE_MAX)
		return err_set(err, -ENOSPC, "%u bridges exist, more are not possible", BRIDGE_MAX);
	slot = &topology.bridges[b];
	r = fdb_create(&slot->fdb, settings->fdb_capacity, err);
	if (r)
		return r;
	fdb_set_move_limit(slot->fdb, settings->mac_moves);
	slot->settings = *settings;
	slot->used = true;
	r = topology_publish();
	if (r) {
		slot->used = false;
		fdb_destroy(slot->fdb);
		slot->fdb = NULL;
		return topology_error(err, r);
	}
	*bridge = b;
	return 0;
}

int
datapath_bridge_set(unsigned bridge, const struct bridge_settings *settings, struct err *err)
{
	struct bridge_slot *slot = &topology.bridges[bridge], old = *slot;
	int r;

	if (settings->fdb_capacity != slot->settings.fdb_capacity) {
		r = fdb_create(&slot->fdb, settings->fdb_capacity, err);
		if (r) {
			slot->fdb = old.fdb;
			return r;
		}
		fdb_copy(slot->fdb, old.fdb);
	}
	slot->settings = *settings;
	fdb_set_move_limit(slot->fdb, settings->mac_moves);
	r = topology_publish();
	if (r) {
		if (slot->fdb != old.fdb)
			fdb_destroy(slot->fdb);
		*slot = old;
	} else if (slot->fdb != old.fdb) {
		neighbours_renew(&topology, bridge, old.fdb);
		datapath_release(release_fdb, old.fdb);
	}
	return r ? topology_error(err, r) : 0;
}

int
datapath_bridge_del(unsigned bridge)
{
	struct bridge_slot *slot = &topology.bridges[bridge];
	int r;

	for (unsigned p = 0; p < PORT_MAX; p++)
		if (topology.ports[p].port && topology.ports[p].settings.bridge == (int)bridge)
			return -EBUSY;
	slot->used = false;
	r = topology_publish();
	if (r) {
		slot->used = true;
		return r;
	}
	datapath_release(release_fdb, slot->fdb);
	slot->fdb = NULL;
	capture_forget(&topology, NULL, bridge);
	datapath_bridge_groups(bridge, NULL);
	return 0;
}

void
datapath_bridge_groups(unsigned bridge, struct mdb *mdb)
{
	const struct mdb *old = atomic_exchange(&topology.bridges[bridge].mdb, mdb);

	if (!old)
		return;
	datapath_synchronize();
	datapath_release(release_mdb, (struct mdb *)(uintptr_t)old);
}

struct fdb *
datapath_bridge_fdb(unsigned bridge)
{
	return topology.bridges[bridge].fdb;
}

/* ---- ports ---- */

struct port *
topology_port(unsigned index)
{
	return index < PORT_MAX ? topology.ports[index].port : NULL;
}

struct port *
topology_port_of(unsigned index, uint32_t generation)
{
	struct port *port = topology_port(index);

	return port && topology.ports[index].generation == generation ? port : NULL;
}

/* The worker with the fewest queues. */
static unsigned
idlest_worker(void)
{
	unsigned load[WORKER_MAX] = {0}, best = 0;

	for (unsigned p = 0; p < PORT_MAX; p++)
		for (unsigned q = 0;
			topology.ports[p].port && q < topology.ports[p].port->rx_queues; q++)
			load[topology.ports[p].worker[q]]++;
	for (unsigned w = 1; w < topology.workers; w++)
		if (load[w] < load[best])
			best = w;
	return best;
}

/* Copies between workers need packet buffers. */
static int
need_pool(struct err *err)
{
	struct rte_mempool *pool;

	if (topology.workers < 2)
		return 0;
	pool = mbuf_pool(err);
	if (!pool)
		return -ENOMEM;
	datapath_give_pool(pool);
	return 0;
}

/* Two for the rates, then those of storms; all full.  One block for free(). */
static struct rate_meters *
create_meters(void)
{
	unsigned count = 2 * sizeof(struct rate_meters) / sizeof(struct meter) + STORM_CLASSES;
	struct meter *meters = aligned_alloc(alignof(struct meter), count * sizeof(*meters));

	for (unsigned m = 0; meters && m < count; m++)
		meters[m] = (struct meter){.tokens = METER_FULL};
	return (struct rate_meters *)meters;
}

/* Tells the MAC table of the port's bridge. */
static void
set_limits(unsigned p)
{
	const struct port_settings *s = &topology.ports[p].settings;
	struct fdb *fdb = s->bridge >= 0 ? topology.bridges[s->bridge].fdb : NULL;

	if (!fdb)
		return;
	fdb_set_port_sticky(fdb, p, s->sticky);
	fdb_set_port_limit(fdb, p, s->mac_limit);
}

/* A port that may let frames wait has a shaper from then on: what waits in it is not lost. */
static int
need_shaper(const struct port *port, const struct port_settings *settings, struct shaper **shaper,
	struct err *err)
{
	if (!settings->shape_bytes || *shaper)
		return 0;
	return shaper_create(shaper, port->tx_queues_max, err);
}

int
datapath_port_add(struct port *port, const struct port_settings *settings, struct err *err)
{
	struct port_slot *slot;
	struct rate_meters *meters;
	struct shaper *shaper = NULL;
	unsigned p = 0;
	size_t size = (topology.workers + 1) * sizeof(*port->counters);
	int r = need_pool(err);

	if (r)
		return r;
	while (p < PORT_MAX && topology.ports[p].port)
		p++;
	if (p == PORT_MAX)
		return err_set(err, -ENOSPC, "%u ports exist, more are not possible", PORT_MAX);
	port->counters = aligned_alloc(64, size);
	if (!port->counters)
		return err_set(err, -ENOMEM, "no memory for the port's counters");
	memset(port->counters, 0, size);
	meters = create_meters();
	r = meters ? need_shaper(port, settings, &shaper, err)
		   : err_set(err, -ENOMEM, "no memory for the port's meters");
	if (r) {
		free(port->counters);
		free(meters);
		return r;
	}
	port->index = (uint16_t)p;

	slot = &topology.ports[p];
	memset(slot, 0, sizeof(*slot));
	slot->settings = *settings;
	slot->generation = ++topology.generation;
	slot->port = port;
	slot->meters = meters;
	slot->storm_meters = (struct meter *)(meters + 2);
	slot->shaper = shaper;
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		slot->worker[q] =
			(uint8_t)(q < port->rx_queues ? idlest_worker() : q % topology.workers);
	set_limits(p);
	r = topology_publish();
	if (r) {
		slot->port = NULL;
		free(port->counters);
		free(meters);
		shaper_destroy(shaper);
		port->counters = NULL;
		return topology_error(err, r);
	}
	neighbours_join(&topology, p);
	return 0;
}

static void
flush_port(int bridge, unsigned port, bool statics_also)
{
	struct fdb_filter filter = {.port = (int)port, .vlan = -1, .statics_also = statics_also};

	if (bridge >= 0)
		fdb_flush(topology.bridges[bridge].fdb, &filter);
}

int
datapath_port_set(struct port *port, const struct port_settings *settings, struct err *err)
{
	struct port_slot *slot = &topology.ports[port->index];
	struct port_settings old = slot->settings;
	bool moves = old.bridge != settings->bridge ||
		     memcmp(&old.mac, &settings->mac, sizeof(old.mac)) != 0;
	int r = need_shaper(port, settings, &slot->shaper, err);

	if (r)
		return r;
	if (moves)
		neighbours_leave(&topology, port->index, false);
	slot->settings = *settings;
	r = topology_publish();
	if (r)
		slot->settings = old;
	if (moves)
		neighbours_join(&topology, port->index);
	if (r)
		return topology_error(err, r);
	if (old.bridge != settings->bridge)
		flush_port(old.bridge, port->index, true);
	set_limits(port->index);
	return 0;
}

int
datapath_port_refresh(struct port *port, struct err *err)
{
	int r = topology.ports[port->index].port == port ? topology_publish() : 0;

	return r ? topology_error(err, r) : 0;
}

int
datapath_port_set_filters(
	struct port *port, const struct filter *const filters[FILTER_DIRECTIONS], struct err *err)
{
	struct port_settings settings = topology.ports[port->index].settings;

	memcpy(settings.filters, filters, sizeof(settings.filters));
	return datapath_port_set(port, &settings, err);
}

void
datapath_port_del(struct port *port)
{
	struct port_slot *slot = &topology.ports[port->index];
	int r;

	for (unsigned q = 0; q < port->rx_queues; q++)
		datapath_port_watch(port, q, -1);
	neighbours_leave(&topology, port->index, true);
	slot->port = NULL;
	r = topology_publish();
	/* Without a snapshot the port can't go; a process that can't get a few KiB in that time dies. */
	for (uint64_t end = clock_ns() + DATAPATH_GRACE_MS * UINT64_C(1000000); r;
		r = topology_publish())
		if (clock_ns() > end)
			abort();
	flush_port(slot->settings.bridge, port->index, true);
	capture_forget(&topology, slot, 0);
	datapath_release(free, port->counters);
	datapath_release(free, slot->meters);
	datapath_release(release_shaper, slot->shaper);
	datapath_release(free, slot->bond);
	slot->bond = NULL;
	slot->meters = NULL;
	slot->shaper = NULL;
}

static void
release_port(void *arg)
{
	struct port *port = arg;

	port->ops->destroy(port);
}

void
datapath_port_destroy(struct port *port)
{
	datapath_release(release_port, port);
}

int
datapath_port_watch(struct port *port, unsigned queue, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = datapath_worker_epoll(topology.ports[port->index].worker[queue]);

	if (port->wake_fd[queue] >= 0)
		epoll_ctl(epoll, EPOLL_CTL_DEL, port->wake_fd[queue], NULL);
	port->wake_fd[queue] = -1;
	if (fd < 0)
		return 0;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	port->wake_fd[queue] = fd;
	return 0;
}

void
topology_flush(unsigned port)
{
	flush_port(topology.ports[port].settings.bridge, port, false);
}

void
datapath_port_flush(struct port *port)
{
	topology_flush(port->index);
}

/* ---- queues on workers ---- */

unsigned
datapath_queue_worker(const struct port *port, unsigned queue)
{
	return topology.ports[port->index].worker[queue];
}

/*
 * Two steps with a grace period between them, in which frames stay in order.  First nobody polls the
 * queue; the old owner still writes what was handed to it before, and everything sent from then on
 * collects at the new owner, who leaves it alone.  When the old owner has written the rest, the new
 * one starts with what was collected.
 */
int
datapath_queue_move(struct port *port, unsigned queue, unsigned worker, struct err *err)
{
	struct port_slot *slot = &topology.ports[port->index];
	unsigned old = slot->worker[queue];
	int fd = port->wake_fd[queue], r;

	if (worker >= topology.workers)
		return err_set(err, -EINVAL,
			"worker %u does not exist: there are %u, counted from 0", worker,
			topology.workers);
	if (queue >= port->rx_queues)
		return err_set(err, -EINVAL,
			"port \"%s\" has no queue %u: it has %u, counted from 0", port->name, queue,
			port->rx_queues);
	if (old == worker)
		return 0;
	datapath_port_watch(port, queue, -1);
	slot->worker[queue] = (uint8_t)worker;
	slot->held = 1u << queue;
	slot->last = (uint8_t)old;
	r = topology_publish();
	slot->held = 0;
	/* Never may two workers have it: it stays with one that does not answer. */
	if (!r && datapath_synchronize()) {
		slot->worker[queue] = (uint8_t)old;
		topology_publish();
		datapath_port_watch(port, queue, fd);
		return err_set(err, -ETIMEDOUT,
			"a worker does not answer: see `patchbay events` and `patchbay worker show`");
	}
	if (!r)
		datapath_await_handoff(old);
	if (r)
		slot->worker[queue] = (uint8_t)old;
	else
		r = topology_publish();
	datapath_port_watch(port, queue, fd);
	return r ? topology_error(err, r) : 0;
}
