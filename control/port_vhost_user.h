/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_vhost_user: the row of control/port_types.c for vhost-user ports: configuration to
 * vhost/vhost.h, and its status to JSON.
 */
#ifndef CONTROL_PORT_VHOST_USER_H
#define CONTROL_PORT_VHOST_USER_H

#include "control/port_types.h"
#include "vhost/vhost.h"

int port_vhost_user_create(struct event_base *loop, const struct port_config *config,
	struct port **port, struct err *err);
void port_vhost_user_status(const struct port *port, struct port_state *state);

#endif
