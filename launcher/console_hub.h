/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * console_hub: the serial console of a virtual machine, for as many as want to see it.
 *
 * What the guest prints goes to a log of bounded size and to every client; what clients type goes to
 * the guest.  A client that does not read loses bytes, and the guest never waits for one.
 *
 * Threads: that of the event loop.
 */
#ifndef LAUNCHER_CONSOLE_HUB_H
#define LAUNCHER_CONSOLE_HUB_H

#include "lib/err.h"
#include "lib/unix_socket.h"

#define CONSOLE_CLIENTS_MAX 16
#define CONSOLE_CLIENT_MAX  (256u << 10) /* bytes that a client has not read yet */
#define CONSOLE_INPUT_MAX   (64u << 10)  /* bytes that the guest has not read yet */
#define CONSOLE_LOG_MAX     (1u << 20)   /* of the file; the one before it has its name and ".1" */
#define CONSOLE_REPLAY      4096         /* bytes that a new client is shown */

struct console_hub;
struct event_base;

/*
 * Listens on `path`.  log: path of the file, begun anew; "" = none.  -EADDRINUSE, -ENOMEM, ...
 */
int console_hub_create(struct console_hub **hub, struct event_base *loop, const char *path,
	const char *log, struct err *err);
void console_hub_destroy(struct console_hub *hub); /* NULL is fine */

/* The guest's end of the console: takes a stream socket. */
int console_hub_attach(struct console_hub *hub, int guest);
/* One more client, from the first byte on: takes a stream socket, also on failure. */
int console_hub_add(struct console_hub *hub, int client);
/* The guest has ended: what it said last is passed on, then every client is disconnected. */
void console_hub_finish(struct console_hub *hub);

#endif
