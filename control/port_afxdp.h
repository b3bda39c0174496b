/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_afxdp: the row of control/port_types.c for ports that share an interface with the host:
 * configuration to datapath/port_xdp.h, the interface's coming and going, and status to JSON.
 */
#ifndef CONTROL_PORT_AFXDP_H
#define CONTROL_PORT_AFXDP_H

#include "control/port_types.h"

int port_afxdp_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err);
int port_afxdp_open(struct port *port, struct err *err);
int port_afxdp_set(struct port *port, const struct port_config *config, struct err *err);
void port_afxdp_close(struct port *port);
void port_afxdp_status(const struct port *port, struct port_state *state);

#endif
