/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "datapath/port.h"

_Thread_local unsigned port_worker;

void
port_init(struct port *port, const struct port_ops *ops, const char *name, unsigned rx_queues,
	unsigned tx_queues)
{
	assert(rx_queues >= 1 && rx_queues <= PORT_QUEUES_MAX);
	assert(tx_queues <= PORT_QUEUES_MAX);

	memset(port, 0, sizeof(*port));
	port->ops = ops;
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->rx_queues = (uint16_t)rx_queues;
	port->tx_queues_max = (uint16_t)tx_queues;
	for (unsigned i = 0; i < PORT_QUEUES_MAX; i++)
		port->wake_fd[i] = -1;
}
