/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * giver: the daemon that another one takes the place of (control/takeover.h).
 *
 * Between the request and the end of the matter the control socket is paused: what runs does not
 * change under the one who takes it.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_GIVER_H
#define CONTROL_GIVER_H

#include "control/state.h"
#include "control/takeover.h"
#include "lib/unix_socket.h"
#include "lib/needs.h"

struct event_base;
struct giver;
struct starter;

struct giver_options {
	struct event_base *loop;
	struct state *state;
	struct unix_socket *socket; /* the control socket */
	void (*pause)(void *arg, bool on);
	void (*gone)(void *arg); /* everything was given away: end */
	void *arg;
	struct starter *starter; /* starts the next daemon; borrowed */
};

int giver_create(struct giver **giver, const struct giver_options *options, struct err *err);
void giver_destroy(struct giver *giver);

/*
 * Waits for a new daemon of our user, or root's, on a socket whose abstract name is returned.
 * -EBUSY when one is under way.
 */
int giver_offer(struct giver *giver, char name[TAKEOVER_NAME_SIZE], struct err *err);

/*
 * Starts this program anew, from the file that it was started from and with the same arguments, to
 * take the place of this process (control/starter.h).  Returns its process number at once; -EBUSY
 * when a takeover is under way.
 */
int giver_restart(struct giver *giver, struct err *err);

/* Beside sockets (lib/unix_socket.h). */
extern const struct needs giver_needs;

#endif
