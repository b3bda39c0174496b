/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_packet_internal: what the life of a packet port and its packet path share.
 */
#ifndef DATAPATH_PORT_PACKET_INTERNAL_H
#define DATAPATH_PORT_PACKET_INTERNAL_H

#include "datapath/packet_queue.h"
#include "datapath/port.h"

struct port_packet {
	struct port port;
	struct port_ops ops;
	/* NULL while there is no interface; workers load it once per call. */
	_Atomic(struct packet_queue *) queues[PORT_QUEUES_MAX];
	uint64_t lost;
	void *owner;
	void (*ended)(void *owner);
};

bool packet_rx(
	struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters);
void packet_rx_done(struct port *port, unsigned queue, struct burst *burst);
void packet_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters);
void packet_tx_flush(struct port *port, unsigned queue);
bool packet_rx_arm(struct port *port, unsigned queue);

#endif
