/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * punt: copies of chosen frames for the control thread, which must see some protocols (IGMP, probe
 * frames) that it has no other way to see.  The frame itself goes its way.
 *
 * A worker copies into a slot of its own ring; the control thread takes them out in
 * datapath_dispatch().  Each port may punt a number of frames of each reason in PUNT_PERIOD_MS, and
 * all ports of a worker together PUNT_WORKER_FACTOR times as many: no sender keeps the control
 * thread busy, and none can keep others' frames from it.  What is over that, or finds the ring full,
 * is not copied and is counted.
 */
#ifndef DATAPATH_PUNT_H
#define DATAPATH_PUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/frame.h"

/* X(identifier, frames per port and period, what for) */
#define PUNT_LIST(X)                                                         \
	X(DHCP, 20, "answers of DHCP servers to ports that learn from them") \
	X(MULTICAST, 20, "messages of IGMP and MLD, of bridges that snoop")  \
	X(PROBE, 5, "probe frames of the loop guard that came back")         \
	X(SLOW, 10, "LACPDUs and markers that members of bonds received")

enum punt_reason {
#define X(name, most, text) PUNT_##name,
	PUNT_LIST(X)
#undef X
		PUNT_COUNT
};

#define PUNT_PERIOD_MS     100
#define PUNT_WORKER_FACTOR 8
#define PUNT_SLOTS         256 /* frames that wait for the control thread, per worker */
#define PUNT_BYTES         2048

struct punted {
	uint32_t generation; /* of the port, see snapshot_port */
	uint16_t port;       /* index */
	uint16_t reason;     /* enum punt_reason */
	uint16_t vlan;       /* it belongs to on the bridge */
	uint16_t stored;     /* valid bytes of `bytes` */
	uint32_t len;        /* of the whole frame, in the form that `bytes` has */
	/* As received, without the tag that said the VLAN: a customer's own tag is still there. */
	uint8_t bytes[PUNT_BYTES];
};

struct port;
struct punt_ring;
struct snapshot_port;
struct worker;

/*
 * Called on the control thread for each frame of a reason, for ports that are still there.  NULL
 * ends it.  One listener per reason.
 */
typedef void (*punt_listener)(void *arg, struct port *port, const struct punted *frame);
void punt_listen(enum punt_reason reason, punt_listener listener, void *arg);

/* Frames that were not copied, of all workers. */
uint64_t punt_lost(enum punt_reason reason);

/* ---- inside the datapath folder ---- */

/* -ENOMEM. */
int punt_ring_create(struct punt_ring **ring);
void punt_ring_destroy(struct punt_ring *ring);

/*
 * worker: copies the first min(wanted, PUNT_BYTES) bytes of a frame of the burst.  False: over the
 * limit, or no room.
 */
bool punt(struct worker *w, enum punt_reason reason, const struct snapshot_port *in,
	struct frame *f, unsigned wanted);

/* control thread: delivers what waits, a bounded number; true when more is there. */
bool punt_dispatch(struct punt_ring *ring);
uint64_t punt_ring_lost(const struct punt_ring *ring, enum punt_reason reason);

#endif
