/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * group: copies of the broadcast and multicast frames that an interface receives, and the wishes
 * of the switch about what the interface shall receive.
 *
 * An XDP program cannot give one frame to two receivers.  It leaves group frames to the host, and
 * this packet socket (packet(7)) reads along behind it: only frames to group addresses, only
 * received ones, by a ring that the kernel writes and no system call is needed to read.  The kernel
 * has taken a VLAN tag out of the frame and tells it beside; it is put back.  It also tells of a
 * checksum that is still to be completed (frames from the same host), which becomes an offload
 * request.
 *
 * A NIC passes on frames for its own address only.  The socket asks for each address of the switch
 * (PACKET_MR_UNICAST), for everything when there are many, for all multicast.  All of this ends by
 * itself when the daemon dies.
 *
 * Threads: control thread, except what is marked.
 */
#ifndef DATAPATH_XDP_GROUP_H
#define DATAPATH_XDP_GROUP_H

#include "datapath/port.h"
#include "lib/err.h"

#define GROUP_SLOTS     512
#define GROUP_UNICAST   64 /* more addresses than that: the interface becomes promiscuous */
#define GROUP_SLOT      2048
#define GROUP_SLOT_LONG 16384

struct group;

int group_open(struct group **group, int ifindex, unsigned mtu, struct err *err);
/* No worker may be using it.  NULL is fine. */
void group_close(struct group *group);
int group_fd(const struct group *group);

/* `all`: every frame that passes by, whatever the addresses say. */
void group_want_all(struct group *group, bool all);
/* Wanted once, unwanted once. */
void group_want(struct group *group, const struct mac *mac, bool wanted);
bool group_is_promiscuous(const struct group *group);
/* Frames that found the ring full, since group_open(). */
uint64_t group_lost(struct group *group);

/* worker: as port_ops. */
bool group_rx(struct group *group, struct burst *burst, struct port_counters *counters);
void group_rx_done(struct group *group);
bool group_arm(const struct group *group);

#endif
