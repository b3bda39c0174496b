/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * announce: tells the switches outside that the bridge's addresses are behind another of its ports'
 * cables: one reverse ARP request (RFC 903) of each, sent out of the port in its VLAN.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_ANNOUNCE_H
#define CONTROL_ANNOUNCE_H

struct event_base;
struct port;
struct announce;

/* NULL when memory is short. */
struct announce *announce_create(struct event_base *loop, struct port *port);
void announce_destroy(struct announce *announce);

/* All addresses of the port's bridge that are not behind the port, from the beginning. */
void announce_start(struct announce *announce);

#endif
