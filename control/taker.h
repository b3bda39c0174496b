/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * taker: the daemon that takes the place of another one (control/takeover.h).
 *
 * Threads: the control thread, before its event loop runs.
 */
#ifndef CONTROL_TAKER_H
#define CONTROL_TAKER_H

#include "control/state.h"
#include "control/takeover.h"
#include "lib/unix_socket.h"

struct taker {
	int peer; /* -1 = none */
};

/* Asks the daemon behind a control socket to give up its place.  -ECONNREFUSED, -EACCES, ... */
int taker_connect(struct taker *taker, const char *socket_path, struct err *err);

/*
 * Makes all that the other daemon has, and takes it over: when this returns 0 the rings run here and
 * *socket is the control socket.  On failure the other daemon goes on; what was made here is the
 * caller's to clear.  Ports that cannot be handed over are closed there and opened here; the ones
 * that fail to open are logged.
 */
int taker_run(
	struct taker *taker, struct state *state, struct unix_socket *socket, struct err *err);

void taker_close(struct taker *taker);

#endif
