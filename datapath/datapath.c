/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control side of the packet path: start and stop, grace periods, what workers report.
 * Bridges and ports, and the snapshots made of them, are in topology.c.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "datapath/env.h"
#include "datapath/probe.h"
#include "datapath/topology.h"
#include "datapath/worker.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/log.h"

#define IDLE_US_DEFAULT 100
#define GRACE_SPINS     2000 /* polls before the wait yields the CPU */
#define GRACE_YIELDS    4000 /* and before it sleeps in between */
#define GRACE_PAUSE_NS  50000
#define DISPATCH_EVENTS 8192 /* reports of one worker handled at once */
#define DISPATCH_BATCH  64
#define HANDOFF_WAIT_MS 100 /* after that, a moved queue's frames may change their order */

/* What a worker that has not come back may be looking at. */
struct kept {
	STAILQ_ENTRY(kept) link;
	void (*release)(void *arg);
	void *arg;
};

static struct {
	unsigned worker_count;
	struct worker *workers[WORKER_MAX];
	struct rte_rcu_qsbr *qsbr;
	struct sightings sightings;
	_Atomic(struct snapshot *) snapshot;
	int event_fd;
	uint64_t tsc_hz;
	datapath_broken_cb on_broken;
	bool behind; /* a worker has not passed the state that behind_token asks for */
	uint64_t behind_token;
	STAILQ_HEAD(, kept) kept;
} datapath = {.event_fd = -1, .kept = STAILQ_HEAD_INITIALIZER(datapath.kept)};

/* ---- start and stop ---- */

/* Workers' CPUs: as asked, else the last one allowed. */
static int
choose_cpus(const struct datapath_options *options, uint16_t *cpus, struct err *err)
{
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return err_set(err, -errno, "can't read the allowed CPUs: %s", strerror(errno));
	if (!options->cpu_count) {
		for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
			if (CPU_ISSET(cpu, &allowed)) {
				cpus[0] = (uint16_t)cpu;
				return 1;
			}
	}
	if (options->cpu_count > WORKER_MAX)
		return err_set(err, -EINVAL, "%u workers: at most %u are possible",
			options->cpu_count, WORKER_MAX);
	for (unsigned i = 0; i < options->cpu_count; i++) {
		cpus[i] = options->cpus[i];
		if (cpus[i] >= CPU_SETSIZE || !CPU_ISSET(cpus[i], &allowed))
			return err_set(err, -EINVAL,
				"CPU %u does not exist or is not allowed for this "
				"process: see `taskset -p` and give others with --workers",
				cpus[i]);
		for (unsigned j = 0; j < i; j++)
			if (cpus[j] == cpus[i])
				return err_set(err, -EINVAL,
					"CPU %u is listed twice: workers are "
					"pinned, one to a CPU",
					cpus[i]);
	}
	return (int)options->cpu_count;
}

/* Leaves the workers' CPUs to them, if there are others. */
static void
leave_cpus(const uint16_t *cpus, unsigned count)
{
	cpu_set_t mine;

	CPU_ZERO(&mine);
	sched_getaffinity(0, sizeof(mine), &mine);
	for (unsigned i = 0; i < count; i++)
		CPU_CLR(cpus[i], &mine);
	if (CPU_COUNT(&mine))
		sched_setaffinity(0, sizeof(mine), &mine);
}

static int
start_worker(unsigned id, uint16_t cpu, const struct datapath_options *options)
{
	struct worker *w = aligned_alloc(64, RTE_ALIGN(sizeof(*w), 64));
	unsigned idle_us = options->idle_us ? options->idle_us : IDLE_US_DEFAULT;
	int r;

	if (!w)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->id = id;
	w->cpu = cpu;
	w->busy_poll = options->busy_poll;
	w->tsc_hz = datapath.tsc_hz;
	w->idle_cycles_max = datapath.tsc_hz / 1000000 * idle_us;
	w->qsbr = datapath.qsbr;
	w->snapshot = &datapath.snapshot;
	w->peers = datapath.workers;
	w->sightings = &datapath.sightings;
	w->control_fd = datapath.event_fd;
	w->epoll_fd = w->wake_fd = -1;
	datapath.workers[id] = w;
	r = worker_start(w);
	if (r) {
		free(w);
		datapath.workers[id] = NULL;
		return r;
	}
	datapath.worker_count++;
	return 0;
}

static int
start_grace(struct err *err)
{
	size_t size = rte_rcu_qsbr_get_memsize(WORKER_MAX);

	datapath.qsbr = rte_zmalloc("qsbr", size, RTE_CACHE_LINE_SIZE);
	if (!datapath.qsbr || rte_rcu_qsbr_init(datapath.qsbr, WORKER_MAX))
		return err_set(err, -ENOMEM, "no memory to start workers");
	return 0;
}

int
datapath_start(const struct datapath_options *options, struct err *err)
{
	uint16_t cpus[WORKER_MAX];
	struct snapshot *first;
	int count = choose_cpus(options, cpus, err), r;

	if (count < 0)
		return count;
	r = fault_install();
	if (r)
		return err_set(err, r, "can't catch SIGBUS: %s", strerror(-r));
	r = env_start(options->hugepages, options->physical, err);
	if (r)
		return r;
	r = start_grace(err);
	if (r)
		goto fail;
	r = probe_start();
	if (r) {
		err_set(err, r, "the kernel gives no random bytes");
		goto fail;
	}
	datapath.tsc_hz = rte_get_tsc_hz();
	memset(&datapath.sightings, 0, sizeof(datapath.sightings));
	datapath.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (datapath.event_fd < 0) {
		r = err_set(err, -errno, "can't create an eventfd: %s", strerror(errno));
		goto fail;
	}
	r = topology_start((unsigned)count, &first, err);
	if (r)
		goto fail;
	atomic_store(&datapath.snapshot, first);
	leave_cpus(cpus, (unsigned)count);
	for (int i = 0; i < count; i++) {
		r = start_worker((unsigned)i, cpus[i], options);
		if (r) {
			err_set(err, r, "can't start a worker on CPU %u: %s", cpus[i],
				strerror(-r));
			goto fail;
		}
	}
	return 0;
fail:
	datapath_stop();
	return r;
}

/* All workers have come back: what was kept for them goes. */
static void
release_kept(void)
{
	struct kept *k;

	datapath.behind = false;
	while ((k = STAILQ_FIRST(&datapath.kept))) {
		STAILQ_REMOVE_HEAD(&datapath.kept, link);
		k->release(k->arg);
		free(k);
	}
}

void
datapath_stop(void)
{
	for (unsigned i = 0; i < datapath.worker_count; i++)
		worker_stop(datapath.workers[i]);
	for (unsigned i = 0; i < datapath.worker_count; i++) {
		free(datapath.workers[i]);
		datapath.workers[i] = NULL;
	}
	datapath.worker_count = 0;
	release_kept();
	topology_stop(atomic_exchange(&datapath.snapshot, NULL));
	if (datapath.event_fd >= 0)
		close(datapath.event_fd);
	datapath.event_fd = -1;
	rte_free(datapath.qsbr);
	datapath.qsbr = NULL;
	env_stop();
}

/* ---- publish, wait, free ---- */

/* Whoever comes late is not waited for again: see datapath_tick(). */
static int
fall_behind(uint64_t token)
{
	if (!datapath.behind)
		log_warning("a worker is stuck or gets no CPU: it is not waited for");
	datapath.behind = true;
	datapath.behind_token = token;
	return -ETIMEDOUT;
}

int
datapath_synchronize(void)
{
	uint64_t ms = datapath.behind ? 0 : DATAPATH_GRACE_MS;
	uint64_t token, deadline = clock_ns() + ms * UINT64_C(1000000);

	if (!datapath.worker_count)
		return 0;
	token = rte_rcu_qsbr_start(datapath.qsbr);
	for (unsigned spins = 0; rte_rcu_qsbr_check(datapath.qsbr, token, false) != 1; spins++) {
		if (spins < GRACE_SPINS)
			rte_pause();
		else if (clock_ns() > deadline)
			return fall_behind(token);
		else if (spins < GRACE_YIELDS)
			sched_yield();
		else /* The worker may be waiting for the CPU that we spin on. */
			nanosleep(&(struct timespec){.tv_nsec = GRACE_PAUSE_NS}, NULL);
	}
	if (datapath.behind)
		release_kept();
	return 0;
}

void
datapath_release(void (*release)(void *arg), void *arg)
{
	struct kept *k;

	if (!datapath.behind) {
		release(arg);
		return;
	}
	k = malloc(sizeof(*k));
	/* Without memory it is kept for ever. */
	if (!k)
		return;
	*k = (struct kept){.release = release, .arg = arg};
	STAILQ_INSERT_TAIL(&datapath.kept, k, link);
}

static void
release_snapshot(void *snapshot)
{
	snapshot_free(snapshot);
}

void
datapath_publish(struct snapshot *snapshot)
{
	struct snapshot *old = atomic_exchange(&datapath.snapshot, snapshot);

	for (unsigned i = 0; i < datapath.worker_count; i++)
		worker_wake(datapath.workers[i]);
	datapath_synchronize();
	datapath_release(release_snapshot, old);
}

void
datapath_await_handoff(unsigned worker)
{
	const struct rte_ring *ring = datapath.workers[worker]->handoff;
	uint32_t target = __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE);
	uint64_t deadline = clock_ns() + HANDOFF_WAIT_MS * UINT64_C(1000000);

	while ((int32_t)(target - __atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE)) > 0 &&
		clock_ns() < deadline)
		sched_yield();
	/* Taken from the ring is not yet delivered: that is done when the turn ends. */
	datapath_synchronize();
}

void
datapath_drain(void)
{
	for (unsigned i = 0; i < datapath.worker_count; i++)
		datapath_await_handoff(i);
}

void
datapath_give_pool(struct rte_mempool *pool)
{
	for (unsigned i = 0; i < datapath.worker_count; i++)
		atomic_store(&datapath.workers[i]->pool, pool);
}

/* ---- workers ---- */

unsigned
datapath_worker_count(void)
{
	return datapath.worker_count;
}

int
datapath_worker_epoll(unsigned worker)
{
	return datapath.workers[worker]->epoll_fd;
}

int
datapath_worker_inject(unsigned worker, const struct worker_inject *inject)
{
	if (rte_ring_enqueue_elem(
		    datapath.workers[worker]->inject, (void *)(uintptr_t)inject, sizeof(*inject)))
		return -EAGAIN;
	worker_wake(datapath.workers[worker]);
	return 0;
}

void
datapath_worker_stats(unsigned worker, struct worker_stats *stats)
{
	struct worker *w = datapath.workers[worker];

	memset(stats, 0, sizeof(*stats));
	stats->cpu = w->cpu;
	stats->sleeping = atomic_load_explicit(&w->sleeping, memory_order_relaxed);
	stats->queues = atomic_load(&datapath.snapshot)->workers[worker].poll_count;
	stats->packets = atomic_load_explicit(&w->packets, memory_order_relaxed);
	stats->busy_cycles = atomic_load_explicit(&w->busy_cycles, memory_order_relaxed);
	stats->idle_cycles = atomic_load_explicit(&w->idle_cycles, memory_order_relaxed);
	stats->turns = atomic_load_explicit(&w->turns, memory_order_relaxed);
	stats->wakeups = atomic_load_explicit(&w->wakeups, memory_order_relaxed);
	stats->tsc_hz = w->tsc_hz;
}

void
datapath_worker_reset(unsigned worker)
{
	atomic_store(&datapath.workers[worker]->reset, true);
	worker_wake(datapath.workers[worker]);
}

/* ---- reports ---- */

void
datapath_on_broken(datapath_broken_cb callback)
{
	datapath.on_broken = callback;
}

int
datapath_event_fd(void)
{
	return datapath.event_fd;
}

uint32_t
datapath_now_s(void)
{
	return worker_now_s(rte_rdtsc(), datapath.tsc_hz);
}

static void
handle_event(const struct worker_event *event, uint32_t now_s)
{
	if (event->type == DATAPATH_EVENT_LEARN) {
		topology_learn(event->port, event->detail, event->key, now_s);
	} else if (event->type == DATAPATH_EVENT_BROKEN && datapath.on_broken) {
		struct port *port = topology_port(event->port);

		if (port)
			datapath.on_broken(port, (unsigned)event->key, event->detail);
	}
}

void
datapath_dispatch(void)
{
	struct worker_event events[DISPATCH_BATCH];
	uint32_t now_s = datapath_now_s();
	uint64_t word;
	bool more = false;

	if (read(datapath.event_fd, &word, sizeof(word)) < 0 && errno != EAGAIN)
		return;
	for (unsigned i = 0; i < datapath.worker_count; i++) {
		struct rte_ring *ring = datapath.workers[i]->events;
		unsigned n, sum = 0;

		do {
			n = rte_ring_dequeue_burst_elem(
				ring, events, sizeof(events[0]), DISPATCH_BATCH, NULL);
			for (unsigned e = 0; e < n; e++)
				handle_event(&events[e], now_s);
			sum += n;
		} while (n && sum < DISPATCH_EVENTS);
		more |= !rte_ring_empty(ring);
		more |= punt_dispatch(datapath.workers[i]->punt);
	}
	if (more) {
		word = 1;
		if (write(datapath.event_fd, &word, sizeof(word)) < 0)
			return;
	}
}

void
datapath_tick(void)
{
	topology_age(datapath_now_s());
	if (datapath.behind &&
		rte_rcu_qsbr_check(datapath.qsbr, datapath.behind_token, false) == 1) {
		log_info("all workers go on");
		release_kept();
	}
}

uint64_t
punt_lost(enum punt_reason reason)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < datapath.worker_count; i++)
		sum += punt_ring_lost(datapath.workers[i]->punt, reason);
	return sum;
}

uint64_t
datapath_events_lost(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < datapath.worker_count; i++)
		sum += atomic_load_explicit(
			&datapath.workers[i]->events_lost, memory_order_relaxed);
	return sum;
}

void
datapath_report_broken(struct port *port, unsigned queue, unsigned reason)
{
	struct worker_event event = {
		.key = queue, .port = port->index, .type = DATAPATH_EVENT_BROKEN, .detail = reason};
	struct worker *w = worker_self();

	if (!w)
		return;
	if (rte_ring_enqueue_elem(w->events, &event, sizeof(event)))
		atomic_fetch_add_explicit(&w->events_lost, 1, memory_order_relaxed);
	w->events_pending = true;
}
