/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost: vhost-user ports for the control thread.
 *
 * Each port serves one front end at a time on its own non-blocking connection: half a message and
 * silence costs that connection only (closed after VHOST_MESSAGE_MS).  In server mode the port
 * listens on `path`; in client mode it connects and, when the front end is away, tries again for
 * ever (at once when the socket file appears, else every VHOST_RETRY_MS).
 *
 * Threads: the control thread, whose event loop is given here.
 */
#ifndef VHOST_VHOST_H
#define VHOST_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/port.h"
#include "lib/err.h"
#include "lib/needs.h"

#define VHOST_MESSAGE_MS 2000
#define VHOST_RETRY_MS   100

struct event_base;

struct vhost_options {
	const char *name; /* the port's */
	const char *path; /* absolute; at most 107 bytes */
	bool client;      /* we connect; else we listen */
	unsigned queues;  /* pairs offered, 1..VHOST_QUEUE_PAIRS_MAX */
	uint16_t mtu;     /* offered with VIRTIO_NET_F_MTU; 0 = not offered */
	mode_t mode;      /* of the socket file; 0 = 0660 */
	uid_t owner;      /* (uid_t)-1 = unchanged */
	gid_t group;
	uint64_t features_off; /* VIRTIO_BIT()s not to offer */
};

/*
 * Step 1 of the port contract; the socket is opened by vhost_port_open() after the port was added.
 * -ENAMETOOLONG, -EINVAL, -ENOMEM.
 */
int vhost_port_create(struct event_base *loop, const struct vhost_options *options,
	struct port **port, struct err *err);

/*
 * Starts to listen or to connect.  A stale socket file of ours is replaced; a live one, another
 * kind of file, a missing or unwritable directory are errors that say so.
 */
int vhost_port_open(struct port *port, struct err *err);

/* Ends the connection and removes the socket file; before datapath_port_del(). */
void vhost_port_close(struct port *port);

/* on: what the guest sends stays in its rings, until off or until its front end is gone. */
void vhost_port_mute(struct port *port, bool on);

/* A worker found a ring of the port broken (datapath_on_broken). */
void vhost_port_broken(struct port *port, unsigned queue, unsigned reason);

struct vhost_stall {
	unsigned ring; /* even: the guest receives, odd: it sends */
	char text[160];
};

/*
 * To be called once a second: looks for rings that have had work for a second and made no progress,
 * and tells of each when that begins and when it ends.  A worker that sleeps is woken.
 */
typedef void (*vhost_stall_cb)(
	struct port *port, const struct vhost_stall *stall, bool begins, void *arg);
void vhost_port_check(struct port *port, vhost_stall_cb tell, void *arg);
/* The one that `ring` is in; false: it moves, or has nothing to do. */
bool vhost_port_stall(const struct port *port, unsigned ring, struct vhost_stall *stall);

enum vhost_link { VHOST_LISTENING, VHOST_CONNECTING, VHOST_NEGOTIATING, VHOST_UP, VHOST_BROKEN };

struct vhost_status {
	enum vhost_link link;
	char reason
		[160]; /* why it is not up, or why the last connection ended; "" = nothing to say */
	uint64_t features; /* negotiated */
	uint64_t protocol_features;
	unsigned queue_pairs; /* running */
	unsigned regions;
	uint64_t memory_bytes;
	uint64_t connections; /* since the port exists */
	uint64_t errors;      /* of them, ended by us */
	bool packed, sealed;
	uint16_t ring_size;
	uint32_t features_count;
	uint64_t calls;
};

void vhost_port_status(const struct port *port, struct vhost_status *status);
/* "up", "listening", ... */
const char *vhost_link_text(enum vhost_link link);

/* For vhost-user ports, beside sockets (lib/unix_socket.h). */
extern const struct needs vhost_needs;

#endif
