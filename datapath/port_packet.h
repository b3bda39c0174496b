/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_packet: a port that is an interface of the kernel's, by packet sockets: any interface, shared
 * with the host, without a right beyond CAP_NET_RAW.  The interface may vanish and come back.
 *
 * Life: create, datapath_port_add(), attach and detach as the interface comes and goes,
 * datapath_port_del(), destroy (datapath/port.h).
 *
 * Threads: the control thread, but for the operations of the contract.
 */
#ifndef DATAPATH_PORT_PACKET_H
#define DATAPATH_PORT_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/port.h"
#include "lib/err.h"

struct port_packet_options {
	const char *type; /* what the port is called: "afpacket"; a constant */
	const char *name;
	unsigned queues;            /* 1..PORT_QUEUES_MAX */
	void *owner;                /* port_packet_owner() */
	void (*ended)(void *owner); /* when the port is destroyed; may be NULL */
};

int port_packet_create(
	const struct port_packet_options *options, struct port **port, struct err *err);
void *port_packet_owner(const struct port *port);

/* Begins to receive from the interface, instead of the one before.  On failure the port is detached. */
int port_packet_attach(struct port *port, int ifindex, unsigned mtu, struct err *err);
void port_packet_detach(struct port *port);
/* Frames pass (the interface is up and has its carrier), or are dropped. */
void port_packet_link(struct port *port, bool up);

/* Frames that arrived faster than they were taken, since the port was made. */
uint64_t port_packet_lost(struct port *port);

#endif
