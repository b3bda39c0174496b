/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bond: the row of control/port_types.c for ports that are several ports (datapath/bond.h): which
 * member receives and sends, by links, LACP and the configuration.
 *
 * A bond knows its members by name: they may be added before or after it, and be made anew while it
 * stays.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_BOND_H
#define CONTROL_BOND_H

#include "control/live.h"
#include "control/port_types.h"

int bond_port_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err);
int bond_port_open(struct port *port, struct err *err);
int bond_port_set(struct port *port, const struct port_config *config, struct err *err);
void bond_port_close(struct port *port);
void bond_port_status(const struct port *port, struct port_state *state);

/* Where members are found; NULL ends it. */
void bonds_start(struct live *live);
/* Some bond may have been waiting for this port, or have it as a member. */
void bonds_port_added(struct live_port *p);
void bonds_port_going(const struct port *port);
/* Its link, its MTU or what it accepts may be another. */
void bonds_port_changed(const struct port *port);
/* The name of the bond that the port is a member of; NULL = it is none. */
const char *bond_of_port(const struct port *port);

#endif
