/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_eth: ports that DPDK's ethdev drives: network cards by their PCI address, kernel tap
 * interfaces, capture files, the null device.
 */
#ifndef DATAPATH_PORT_ETH_H
#define DATAPATH_PORT_ETH_H

#include "datapath/port.h"
#include "lib/err.h"

struct port_eth_options {
	const char *name;  /* the port's name */
	const char *type;  /* "pci", "tap", "pcap", "null" */
	const char *dev;   /* tap: the interface's name */
	const char *pci;   /* pci: the card's address */
	const char *file;  /* pcap: the file to read, NULL = none */
	const char *write; /* pcap: the file to write, NULL = none */
	unsigned queues;   /* 0 = 1 */
	uint16_t mtu;      /* 0 = the driver's */
	struct mac mac;    /* tap: the interface's address, zero = the driver's choice */
};

/* Step 1 of the port contract (datapath/port.h). */
int port_eth_create(const struct port_eth_options *options, struct port **port, struct err *err);
/* After datapath_port_add(): starts the wake-ups. */
int port_eth_open(struct port *port, struct err *err);

struct port_eth_status {
	bool link_up;
	bool deleted;        /* tap: somebody has deleted the interface */
	uint32_t speed_mbps; /* 0 = unknown */
	struct mac mac;
	uint16_t mtu;
	char driver[32];
	unsigned accepts; /* OFFLOAD_... that the card does */
};
void port_eth_status(const struct port *port, struct port_eth_status *status);
bool port_eth_has_link(const struct port *port);

/* The counters of the device itself; returns how many, 0 when there are more than max. */
struct port_eth_xstat {
	char name[64];
	uint64_t value;
};
unsigned port_eth_xstats(const struct port *port, struct port_eth_xstat *stats, unsigned max);

#endif
