/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: a pinned thread that polls receive queues and forwards what they bring.
 *
 * A turn visits every queue of its list once, then the hand-off ring, then notifies the receivers
 * it touched, then reports a quiescent state.  After idle_us without work it asks its queues for
 * wake-ups, goes off line (nobody waits for it) and sleeps.
 */
#ifndef DATAPATH_WORKER_H
#define DATAPATH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "datapath/frame.h"
#include "datapath/offload.h"
#include "datapath/pull.h"
#include "datapath/punt.h"
#include "datapath/sighting.h"
#include "datapath/snapshot.h"
#include "lib/fault.h"
#include "lib/needs.h"

#define WORKER_EVENTS  4096 /* entries of the ring to the control thread */
#define WORKER_HANDOFF 4096 /* mbufs on their way to this worker */
#define WORKER_INJECT  64   /* frames the control thread may have waiting */
#define WORKER_RECENT  256  /* addresses lately reported for learning */

/* What a worker tells the control thread; ring element. */
struct worker_event {
	uint64_t key; /* fdb_key, or the queue number */
	uint16_t port;
	uint16_t type;   /* enum datapath_event_type */
	uint32_t detail; /* generation of the port, or the reason */
};

/* A frame of the control thread's; ring element. */
struct worker_inject {
	uint32_t generation; /* of the port it seems to come from */
	uint16_t port;
	uint16_t len;
	int16_t out_vlan; /* >= 0: to be sent out of the port in this VLAN */
	uint8_t bytes[DATAPATH_INJECT_MAX];
};

/* A worker's own notes about a port; written by the worker only. */
struct worker_port {
	uint32_t tx_touched, rx_touched; /* queues to flush at the end of the turn */
	uint16_t usual;                  /* port index: where the last frames from here went */
};

struct worker {
	/* constant after start */
	unsigned id;
	uint16_t cpu;
	bool busy_poll;
	uint64_t idle_cycles_max; /* TSC cycles without work before sleep */
	uint64_t tsc_hz;
	struct rte_rcu_qsbr *qsbr;
	const _Atomic(struct snapshot *) *snapshot; /* the published one */
	struct rte_mempool *_Atomic pool;           /* for copies; NULL until a port needs it */
	struct rte_ring *events;  /* to the control thread: single producer, single consumer */
	struct rte_ring *handoff; /* from other workers: many producers, this consumer */
	struct rte_ring *inject;  /* from the control thread: single producer and consumer */
	struct worker *const *peers;
	int epoll_fd;
	int wake_fd;    /* eventfd: the control thread or a peer wakes this worker */
	int control_fd; /* eventfd of the control thread */
	pthread_t thread;
	struct sightings *sightings; /* of all workers */
	struct offload *offload;
	struct pull *pull;      /* private copies of long beginnings */
	struct punt_ring *punt; /* frames for the control thread */

	/* written by others */
	atomic_bool stop __attribute__((aligned(64)));
	atomic_bool reset; /* counters are to be zeroed */

	/* written by the worker, read by others (relaxed) */
	atomic_bool sleeping __attribute__((aligned(64)));
	_Atomic uint64_t packets, busy_cycles, idle_cycles, turns, wakeups, events_lost;

	/* the worker's own */
	const struct snapshot *now __attribute__((aligned(64))); /* this turn's */
	/* Of the burst under way; NULL for a frame of the control thread's. */
	const struct snapshot_port *source;
	uint8_t fates[FRAME_BURST]; /* why each is dropped; written and read for captures only */
	uint64_t serial;            /* of the last snapshot used */
	uint64_t tsc;               /* at the start of the turn */
	uint32_t now_s;             /* stamp for the MAC table */
	uint64_t next_s_tsc;        /* when now_s changes */
	bool shaping;               /* frames wait for their port's rate here */
	bool events_pending;        /* the control thread has not been told yet */
	uint64_t events_tsc;        /* when it was told last */
	uint64_t peers_touched;     /* workers that were handed something in this turn */
	unsigned touched_count;
	uint16_t touched[PORT_MAX]; /* ports with queues to flush */
	struct worker_port ports[PORT_MAX];
	struct {
		uint64_t key;
		uint64_t tsc;
	} recent[WORKER_RECENT];

	/* the burst under way: where it came from, where it is going; NULL = none */
	struct port *busy_in, *busy_out;
	unsigned busy_queue;
	struct fault_guard guard;

	/* handed-over frames that were taken from the ring and not delivered yet */
	unsigned handed_from, handed_count;
	struct rte_mbuf *handed[FRAME_BURST];

	/* one burst's decisions */
	bool shared;      /* some frame may be in several lists */
	uint32_t pulled;  /* bytes of such frames that were made private */
	uint8_t needs;    /* of all frames together */
	uint32_t longest; /* frame's len, without tag */
	unsigned list_count;
	uint16_t list_ports[PORT_MAX]; /* ports whose list is not empty */
	struct frame_list lists[PORT_MAX];
	struct burst burst;

	/* datapath/mirror.h: the mirrors that want frames of the burst, and which */
	uint64_t mirrors;
	uint64_t mirrored[MIRROR_MAX];
	/* What is being sent are copies of this one, its number + 1; 0 = of none. */
	unsigned copying;
	const struct port_counters *copying_counters;
	uint64_t copying_losses;
};

/* Allocates and starts a worker; everything "constant after start" is filled by the caller. */
int worker_start(struct worker *worker);
/* Ends the thread and frees what belongs to the worker, not the structure. */
void worker_stop(struct worker *worker);
/* The worker of the calling thread; NULL elsewhere. */
struct worker *worker_self(void);
/* any thread: makes it look at the snapshot again, if it sleeps. */
void worker_wake(struct worker *worker);

/* The worker's seconds clock, usable on any thread: TSC / Hz. */
uint32_t worker_now_s(uint64_t tsc, uint64_t tsc_hz);

/* ---- for forward.c, on the worker ---- */

/* Marks a queue to be flushed at the end of the turn. */
static inline void
worker_touch_tx(struct worker *w, unsigned port, unsigned queue)
{
	struct worker_port *p = &w->ports[port];

	if (!(p->tx_touched | p->rx_touched))
		w->touched[w->touched_count++] = (uint16_t)port;
	p->tx_touched |= 1u << queue;
}

static inline void
worker_touch_rx(struct worker *w, unsigned port, unsigned queue)
{
	struct worker_port *p = &w->ports[port];

	if (!(p->tx_touched | p->rx_touched))
		w->touched[w->touched_count++] = (uint16_t)port;
	p->rx_touched |= 1u << queue;
}

/* Of a clock that all workers share. */
static inline uint64_t
worker_now_ms(const struct worker *w)
{
	return w->tsc / (w->tsc_hz / 1000);
}

/* Asks the control thread to learn an address, unless it was asked a moment ago. */
void worker_learn(struct worker *w, fdb_key key, unsigned port, uint32_t generation);

/* For workers. */
extern const struct needs worker_needs;

#endif
