/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * topology: the control thread's own list of bridges and ports, from which snapshots are made.
 * Inside the datapath folder, and for bench/steps.c, only; control thread only.
 */
#ifndef DATAPATH_TOPOLOGY_H
#define DATAPATH_TOPOLOGY_H

#include "datapath/bond.h"
#include "datapath/snapshot.h"

struct bridge_slot {
	bool used;
	struct bridge_settings settings;
	struct fdb *fdb;
	const struct mdb *_Atomic mdb; /* owned; NULL until the first datapath_bridge_groups() */
	unsigned askers; /* ports that want to know addresses: datapath/neighbours.h */
	struct topology *topology;
};

/* Of a bond, with the buckets that its members have. */
struct bond_slot {
	struct bond_settings settings;
	uint8_t bucket[BOND_BUCKETS];
};

struct port_slot {
	struct port *port; /* NULL = free */
	struct port_settings settings;
	uint32_t generation;
	uint8_t worker[PORT_QUEUES_MAX]; /* of each queue pair */
	uint32_t held;                   /* queue pairs on their way to another worker */
	uint8_t last;                    /* the worker they leave */
	bool blocked;                    /* by datapath_port_block() */
	struct bond_slot *bond;          /* owned; NULL = it is none, or has no members yet */
	struct shaper *shaper;           /* NULL until the settings ask for one */
	struct rate_meters *meters;      /* [2]: in, out */
	struct meter *storm_meters;      /* [STORM_CLASSES], behind the meters */
};

struct mirror_slot {
	struct mirror_settings settings;
	struct mirror_counters *counters; /* [workers]; NULL = free */
};

struct topology {
	unsigned workers;
	uint32_t generation;
	struct bridge_slot bridges[BRIDGE_MAX];
	struct port_slot ports[PORT_MAX];
	struct mirror_slot mirrors[MIRROR_MAX];
	struct rte_mempool
		*copies; /* NULL until there is a mirror, and workers to hand copies to */
	struct capture *captures[CAPTURE_MAX]; /* NULL = none */
	datapath_mac_cb on_mac;
};

/* The one that runs, for topology_*.c. */
extern struct topology *const topology_live;
/* Makes it real.  -ENOMEM: nothing was changed; -ETIMEDOUT: it was. */
int topology_publish(void);
int topology_error(struct err *err, int r); /* of topology_publish(); returns r */
void topology_flush(unsigned port);         /* its learnt addresses */

struct rte_mempool;
struct worker_inject;

/* *first is the empty snapshot to publish. */
int topology_start(unsigned workers, struct snapshot **first, struct err *err);
/* Frees everything that is left, with the last snapshot (NULL is fine). */
void topology_stop(struct snapshot *last);

void topology_learn(unsigned port, uint32_t generation, fdb_key key, uint32_t now_s);
void topology_age(uint32_t now_s);
struct port *topology_port(unsigned index); /* NULL = free */
/* NULL when the place is free or taken by another since. */
struct port *topology_port_of(unsigned index, uint32_t generation);

/* A snapshot of what stands in the topology; NULL = no memory. */
struct snapshot *snapshot_build(const struct topology *topology);
void snapshot_free(struct snapshot *snapshot); /* NULL is fine */
/* Describes the mirrors, and of each port described so far which of them want its frames.  -ENOMEM. */
int snapshot_mirrors(const struct topology *topology, struct snapshot *snapshot);

/* ---- what topology.c needs of datapath.c ---- */

/* Publishes, wakes the workers, waits, releases the old snapshot. */
void datapath_publish(struct snapshot *snapshot);
void datapath_give_pool(struct rte_mempool *pool);
int datapath_worker_epoll(unsigned worker);
int datapath_worker_inject(unsigned worker, const struct worker_inject *inject); /* -EAGAIN */
/* Waits until the worker has dealt with all that other workers have handed to it so far. */
void datapath_await_handoff(unsigned worker);

#endif
