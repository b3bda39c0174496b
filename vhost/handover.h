/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handover: a vhost-user port, its listening socket, its front end's connection and all that the
 * front end shares, from one process to the next, without the front end noticing.
 *
 * In the old process: vhost_port_hold() stops the rings where they are: those on which guests send,
 * of all ports, then, when what they sent has arrived, the others.  vhost_port_export() says the
 * port's state as items, each with descriptors.  Then either vhost_port_resume(): nothing has
 * happened; or vhost_port_abandon(): the port belongs to the new process, nothing of it is removed
 * from the file system and the front end is told nothing.
 *
 * In the new process: a port that was created and added to the datapath, instead of
 * vhost_port_open(): vhost_port_import() for each item, then vhost_port_adopt() and, of all ports,
 * vhost_port_resume(), which start the rings where they stopped: first those on which guests
 * receive.  vhost_port_close() before that gives everything back to nobody.
 *
 * The state of the back end travels as the vhost-user requests that lead to it (vhost/backend.h).
 *
 * Threads: the control thread.
 */
#ifndef VHOST_HANDOVER_H
#define VHOST_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/port.h"
#include "lib/err.h"

#define HANDOVER_ITEM_MAX 512 /* bytes */
#define HANDOVER_FDS_MAX  8

enum handover_kind {
	HANDOVER_LISTENER,   /* device, inode of the socket's file; 1 descriptor */
	HANDOVER_CONNECTION, /* counters; 1 descriptor */
	HANDOVER_REQUEST,    /* a whole vhost-user message with its descriptors */
	HANDOVER_PARTIAL,    /* one that has not wholly arrived */
	HANDOVER_KINDS
};

struct handover_item {
	uint32_t kind; /* enum handover_kind */
	uint32_t size; /* of bytes */
	uint32_t fd_count;
	uint8_t bytes[HANDOVER_ITEM_MAX];
	int fds[HANDOVER_FDS_MAX];
};

/* The item's descriptors stay ours.  0, or a negative errno that ends the export. */
typedef int (*handover_put)(void *arg, const struct handover_item *item);

/* senders: only the rings on which the guest sends; messages wait from then on. */
void vhost_port_hold(struct port *port, bool senders);
int vhost_port_export(struct port *port, handover_put put, void *arg);
/* senders: the rings on which the guest sends, and messages; else the others. */
void vhost_port_resume(struct port *port, bool senders);
void vhost_port_abandon(struct port *port);

/*
 * Takes descriptors that are kept out of the item (-1); the caller closes those that are left.
 * After an error the port can still be adopted: without its front end, which has to connect again.
 */
int vhost_port_import(struct port *port, struct handover_item *item, struct err *err);
/* Nothing runs before vhost_port_resume(). */
int vhost_port_adopt(struct port *port, struct err *err);

#endif
