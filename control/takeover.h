/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * takeover: what two daemons say to each other when one takes the place of the other.
 *
 *	old (control/giver.c)                     new (control/taker.c)
 *	                                          connects to the offered socket
 *	CONFIG, TABLES: what runs        ->       makes bridges and ports, closed
 *	                                 <-       PREPARED
 *	stops the rings
 *	TABLES, SOCKET, PORT, ITEM..., END  ->    takes all of it, starts nothing
 *	                                 <-       READY
 *	gives up what cannot be shared
 *	GO                               ->       starts the rings
 *	ends
 *
 * Until GO the old daemon can go on as if nothing had happened, and does when the new one ends, says
 * ABORT or takes too long.  From GO on it touches nothing any more.
 *
 * A record is one packet of a SOCK_SEQPACKET socket, with descriptors.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_TAKEOVER_H
#define CONTROL_TAKEOVER_H

#include "vhost/handover.h"

#define TAKEOVER_VERSION    1
#define TAKEOVER_PREPARE_MS 10000 /* the new daemon makes its ports; the old one forwards */
#define TAKEOVER_HOLD_MS    1000  /* the rings stand still */
#define TAKEOVER_NAME_SIZE  64    /* of the socket, which is in the abstract name space */

enum takeover_type {
	TAKEOVER_CONFIG, /* 1 descriptor: a file */
	TAKEOVER_PREPARED,
	TAKEOVER_TABLES, /* 1 descriptor: control/tables.h */
	TAKEOVER_SOCKET, /* 1 descriptor: the control socket; item.bytes: its file's device, inode */
	TAKEOVER_PORT,   /* item.bytes: the name of the port whose items follow */
	TAKEOVER_ITEM,
	TAKEOVER_END,
	TAKEOVER_READY,
	TAKEOVER_GO,
	TAKEOVER_ABORT, /* item.bytes: why */
};

struct takeover_record {
	uint32_t version, type;
	struct handover_item item;
};

/* Sends a record with the item's descriptors, waiting at most ms in all.  Negative errno. */
int takeover_send(int socket, const struct takeover_record *record, int ms);
/* A record without descriptors that holds at most a text. */
int takeover_say(int socket, enum takeover_type type, const char *text, int ms);

/*
 * Receives one, waiting at most ms; its descriptors are the caller's.  -ETIMEDOUT, -ECONNRESET the
 * other end is gone, -EPROTO no record of this version.
 */
int takeover_receive(int socket, struct takeover_record *record, int ms);
/* The same, of this type; whatever else comes is an error, ABORT with its text. */
int takeover_expect(int socket, enum takeover_type type, struct takeover_record *record, int ms,
	struct err *err);

/* Closes the descriptors that nobody took. */
void takeover_record_close(struct takeover_record *record);

#endif
