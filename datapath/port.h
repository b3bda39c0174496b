/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port: where frames enter and leave the switch; the contract between the datapath and the port
 * types (vhost-user in vhost/, kernel interfaces and NICs in datapath/port_eth.c, in-memory ports
 * of tests).
 *
 * Life cycle, on the control thread:
 *   1. The port type allocates its own structure with a `struct port` inside and calls port_init().
 *      Nothing is visible to workers; on failure of anything up to here the type frees its memory.
 *   2. datapath_port_add() gives the port an index and counters, assigns its queues to workers and
 *      publishes it.  From now on workers call the operations below.  On failure nothing was
 *      published and the port still belongs to the caller.
 *   3. datapath_port_watch() tells, any number of times, which file descriptor wakes a receive
 *      queue (an eventfd the guest kicks).
 *   4. datapath_port_del() takes the port out, waits until no worker can be inside one of its
 *      operations, and forgets its learnt addresses.
 *   5. ops->destroy() frees it.  No operation is called any more; counters were kept by nobody.
 *
 * A port type whose own state comes and goes (a guest connects, remaps its memory, resets) keeps a
 * pointer that its rx/tx load once per call (acquire) and that its control side clears, followed by
 * datapath_synchronize(), before it frees or unmaps what the pointer led to.
 *
 * Threads: each receive queue is polled by one worker at a time, each transmit queue written by one
 * worker at a time; which ones may change between two calls, with a grace period in between.
 * Operations marked "worker" run on the packet path: no log, allocation, lock or unbounded loop;
 * no system call except in tx_flush and rx_arm, and for frames too long for a ring of the kernel's.
 */
#ifndef DATAPATH_PORT_H
#define DATAPATH_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "datapath/drop.h"
#include "datapath/frame.h"
#include "lib/ethernet.h"

#define PORT_MAX        1024 /* ports of the daemon */
#define PORT_QUEUES_MAX 16   /* queue pairs of a port */
#define PORT_NAME_SIZE  32
#define WORKER_MAX      64

/* Written by one worker each, read by the control thread (relaxed). */
struct port_counters {
	uint64_t rx_packets, rx_bytes; /* taken from the port, drops included */
	uint64_t tx_packets, tx_bytes; /* handed to the port */
	uint64_t rx_forwarded;         /* of the received: to one known destination */
	uint64_t rx_flooded;           /* of the received: to several */
	uint64_t rx_joined;            /* frames less than arrived: segments that gro joined */
	uint64_t rx_copies;            /* copies sent for the flooded ones */
	uint64_t tx_segmented;         /* frames more than arrived: software segmentation */
	uint64_t tx_csum;              /* checksums completed in software */
	uint64_t drops[DROP_COUNT];
} __attribute__((aligned(64)));

#define FRAME_LIST_SIZE (FRAME_BURST + 16) /* lists are copied by 16 entries */

/* The frames of a burst that go to one port; entries are indexes into burst->frames. */
struct frame_list {
	uint16_t count;
	uint16_t settled; /* of them, while they are sent: those sent or counted already */
	bool plain; /* each is in the form in which it leaves, unless it is in several lists */
	uint8_t index[FRAME_LIST_SIZE];
};

struct port;

struct port_ops {
	const char *type; /* "vhost-user" */

	/*
	 * worker, optional: what rx or tx will need of a queue soon is fetched into the cache; nothing
	 * is consumed.  rx_peek returns how many frames the next rx will probably bring; `count` is
	 * how many frames will probably be sent.
	 */
	unsigned (*rx_peek)(struct port *port, unsigned queue);
	void (*tx_peek)(struct port *port, unsigned queue, unsigned count);

	/*
	 * worker: take frames from a queue until the burst is full by count, bytes or segments.
	 * Malformed input is consumed and counted here.  The burst may stay empty; true when
	 * anything was consumed, so that the queue is to be flushed.
	 */
	bool (*rx)(struct port *port, unsigned queue, struct burst *burst,
		struct port_counters *counters);

	/*
	 * worker: the burst is forwarded; give the buffers back.  Called iff rx gave frames; the burst
	 * may have fewer by then.
	 */
	void (*rx_done)(struct port *port, unsigned queue, struct burst *burst);

	/*
	 * worker: deliver frames[list[0..count)] in that order, all in the form they are to leave
	 * in.  What cannot be delivered is counted as a drop; there are no leftovers.  Frames need
	 * nothing that port->accepts lacks.
	 */
	void (*tx)(struct port *port, unsigned queue, const struct frame *frames,
		const uint8_t *list, unsigned count, struct port_counters *counters);

	/* worker: end of the turn for a queue that tx or rx_done touched: notify the other side. */
	void (*tx_flush)(struct port *port, unsigned queue);
	void (*rx_flush)(struct port *port, unsigned queue);

	/*
	 * worker, before it sleeps: ask for a wake-up when frames arrive.  Returns true when some
	 * are there already.  rx_disarm() ends the request.  NULL where polling needs no request.
	 */
	bool (*rx_arm)(struct port *port, unsigned queue);
	void (*rx_disarm)(struct port *port, unsigned queue);

	/*
	 * worker, optional: memory that frames were read from or written to is gone (lib/fault.h).
	 * owns: is the address in this port's shared memory?  Runs in a signal handler.  fail: the
	 * port is the one at fault; nothing of it is touched again until its control side acts.
	 */
	bool (*owns)(struct port *port, const void *address);
	void (*fail)(struct port *port);

	/*
	 * control thread, optional: the bridge found (or no longer has) an address behind another of
	 * its ports, in a VLAN; also the `mac` that another port was given, in VLAN 0.  An address
	 * may be there several times; each present is followed by an absent sooner or later, unless
	 * the port itself is taken out first.
	 */
	void (*neighbour)(struct port *port, const struct mac *mac, unsigned vlan, bool present);

	/* control thread: see 5 above. */
	void (*destroy)(struct port *port);
};

struct port {
	const struct port_ops *ops; /* constant */
	char name[PORT_NAME_SIZE];  /* constant */
	uint16_t index;             /* constant once added: its place in the snapshot */
	uint16_t rx_queues;         /* constant: queues to poll, 1..PORT_QUEUES_MAX */
	uint16_t tx_queues_max;     /* constant */
	uint16_t mtu;               /* constant: the longest packet it can send; 0 = any */
	uint16_t poll_us; /* constant: 0 = has wake-ups; else a worker may sleep this long */

	/* Written by the port type at any time, read by workers once per burst (relaxed). */
	atomic_uint accepts;   /* OFFLOAD_... the receiver agreed to */
	atomic_uint tx_queues; /* usable transmit queues; 0 = the port is down */

	/*
	 * Written by the control thread while the port is not published; one per worker, and one of what
	 * was counted before this process.
	 */
	struct port_counters *counters; /* owned by the datapath */

	/* datapath.c: the wake-up descriptors, -1 = none. */
	int wake_fd[PORT_QUEUES_MAX];
};

/* The number of the calling worker; 0 on other threads. */
extern _Thread_local unsigned port_worker;

/* Zeroes the port and stores the constants.  Queues must be in range. */
void port_init(struct port *port, const struct port_ops *ops, const char *name, unsigned rx_queues,
	unsigned tx_queues);

#endif
