/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_packet: ports of types afpacket and veth, for control/port_types.c: an interface that exists
 * is followed as it vanishes, comes back, goes up and down and changes its MTU; a veth pair is made
 * into a network namespace, and made again when the namespace comes back.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_PORT_PACKET_H
#define CONTROL_PORT_PACKET_H

#include "control/port_types.h"

int port_afpacket_create(struct event_base *loop, const struct port_config *config,
	struct port **port, struct err *err);
int port_veth_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err);
int packet_port_open(struct port *port, struct err *err);
void packet_port_close(struct port *port);
void packet_port_status(const struct port *port, struct port_state *state);

#endif
