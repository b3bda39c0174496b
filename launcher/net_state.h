/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_state: what the files of the network card share: net.c (device, connection), net_rings.c (rings
 * at the back end), net_control.c (the control queue).
 */
#ifndef LAUNCHER_NET_STATE_H
#define LAUNCHER_NET_STATE_H

#include "launcher/net.h"
#include "vhost/virtio.h"

/* Features that are the back end's to have; the others are ours. */
#define NET_BACKEND_FEATURES                                                                    \
	(VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |                  \
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) |     \
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO) |       \
		VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6) |       \
		VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN) | VIRTIO_BIT(VIRTIO_NET_F_HOST_UFO) |         \
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO4) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO6) |     \
		VIRTIO_BIT(VIRTIO_NET_F_HOST_USO) | VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) |        \
		VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) | \
		VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_RING_PACKED) |             \
		VIRTIO_BIT(VIRTIO_F_IN_ORDER))

#define NET_STATUS_LINK     1
#define NET_STATUS_ANNOUNCE 2

/* ---- net_rings.c: the card's thread ---- */

/* Gives the rings to the back end, from their beginning or where they were. */
int net_rings_start(struct net *net, struct err *err);
/* The back end has let go of them, if it is there. */
void net_rings_stop(struct net *net);
int net_rings_enable(struct net *net, unsigned pairs);

/* ---- net_control.c: the card's thread ---- */

void net_control_start(struct net *net);
void net_control_serve(struct net *net);
int net_control_fd(const struct net *net);

#endif
