/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_eth: ports that DPDK's ethdev drives: kernel tap interfaces, AF_PACKET sockets, capture
 * files, the null device.  One table row per driver (port_eth.c).
 */
#ifndef DATAPATH_PORT_ETH_H
#define DATAPATH_PORT_ETH_H

#include "datapath/port.h"
#include "lib/err.h"

struct port_eth_options {
	const char *name;   /* the port's name */
	const char *type;   /* "tap", "afpacket", "pcap", "null" */
	const char *target; /* interface or file name, NULL where the type takes none */
	unsigned queues;    /* 0 = 1 */
	uint16_t mtu;       /* 0 = the driver's */
	struct mac mac;     /* zero = the driver's */
};

/* Step 1 of the port contract (datapath/port.h). */
int port_eth_create(const struct port_eth_options *options, struct port **port, struct err *err);
/* After datapath_port_add(): starts the wake-ups. */
int port_eth_open(struct port *port, struct err *err);

struct port_eth_status {
	bool link_up;
	uint32_t speed_mbps; /* 0 = unknown */
	struct mac mac;
	uint16_t mtu;
};
void port_eth_status(const struct port *port, struct port_eth_status *status);

#endif
