/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "datapath/forward.h"
#include "datapath/handoff.h"
#include "datapath/shape.h"
#include "datapath/worker.h"

/* A worker sleeps; what it writes are eventfds, which every process may. */
static const struct needs_call worker_calls[] = {NEEDS_CALL(epoll_pwait2), NEEDS_NO_MORE};

const struct needs worker_needs = {
	.calls = worker_calls,
};

#define RECENT_MS       20  /* an address is reported again after this time */
#define CONTROL_WAKE_US 500 /* the control thread is signalled at most this often */
#define WAKE_EVENTS     16

#define RELAXED_ADD(field, n)           \
	atomic_store_explicit(&(field), \
		atomic_load_explicit(&(field), memory_order_relaxed) + (n), memory_order_relaxed)

static _Thread_local struct worker *self;

struct worker *
worker_self(void)
{
	return self;
}

uint32_t
worker_now_s(uint64_t tsc, uint64_t tsc_hz)
{
	return (uint32_t)(tsc / tsc_hz);
}

void
worker_wake(struct worker *w)
{
	uint64_t one = 1;

	/* Can only fail when the counter is full: then a wake-up is pending anyway. */
	if (write(w->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void
worker_learn(struct worker *w, fdb_key key, unsigned port, uint32_t generation)
{
	/*
	 * The generation says the port, too: an index that is taken again is another one's.  It is
	 * spread, since addresses of a row of ports often count like their generations.
	 */
	uint64_t mark = key ^ generation * UINT64_C(0xbf58476d1ce4e5b9);
	unsigned slot = (unsigned)((mark * UINT64_C(0x9e3779b97f4a7c15)) >> 56) % WORKER_RECENT;
	struct worker_event event = {.key = key,
		.port = (uint16_t)port,
		.type = DATAPATH_EVENT_LEARN,
		.detail = generation};

	if (w->recent[slot].key == mark &&
		w->tsc - w->recent[slot].tsc < w->tsc_hz / 1000 * RECENT_MS)
		return;
	sighting_note(w->sightings, key, w->now->ports[port].bridge->number, port, generation,
		worker_now_ms(w));
	w->recent[slot].key = mark;
	w->recent[slot].tsc = w->tsc;
	if (rte_ring_enqueue_elem(w->events, &event, sizeof(event)))
		RELAXED_ADD(w->events_lost, 1);
	w->events_pending = true;
}

/* Tells the control thread about events, not more often than it is useful. */
static void
signal_control(struct worker *w)
{
	uint64_t one = 1;

	if (w->tsc - w->events_tsc < w->tsc_hz / 1000000 * CONTROL_WAKE_US)
		return;
	w->events_tsc = w->tsc;
	w->events_pending = false;
	if (write(w->control_fd, &one, sizeof(one)) < 0)
		return;
}

/* Wakes the workers that were handed frames and sleep. */
static void
signal_peers(struct worker *w)
{
	uint64_t peers = w->peers_touched;

	w->peers_touched = 0;
	atomic_thread_fence(memory_order_seq_cst);
	while (peers) {
		unsigned peer = (unsigned)__builtin_ctzll(peers);

		peers &= peers - 1;
		if (atomic_load_explicit(&w->peers[peer]->sleeping, memory_order_relaxed))
			worker_wake(w->peers[peer]);
	}
}

/* Notifies the other side of every queue that this turn touched. */
static void
flush(struct worker *w)
{
	w->busy_in = NULL;
	for (unsigned t = 0; t < w->touched_count; t++) {
		struct worker_port *notes = &w->ports[w->touched[t]];
		struct port *port = w->now->ports[w->touched[t]].port;
		uint32_t tx = notes->tx_touched, rx = notes->rx_touched;

		notes->tx_touched = 0;
		notes->rx_touched = 0;
		w->busy_out = port;
		for (; tx && port->ops->tx_flush; tx &= tx - 1)
			port->ops->tx_flush(port, (unsigned)__builtin_ctz(tx));
		for (; rx && port->ops->rx_flush; rx &= rx - 1)
			port->ops->rx_flush(port, (unsigned)__builtin_ctz(rx));
	}
	w->touched_count = 0;
}

/* Is the address in the memory of a port that is being worked on?  In a signal handler. */
static bool
is_guest_memory(const void *address, void *arg)
{
	const struct worker *w = arg;
	struct port *ports[] = {w->busy_in, w->busy_out};

	for (unsigned i = 0; i < 2; i++)
		if (ports[i] && ports[i]->ops->owns && ports[i]->ops->owns(ports[i], address))
			return true;
	return false;
}

/* One visit of everything that may bring frames; returns their number. */
static unsigned
visit(struct worker *w)
{
	const struct snapshot_worker *mine = &w->now->workers[w->id];
	unsigned frames = 0;

	/* First what others handed over: a queue that came here goes on where it was. */
	if (!rte_ring_empty(w->handoff) && !mine->hold)
		frames += handoff_receive(w);
	if (__builtin_expect(!rte_ring_empty(w->inject), 0))
		frames += forward_injected(w);
	for (unsigned i = 0; i < mine->poll_count; i++)
		frames += forward_queue(
			w, &mine->poll[i], &mine->poll[i + 1 < mine->poll_count ? i + 1 : 0]);
	if (__builtin_expect(mine->shape_count || w->shaping, 0))
		frames += shape_turn(w);
	return frames;
}

/* One turn; returns the number of frames. */
static unsigned
turn(struct worker *w)
{
	volatile unsigned frames = 0;
	volatile bool visited = false;

	while (FAULT_CAUGHT(&w->guard)) {
		forward_abort(w, w->guard.address);
		frames = 1;
	}
	if (!visited) {
		visited = true;
		frames = visit(w);
	}
	if (w->touched_count)
		flush(w);
	fault_end(&w->guard);
	if (w->peers_touched)
		signal_peers(w);
	if (w->events_pending)
		signal_control(w);
	return frames;
}

static bool
arm_queues(struct worker *w)
{
	const struct snapshot_worker *mine = &w->now->workers[w->id];
	bool work = !rte_ring_empty(w->handoff) || !rte_ring_empty(w->inject) || w->events_pending;

	for (unsigned i = 0; i < mine->poll_count; i++) {
		struct port *port = w->now->ports[mine->poll[i].port].port;

		w->busy_out = port;
		if (port->ops->rx_arm)
			work |= port->ops->rx_arm(port, mine->poll[i].queue);
	}
	return work;
}

/* Asks all queues for wake-ups; true when one has work already. */
static bool
arm(struct worker *w)
{
	bool work;

	w->busy_in = NULL;
	while (FAULT_CAUGHT(&w->guard))
		forward_abort(w, w->guard.address);
	work = arm_queues(w);
	fault_end(&w->guard);
	return work;
}

static void
disarm(struct worker *w)
{
	const struct snapshot_worker *mine = &w->now->workers[w->id];

	w->busy_in = NULL;
	while (FAULT_CAUGHT(&w->guard))
		forward_abort(w, w->guard.address);
	for (unsigned i = 0; i < mine->poll_count; i++) {
		struct port *port = w->now->ports[mine->poll[i].port].port;

		w->busy_out = port;
		if (port->ops->rx_disarm)
			port->ops->rx_disarm(port, mine->poll[i].queue);
	}
	fault_end(&w->guard);
}

/*
 * Sleeps until a queue, the control thread or a peer wakes it.  Descriptors are edge triggered and
 * never read: nothing is done with a descriptor that might have been closed meanwhile.
 */
static void
sleep_until_woken(struct worker *w)
{
	struct epoll_event events[WAKE_EVENTS];
	struct timespec limit, *timeout = NULL;
	unsigned sleep_us;

	/* The turn before ended with a quiescent state: its snapshot may be gone. */
	w->now = atomic_load_explicit(w->snapshot, memory_order_acquire);
	sleep_us = w->now->workers[w->id].sleep_us;
	atomic_store_explicit(&w->sleeping, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!arm(w)) {
		if (sleep_us) {
			limit.tv_sec = sleep_us / 1000000;
			limit.tv_nsec = sleep_us % 1000000 * 1000L;
			timeout = &limit;
		}
		rte_rcu_qsbr_thread_offline(w->qsbr, w->id);
		epoll_pwait2(w->epoll_fd, events, WAKE_EVENTS, timeout, NULL);
		rte_rcu_qsbr_thread_online(w->qsbr, w->id);
		RELAXED_ADD(w->wakeups, 1);
		w->now = atomic_load_explicit(w->snapshot, memory_order_acquire);
	}
	atomic_store_explicit(&w->sleeping, false, memory_order_relaxed);
	disarm(w);
}

static void
reset_counters(struct worker *w)
{
	atomic_store_explicit(&w->packets, 0, memory_order_relaxed);
	atomic_store_explicit(&w->busy_cycles, 0, memory_order_relaxed);
	atomic_store_explicit(&w->idle_cycles, 0, memory_order_relaxed);
	atomic_store_explicit(&w->turns, 0, memory_order_relaxed);
	atomic_store_explicit(&w->wakeups, 0, memory_order_relaxed);
	atomic_store(&w->reset, false);
}

static void
loop(struct worker *w)
{
	uint64_t last_work = rte_rdtsc();

	w->tsc = last_work;
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		uint64_t start = w->tsc;
		unsigned frames;

		w->now = atomic_load_explicit(w->snapshot, memory_order_acquire);
		/* A queue that came from a sleeping worker still asks for wake-ups. */
		if (__builtin_expect(w->now->serial != w->serial, 0)) {
			w->serial = w->now->serial;
			disarm(w);
		}
		if (start >= w->next_s_tsc) {
			w->now_s = worker_now_s(start, w->tsc_hz);
			w->next_s_tsc = (uint64_t)(w->now_s + 1) * w->tsc_hz;
		}
		frames = turn(w);
		rte_rcu_qsbr_quiescent(w->qsbr, w->id);
		w->tsc = rte_rdtsc();
		if (__builtin_expect(atomic_load_explicit(&w->reset, memory_order_relaxed), 0))
			reset_counters(w);
		if (frames) {
			RELAXED_ADD(w->packets, frames);
			RELAXED_ADD(w->busy_cycles, w->tsc - start);
			RELAXED_ADD(w->turns, 1);
			last_work = w->tsc;
			continue;
		}
		if (!w->busy_poll && !w->shaping && w->tsc - last_work >= w->idle_cycles_max) {
			sleep_until_woken(w);
			w->tsc = rte_rdtsc();
			/* A full idle period of polling follows a wake-up that brought something. */
			last_work = w->tsc;
		} else {
			rte_pause();
		}
		RELAXED_ADD(w->idle_cycles, w->tsc - start);
	}
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	char name[16];

	self = w;
	port_worker = w->id;
	w->guard.ours = is_guest_memory;
	w->guard.arg = w;
	snprintf(name, sizeof(name), "worker/%u", w->id);
	pthread_setname_np(pthread_self(), name);
	/* Gives the thread an lcore id, for the packet buffers' per-thread caches. */
	rte_thread_register();
	rte_rcu_qsbr_thread_register(w->qsbr, w->id);
	rte_rcu_qsbr_thread_online(w->qsbr, w->id);
	w->now = atomic_load_explicit(w->snapshot, memory_order_acquire);
	loop(w);
	rte_rcu_qsbr_thread_offline(w->qsbr, w->id);
	rte_rcu_qsbr_thread_unregister(w->qsbr, w->id);
	rte_thread_unregister();
	return NULL;
}

int
worker_start(struct worker *w)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	char name[RTE_RING_NAMESIZE];
	pthread_attr_t attr;
	cpu_set_t cpus;
	int r;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll_fd < 0 || w->wake_fd < 0 ||
		epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) < 0) {
		r = -errno;
		goto fail;
	}
	snprintf(name, sizeof(name), "events%u", w->id);
	w->events = rte_ring_create_elem(name, sizeof(struct worker_event), WORKER_EVENTS,
		SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "handoff%u", w->id);
	w->handoff = rte_ring_create(name, WORKER_HANDOFF, SOCKET_ID_ANY, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "inject%u", w->id);
	w->inject = rte_ring_create_elem(name, sizeof(struct worker_inject), WORKER_INJECT,
		SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	r = -ENOMEM;
	w->pull = malloc(sizeof(*w->pull));
	if (!w->events || !w->handoff || !w->inject || !w->pull || punt_ring_create(&w->punt) ||
		offload_create(&w->offload))
		goto fail;
	/* Pinned from its first instruction on: the CPU it was made on may be busy. */
	CPU_ZERO(&cpus);
	CPU_SET(w->cpu, &cpus);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	r = -pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (r)
		goto fail;
	return 0;
fail:
	offload_destroy(w->offload);
	w->offload = NULL;
	punt_ring_destroy(w->punt);
	free(w->pull);
	rte_ring_free(w->events);
	rte_ring_free(w->handoff);
	rte_ring_free(w->inject);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	return r;
}

void
worker_stop(struct worker *w)
{
	struct rte_mbuf *m;

	atomic_store(&w->stop, true);
	worker_wake(w);
	pthread_join(w->thread, NULL);
	while (rte_ring_dequeue(w->handoff, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	offload_destroy(w->offload);
	punt_ring_destroy(w->punt);
	free(w->pull);
	rte_ring_free(w->events);
	rte_ring_free(w->handoff);
	rte_ring_free(w->inject);
	close(w->epoll_fd);
	close(w->wake_fd);
}
