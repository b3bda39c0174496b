/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot: everything a worker needs to know of bridges and ports, as one immutable object.
 *
 * Built and published by datapath.c (control thread), loaded once per turn by each worker, freed
 * after a grace period.  A worker may hold one snapshot while the MAC table already names ports of
 * the next: every port index that comes from a table is checked against port_count and the bridge.
 */
#ifndef DATAPATH_SNAPSHOT_H
#define DATAPATH_SNAPSHOT_H

#include <rte_meter.h>

#include "datapath/bond.h"
#include "datapath/capture.h"
#include "datapath/datapath.h"
#include "datapath/meter.h"

struct snapshot_bridge {
	unsigned number;
	struct fdb *fdb; /* NULL = free slot */
	bool forward_bpdu;
	bool loop_guard;                /* its ports look for probes */
	const struct mdb *_Atomic *mdb; /* NULL = multicast goes to all */
	bool has_flood_vlans;
	struct vlan_set flood_vlans;
	uint16_t member_count;
	const uint16_t *members; /* port indexes */
};

/* The buckets of one direction of a port, written by workers; they live as long as the port. */
struct rate_meters {
	struct meter bytes, packets;
};

/* What a port may send or receive. */
struct snapshot_rate {
	bool limit_bytes, limit_packets;
	struct rate_meters *meters;
	struct rte_meter_srtcm_profile bytes, packets;
};

/* A bond's ways out. */
struct snapshot_bond {
	uint8_t count, layers;        /* layers: of a frame that choose the bucket, 2..4 */
	uint8_t bucket[BOND_BUCKETS]; /* of them, the index of the member that sends */
	uint16_t ports[BOND_MEMBERS_MAX];
};

struct snapshot_port {
	struct port *port;                    /* NULL = free slot */
	const struct snapshot_bridge *bridge; /* NULL = detached */
	uint32_t generation;                  /* differs for each port that ever had this index */
	uint8_t vlan_mode;                    /* enum vlan_mode */
	uint8_t priority_tags;                /* enum priority_tags */
	bool all_vlans;                       /* trunks is empty */
	bool all_cvlans;
	uint16_t tag;
	uint16_t qinq_ethtype;
	uint64_t untagged;     /* a frame's `tag` where it came without one */
	uint8_t untagged_drop; /* enum drop: why such a frame may not enter; DROP_COUNT = it may */
	uint8_t lock_count;    /* locked to so many addresses; 0 = to none */
	uint32_t max_len;      /* frame length limit without tag: MTU + 14, or UINT32_MAX */
	bool drop_reserved, forward_reserved;
	bool learning;   /* addresses are learnt, but in the bridge's flood_vlans */
	bool learns_all; /* in every VLAN */
	uint8_t closed;  /* enum drop: why it has no bridge */
	bool gro;        /* TCP segments received here are joined */
	bool plain_in;   /* has a bridge, and nobody records what it receives */
	uint8_t captures_in, captures_out; /* a bit for each of the snapshot's that records it */
	bool bonded;         /* it is a member of a bond, and has no bridge of its own */
	bool receives, lacp; /* of members: see bond_settings */
	uint16_t bond_of;    /* of members: the bond's index */
	const struct snapshot_bond *bond; /* NULL = it is none, or no member sends */
	uint8_t storm;                    /* bits by enum storm_class: is limited */
	fdb_key lock[1 + MAC_LIST_MAX];   /* of VLAN 0 */
	bool dhcp_guard, ra_guard, dhcp_learn;
	const struct ip_lock *ip_lock;                   /* NULL = any address */
	const struct filter *filters[FILTER_DIRECTIONS]; /* NULL = none */
	bool isolated;                                   /* talks to ports that are not */
	uint64_t mirror_in, mirror_out;     /* mirrors that want what it receives, is sent */
	uint32_t in_checks, out_checks;     /* CHECK_IN_..., CHECK_OUT_... (datapath/check.h) */
	uint8_t tx_worker[PORT_QUEUES_MAX]; /* owner of each transmit queue */
	uint32_t
		tx_held; /* queues on their way: only tx_last writes what was handed to it before */
	uint8_t tx_last; /* the worker they leave */
	struct vlan_set trunks, cvlans;
	struct rte_meter_srtcm_profile storm_profiles[STORM_CLASSES]; /* one token per frame */
	struct meter *storm_meters; /* [STORM_CLASSES], written by workers */
	struct snapshot_rate in_rate, out_rate;
	bool plain_out;        /* nobody shapes or records what is sent to it */
	struct shaper *shaper; /* NULL = frames for the port never wait (datapath/shape.h) */
	uint64_t shape_bytes;  /* most that wait */
};

struct snapshot_mirror {
	bool all_vlans;
	uint16_t port; /* that gets the copies */
	int16_t vlan;  /* of the copies; -1 = each has its own */
	struct vlan_set vlans;
	struct mirror_counters *counters; /* [worker_count]; NULL = free slot */
};

struct snapshot_poll {
	uint16_t port;
	uint16_t queue;
};

struct snapshot_worker {
	unsigned poll_count;
	const struct snapshot_poll *poll;
	unsigned shape_count;
	const struct snapshot_poll *shape; /* transmit queues whose frames may wait */
	bool hold;         /* leave the hand-off ring alone: a queue is on its way here */
	unsigned sleep_us; /* longest sleep its ports allow; 0 = until woken */
};

struct snapshot {
	uint64_t serial;     /* no two have the same, none has 0 */
	unsigned port_count; /* slots, some free */
	unsigned worker_count;
	struct snapshot_port *ports;
	struct snapshot_bridge *bridges; /* [BRIDGE_MAX] */
	struct snapshot_worker *workers; /* [worker_count] */
	struct snapshot_mirror *mirrors; /* [MIRROR_MAX]; NULL = there is none */
	struct rte_mempool *copies;      /* for copies of mirrors that another worker is to send */
	const struct capture *captures[CAPTURE_MAX];
};

#endif
