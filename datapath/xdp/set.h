/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * set: all that reads and writes frames of an interface: an AF_XDP socket per receive queue and the
 * packet socket for group frames.  Made anew when the interface is another one or its MTU changes.
 *
 * Threads: the control thread; workers go on to the sockets and the packet socket.
 */
#ifndef DATAPATH_XDP_SET_H
#define DATAPATH_XDP_SET_H

#include "datapath/xdp/group.h"
#include "datapath/xdp/socket.h"

#define XDP_SOCKETS_MAX (PORT_QUEUES_MAX - 1)

struct xdp_set {
	unsigned queues;
	uint32_t max_len; /* of a frame that the interface sends, without a tag */
	struct group *group;
	struct xdp_socket *sockets[XDP_SOCKETS_MAX];
};

struct xdp_set_options {
	const char *dev;
	int ifindex;
	unsigned mtu;
	unsigned queues; /* 1..XDP_SOCKETS_MAX */
};

int xdp_set_open(struct xdp_set **set, const struct xdp_set_options *options, struct err *err);
/* No worker may be using it.  NULL is fine. */
void xdp_set_close(struct xdp_set *set);

#endif
