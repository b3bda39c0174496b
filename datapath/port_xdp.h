/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_xdp: a network interface that the host goes on using (port type afxdp).
 *
 * An XDP program of ours gives the switch the frames that are for it: to addresses behind other
 * ports of the bridge, and of chosen VLANs.  Copies of broadcast and multicast frames come by a
 * packet socket; all the rest is the host's.  One AF_XDP socket per receive queue of the interface;
 * receive queue `rx_queues - 1` of the port is the packet socket.
 *
 * The interface may vanish and come back (port_xdp_down, port_xdp_up); the port stays.
 *
 * Threads: the control thread.
 */
#ifndef DATAPATH_PORT_XDP_H
#define DATAPATH_PORT_XDP_H

#include "datapath/port.h"
#include "datapath/xdp/program.h"
#include "lib/err.h"

/* The interface as it is. */
struct xdp_nic {
	int ifindex;
	unsigned mtu, rx_queues; /* rx_queues: when the driver does not tell better */
	struct mac mac;
	bool running;
};

/* What may change while the port works. */
struct xdp_wishes {
	bool pass;             /* frames for the switch while no daemon runs: to the host */
	struct vlan_set vlans; /* all frames of these are the switch's */
};

struct port_xdp_options {
	const char *name, *dev;
	enum xdp_mode mode;
	struct xdp_wishes wishes;
};

/* Step 1 of the port contract (datapath/port.h): everything that can be refused is done here. */
int port_xdp_create(const struct port_xdp_options *options, const struct xdp_nic *nic,
	struct port **port, struct err *err);
/* After datapath_port_add(). */
void port_xdp_open(struct port *port);
const char *port_xdp_dev(const struct port *port);

int port_xdp_set(struct port *port, const struct xdp_wishes *wishes, struct err *err);

/*
 * The interface changed.  Follows what can be followed; when packet memory no longer fits the MTU,
 * or the interface is another one, sockets are made anew.  Does port_xdp_up()'s work too.
 */
int port_xdp_follow(struct port *port, const struct xdp_nic *nic, struct err *err);
/* The interface is gone. */
void port_xdp_down(struct port *port);

/* At its end the program stays on the interface: another daemon takes it over. */
void port_xdp_leave(struct port *port);

/* Addresses that were taken over from a dead daemon and that nobody has used since: forget them. */
void port_xdp_sweep(struct port *port);

struct port_xdp_status {
	bool open; /* has its sockets; the rest is zero otherwise */
	struct xdp_nic nic;
	struct xdp_share_status program;
	struct share_counters counters; /* of the program, older than the daemon if taken over */
	unsigned queues, zero_copy;     /* sockets; of these, with zero-copy */
	bool pieces;                    /* frames in several descriptors */
	bool promiscuous;
	bool rxvlan; /* tags cannot be seen: the driver keeps its VLAN offload */
	bool joins;  /* generic mode, and the kernel joins frames */
	unsigned addresses;
	uint64_t ring_full, no_chunk, invalid, group_lost; /* frames the kernel could not give */
};
void port_xdp_status(const struct port *port, struct port_xdp_status *status);

#endif
