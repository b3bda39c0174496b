/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath: the face of the packet path towards the control thread.
 *
 * The control thread describes bridges and ports here; the datapath turns the description into an
 * immutable snapshot (datapath/snapshot.h), publishes it with one pointer store, waits until every
 * worker has passed a quiescent state, and frees the old one.  Every such wait is bounded by
 * DATAPATH_GRACE_MS; what a worker that does not come back may be looking at is kept until it does.
 *
 * Threads: everything in this header is for the one control thread, unless it says otherwise.
 * Errors: negative errno, with a text where an err is taken.
 */
#ifndef DATAPATH_DATAPATH_H
#define DATAPATH_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/fdb.h"
#include "datapath/filter.h"
#include "datapath/port.h"
#include "datapath/storm.h"
#include "lib/err.h"
#include "lib/ethernet.h"
#include "lib/ip.h"

#define BRIDGE_MAX        256
#define DATAPATH_GRACE_MS 5000

struct datapath_options {
	uint16_t cpus[WORKER_MAX]; /* one worker per entry, pinned to that CPU */
	unsigned cpu_count;        /* 0 = one worker on the last allowed CPU */
	bool busy_poll;            /* never sleep */
	unsigned idle_us;          /* time without work before a worker sleeps; 0 = 100 */
	bool hugepages;            /* use hugepages for packet buffers when there are some */
	bool physical; /* physical addresses for cards: needed without IOMMU, needs hugepages */
};

/* Starts DPDK's environment and the workers.  Once per process. */
int datapath_start(const struct datapath_options *options, struct err *err);
/* Stops the workers.  All ports and bridges must be gone. */
void datapath_stop(void);

/* Returns when what workers have handed to each other so far is delivered. */
void datapath_drain(void);

/*
 * Returns when every worker has passed a quiescent state; -ETIMEDOUT after DATAPATH_GRACE_MS.  While
 * one is known to be stuck (or gets no CPU) it is not waited for again.
 */
int datapath_synchronize(void);

/*
 * Ends what was taken from the workers before the last datapath_synchronize() or publication, from
 * wherever they could find it: release(arg) is called at once, or, when a worker did not come back in
 * time, as soon as it has.
 */
void datapath_release(void (*release)(void *arg), void *arg);

/* ---- bridges: small integers, 0..BRIDGE_MAX-1 ---- */

struct bridge_settings {
	uint32_t fdb_capacity;
	uint32_t ageing_s;           /* 0 = never */
	bool forward_bpdu;           /* IEEE 802.1D reserved addresses are forwarded */
	struct vlan_set flood_vlans; /* VLANs that flood instead of learning */
	bool mcast_snooping; /* multicast goes where datapath_bridge_groups() says; shown by punt */
	bool loop_guard;     /* probes that come back are shown to the control thread */
	uint32_t mac_moves;  /* of one address in a second before it is pinned; 0 = any */
};

int datapath_bridge_add(const struct bridge_settings *settings, unsigned *bridge, struct err *err);
/* Live; a changed capacity keeps the entries that fit. */
int datapath_bridge_set(unsigned bridge, const struct bridge_settings *settings, struct err *err);
/* The bridge must have no ports. */
int datapath_bridge_del(unsigned bridge);
/* Takes over a new table of groups, for a bridge that snoops; NULL = multicast goes to all. */
struct mdb;
void datapath_bridge_groups(unsigned bridge, struct mdb *mdb);
/* The bridge's MAC table; valid until the next datapath_bridge_set/del of it. */
struct fdb *datapath_bridge_fdb(unsigned bridge);

/* ---- ports ---- */

/* As ovs-vswitchd.conf.db(5) describes a port's vlan_mode. */
enum vlan_mode {
	VLAN_TRUNK,
	VLAN_ACCESS,
	VLAN_NATIVE_TAGGED,
	VLAN_NATIVE_UNTAGGED,
	VLAN_DOT1Q_TUNNEL,
};

enum priority_tags { PRIORITY_TAGS_NEVER, PRIORITY_TAGS_IF_NONZERO, PRIORITY_TAGS_ALWAYS };

/* 0 = no limit; bursts are what may be saved up, and more than any frame. */
struct port_rate {
	uint64_t bits;    /* per second */
	uint64_t burst;   /* bytes; 0 = RATE_BURST_MS of the rate */
	uint32_t packets; /* per second */
};

#define RATE_BURST_MIN   131072 /* bytes: a frame of 64 KiB, cut into segments of 128 bytes */
#define RATE_PACKETS_MIN 512    /* and the number of its segments */
#define RATE_BURST_MS    20

#define LOCK_ADDRESSES_MAX (2 * IP_LIST_MAX)

/* Addresses that the other end of a port may use as its own. */
struct ip_lock {
	uint32_t count;
	struct ip_prefix prefixes[LOCK_ADDRESSES_MAX];
};

/* What mirrors (datapath_mirror_set()) have to do with a port: a bit for each. */
struct port_mirrors {
	uint64_t in, out; /* those that want what it receives, what it is sent */
	uint64_t to;      /* those whose copies it gets */
	bool reserved;    /* it gets nothing else, and what it brings is dropped */
};

struct port_settings {
	int bridge; /* -1 = none: everything received is dropped as DETACHED */
	enum vlan_mode vlan_mode;
	uint16_t tag;           /* access, native and tunnel modes: 0..4094 */
	struct vlan_set trunks; /* empty = all */
	struct vlan_set cvlans; /* dot1q-tunnel: customer VLANs, empty = all */
	enum priority_tags priority_tags;
	uint16_t qinq_ethtype; /* 0x88a8 or 0x8100 */
	uint16_t mtu;          /* of egress, without Ethernet header and tags; 0 = not checked */
	bool drop_reserved;    /* reserved addresses (datapath/reserved.h): neither in nor out */
	bool forward_reserved; /* forward them although the bridge does not */
	bool mac_lock;         /* only `mac` and `macs` may be the source */
	struct mac mac;
	struct mac_list macs;
	uint32_t mac_limit;                /* most learnt addresses; UINT32_MAX = no limit */
	bool sticky;                       /* addresses learnt here neither age nor move */
	bool no_learning;                  /* addresses of frames received here are not learnt */
	uint32_t storm_pps[STORM_CLASSES]; /* received, by enum storm_class; 0 = no limit */
	bool ip_lock; /* IP, ARP and neighbour discovery from these addresses only */
	struct ip_lock addresses;
	bool dhcp_learn;           /* answers of DHCP servers to the port are punted (PUNT_DHCP) */
	bool dhcp_guard, ra_guard; /* nothing that DHCP servers, or routers, say is received here */
	bool gro;                  /* TCP segments received here are joined (datapath/gro.h) */
	bool isolated;             /* exchanges frames with ports that are not isolated only */
	uint64_t
		shape_bytes; /* of frames may wait for out_rate, per queue; 0 = none, they are dropped */
	struct port_mirrors mirrors;
	struct port_rate in_rate, out_rate; /* what may be received from it and sent to it */
	/* By enum filter_direction, NULL = none; borrowed, must outlive the settings. */
	const struct filter *filters[FILTER_DIRECTIONS];
};

/* Publishes the port (contract step 2).  -ENOSPC when PORT_MAX ports exist. */
int datapath_port_add(struct port *port, const struct port_settings *settings, struct err *err);
int datapath_port_set(struct port *port, const struct port_settings *settings, struct err *err);
/* Tells workers what the port type has changed of the port's own (its mtu). */
int datapath_port_refresh(struct port *port, struct err *err);
/* Changes the filters alone (port_settings.filters).  The old ones are free on success. */
int datapath_port_set_filters(
	struct port *port, const struct filter *const filters[FILTER_DIRECTIONS], struct err *err);
/* Contract step 4.  Never fails in a way that leaves the port half there. */
void datapath_port_del(struct port *port);
/* Contract step 5, after that: ops->destroy, when no worker can be looking at the port any more. */
void datapath_port_destroy(struct port *port);
/* The bridge it is on, -1 = none. */
int datapath_port_bridge(const struct port *port);
/* Contract step 3; fd -1 ends it.  The datapath never reads or closes fd. */
int datapath_port_watch(struct port *port, unsigned queue, int fd);
/*
 * A blocked port receives and sends nothing, as one without a bridge; it stays blocked until told
 * otherwise, whatever datapath_port_set() does.  -ENOMEM: nothing was changed.
 */
int datapath_port_block(struct port *port, bool blocked);
/* A number that no other port ever had; a later port's is higher. */
uint32_t datapath_port_generation(const struct port *port);
/* The port that has this index and generation; NULL when it is gone. */
struct port *datapath_port_find(unsigned index, uint32_t generation);
/* The VLAN of untagged frames from there, of those that it carries the lowest if there is none. */
unsigned datapath_port_vlan(const struct port *port);
/* A guest that went away takes its learnt addresses along. */
void datapath_port_flush(struct port *port);
/*
 * Lets the switch receive a frame as if this port had brought it (the announcement of a migrated
 * guest).  len: FRAME_LEN_MIN..DATAPATH_INJECT_MAX.  -EAGAIN when too many wait already.
 */
#define DATAPATH_INJECT_MAX 128
int datapath_inject(struct port *port, const uint8_t *bytes, unsigned len);
/*
 * Sends an untagged frame of this length out of one port, in the form that the port gives to frames
 * of the VLAN (0 = none, ..4094).  It is not sent when the port does not carry the VLAN or is down.
 * -EAGAIN as above.
 */
int datapath_send(struct port *port, unsigned vlan, const uint8_t *bytes, unsigned len);
/* Sum over the workers, and what was restored. */
void datapath_port_counters(const struct port *port, struct port_counters *sum);
/* What the port had counted before this process. */
void datapath_port_restore(struct port *port, const struct port_counters *counters);

/* ---- mirrors: small integers, 0..MIRROR_MAX-1 ---- */

#define MIRROR_MAX 64

struct mirror_settings {
	unsigned bridge;
	struct vlan_set vlans; /* frames of these are wanted; empty = of all */
	/* >= 0: of the copies, which share the port with other frames; -1: each copy has its own */
	int vlan;
};

struct mirror_counters {
	uint64_t frames, bytes; /* copies made */
	uint64_t dropped;       /* of them, those that were not delivered */
} __attribute__((aligned(64)));

/*
 * Makes, changes or (NULL) ends a mirror; `ports` says of each port, by its index, what mirrors have
 * to do with it from then on.  -ENOMEM: nothing was changed.
 */
int datapath_mirror_set(unsigned mirror, const struct mirror_settings *settings,
	const struct port_mirrors ports[PORT_MAX], struct err *err);
/* Sum over the workers, since the mirror was made. */
void datapath_mirror_counters(unsigned mirror, struct mirror_counters *sum);

/* ---- queues on workers ---- */

/* The worker that polls a receive queue / owns a transmit queue; moved live. */
unsigned datapath_queue_worker(const struct port *port, unsigned queue);
int datapath_queue_move(struct port *port, unsigned queue, unsigned worker, struct err *err);

struct worker_stats {
	uint16_t cpu;
	bool sleeping;
	unsigned queues;         /* receive queues it polls */
	uint64_t packets;        /* received, since the reset */
	uint64_t busy_cycles;    /* TSC cycles of turns that found work */
	uint64_t idle_cycles;    /* of turns that found none, and of sleep */
	uint64_t turns, wakeups; /* loop turns with work; times woken from sleep */
	uint64_t tsc_hz;
};

unsigned datapath_worker_count(void);
void datapath_worker_stats(unsigned worker, struct worker_stats *stats);
void datapath_worker_reset(unsigned worker);

/* ---- what workers tell the control thread ---- */

enum datapath_event_type {
	DATAPATH_EVENT_LEARN,  /* handled inside */
	DATAPATH_EVENT_BROKEN, /* a queue of a port broke: queue, reason (port type's code) */
};

/* worker: reports that a queue broke.  Dropped and counted when the ring is full. */
void datapath_report_broken(struct port *port, unsigned queue, unsigned reason);

/* Called on the control thread from datapath_dispatch(). */
typedef void (*datapath_broken_cb)(struct port *port, unsigned queue, unsigned reason);
void datapath_on_broken(datapath_broken_cb callback);

/* An address was heard where it may not go. */
struct mac_report {
	bool pinned; /* it moves too often, and stays at home for a while; else home is sticky */
	unsigned bridge;
	struct mac mac;
	uint16_t vlan;
	struct port *home, *seen;
};

/* Called on the control thread from datapath_dispatch(). */
typedef void (*datapath_mac_cb)(const struct mac_report *report);
void datapath_on_mac(datapath_mac_cb callback);

/*
 * The event loop calls datapath_dispatch() when this descriptor is readable (workers signal it when
 * they have something to say), and datapath_tick() once a second (ageing).
 */
int datapath_event_fd(void);
void datapath_dispatch(void);
void datapath_tick(void);

/* Seconds of the clock that MAC table entries are stamped with. */
uint32_t datapath_now_s(void);

/* What the learning queue lost, since start (a learner is asked again by the next frame). */
uint64_t datapath_events_lost(void);

#endif
