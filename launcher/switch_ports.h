/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * switch_ports: the ports that a virtual machine has on patchbayd: added before it starts, there again
 * when patchbayd was restarted, gone with it.
 *
 * Conversations over the control socket are short, as patchbayd takes few clients at a time; in between
 * the name of the socket is watched.
 *
 * Threads: that of the event loop.
 */
#ifndef LAUNCHER_SWITCH_PORTS_H
#define LAUNCHER_SWITCH_PORTS_H

#include "launcher/definition.h"
#include "lib/err.h"

struct event_base;
struct switch_ports;

struct switch_ports_handler {
	/* All ports are there, or err says why not; once. */
	void (*ready)(void *arg, const struct err *err);
	/* They are gone, or patchbayd did not do it in time; once after switch_ports_remove(). */
	void (*removed)(void *arg);
	void *arg;
};

/*
 * Begins to add the ports of the definition, which lives as long.  socket: control socket of patchbayd;
 * NULL = where commands look for it.  ready() is never called from in here.
 */
int switch_ports_create(struct switch_ports **ports, struct event_base *loop,
	const struct vm_definition *def, const char *socket,
	const struct switch_ports_handler *handler, struct err *err);

void switch_ports_remove(struct switch_ports *ports);
void switch_ports_destroy(struct switch_ports *ports); /* NULL is fine */

/* Has the definition any port on the switch? */
bool definition_has_ports(const struct vm_definition *def);

#endif
