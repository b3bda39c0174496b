/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend: the vhost-user protocol of one port: what a front end has told us, and the rings that
 * run because of it.  No sockets are opened and no events awaited here (vhost/connection.h).
 *
 * Threat model: the front end may send anything, in any order, at any time.  Each request is looked
 * up in one table (backend.c) that says how long it is, how many descriptors it brings, what must
 * have come before it and which protocol feature it needs; its handler sees it only when all of that
 * holds, checks the values, and stores nothing before everything was checked.  Memory, descriptors
 * and rings are replaced only while no worker can look at them.
 *
 * A ring runs when it is enabled, its size and addresses are known, it has been kicked (a kick
 * descriptor, or the word that none will come), features and memory are set and its addresses lie in
 * that memory.  A DRIVER_OK in the status is not waited for: front ends differ in whether they send
 * it.  Every request that changes one of these stops the rings concerned with one grace period and
 * starts those again that can run.
 *
 * Threads: the control thread.
 */
#ifndef VHOST_BACKEND_H
#define VHOST_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ethernet.h"
#include "vhost/dirty.h"
#include "vhost/inflight.h"
#include "vhost/memory.h"
#include "vhost/message.h"
#include "vhost/port_vhost.h"
#include "vhost/vring.h"

struct backend_options {
	unsigned queues;       /* pairs, 1..VHOST_QUEUE_PAIRS_MAX */
	uint16_t mtu;          /* offered with VIRTIO_NET_F_MTU; 0 = not offered */
	uint64_t features_off; /* VIRTIO_BIT()s not to offer */
	/* SEND_RARP: announce this address behind the port.  NULL = not offered. */
	void (*announce)(struct port *port, const struct mac *mac);
};

struct backend_ring {
	uint16_t size;  /* 0 = not told */
	uint16_t next;  /* where to start: split: available index; packed: position */
	bool next_wrap; /* packed: its wrap counter */
	bool exact;     /* next is where our own run stopped */
	bool addressed, enabled, kicked;
	bool broken; /* until the front end takes the ring back */
	bool polled; /* no kick will come: kick_fd is a timer of ours */
	struct vhost_vring_addr addr;
	int kick_fd, call_fd, err_fd; /* -1 = none */
	struct vring *vring;          /* running */
};

struct backend {
	struct vhost_rings *rings;
	struct backend_options options;
	uint64_t features_offered, protocol_offered;

	/* What this front end said. */
	bool features_set;
	uint64_t features, protocol;
	uint8_t status;
	struct backend_ring ring[VHOST_RINGS_MAX];
	struct guest_memory *memory;
	struct dirty_log *log;
	struct inflight_region inflight;

	uint32_t held; /* rings between backend_hold() and backend_release(): they do not start */

	char waiting[160]; /* why a ring that should run does not; "" = none */
	uint64_t calls;    /* by rings that were stopped */
};

/* The rings' port must be initialised.  Nothing is allocated. */
void backend_init(
	struct backend *b, struct vhost_rings *rings, const struct backend_options *options);

/*
 * Serves one whole message and answers it on the socket.  0: served.  1: refused with an answer that
 * says so, err tells why; the connection stays.  Negative: the connection must be closed, err tells
 * why.  Descriptors that are kept are taken out of the reader.
 */
int backend_serve(struct backend *b, int socket, struct message_reader *request, struct err *err);

/* Forgets the front end: stops the rings, closes its descriptors, unmaps its memory. */
void backend_disconnect(struct backend *b);

/* ---- a process that takes over (vhost/handover.h) ---- */

#define BACKEND_RINGS_ALL  UINT32_MAX
#define BACKEND_RINGS_SEND UINT32_C(0xaaaaaaaa) /* those on which the guest sends */

/* Stops the rings of a mask, with one grace period; none starts before backend_release(). */
void backend_hold(struct backend *b, uint32_t mask);
/* Starts those of them that can run.  -ENOMEM. */
int backend_release(struct backend *b, uint32_t mask, struct err *err);

/*
 * Says the requests that bring another back end, all held and with the same options, to the state
 * of this one, all held too: positions, descriptors and memory included.  Stops at the first that
 * `emit` refuses and returns what it said.  The descriptors stay ours.
 */
typedef int (*backend_emit)(
	void *arg, const struct vhost_message *message, const int *fds, unsigned count);
int backend_export(const struct backend *b, backend_emit emit, void *arg);
/* Serves one of them, without an answer.  Descriptors that are kept are taken out of the reader. */
int backend_import(struct backend *b, struct message_reader *request, struct err *err);

/*
 * Looks for rings that broke since the last call, signals their error descriptors and says which in
 * text.  Returns how many.
 */
unsigned backend_broken(struct backend *b, char *text, size_t size);

/* A ring is still broken. */
bool backend_is_broken(const struct backend *b);

unsigned backend_pairs_running(const struct backend *b);
uint64_t backend_calls(const struct backend *b);

/* VIRTIO_BIT()s that are offered with these options. */
uint64_t backend_features(const struct backend_options *options);

#endif
