/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnl: changes to the host's network interfaces (rtnetlink(7)): veth pairs, links, addresses, here
 * and in network namespaces that have a name (ip-netns(8)).
 *
 * Threads: the control thread.  Each call waits for the kernel's answer, which it gives at once.
 * Errors: negative errno; texts are the callers'.
 */
#ifndef CONTROL_RTNL_H
#define CONTROL_RTNL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ethernet.h"

#define RTNL_ADDRESSES_MAX 16
#define RTNL_ANSWER_SIZE   32768 /* what the kernel sends at once at most */

/* An address with its prefix length. */
struct rtnl_address {
	int family;        /* AF_INET, AF_INET6 */
	uint8_t bytes[16]; /* 4 of them for AF_INET */
	uint8_t length;
};

/* "192.0.2.1/24,2001:db8::1/64".  -EINVAL, -E2BIG with a text. */
int rtnl_addresses_parse(const char *text, struct rtnl_address list[RTNL_ADDRESSES_MAX],
	unsigned *count, struct err *err);

/* The file of a namespace; -ENOENT with a text when there is none of that name. */
int netns_open(const char *name, int *fd, struct err *err);

/* A socket for the calls below, in a namespace, or here (netns -1).  Close it with close(). */
int rtnl_open(int netns, int *fd);

struct rtnl_veth {
	const char *name;  /* of the end that stays here */
	const char *alias; /* what it says of itself */
	const char *peer;  /* the other end's name */
	int netns;         /* where the other end goes */
	unsigned queues, mtu;
	struct mac peer_mac; /* zero = the kernel's choice */
};

/* Makes the pair; our end is up, without IPv6 address. */
int rtnl_veth_add(int fd, const struct rtnl_veth *veth);
int rtnl_link_del(int fd, int ifindex);
int rtnl_link_up(int fd, int ifindex);
/* What the kernel tells of an interface, RTM_NEWLINK with its attributes; -ENODEV. */
int rtnl_link_get(int fd, const char *name, void *answer, size_t size);
/* The interface's number; -ENODEV. */
int rtnl_link_find(int fd, const char *name);
/* One that is there already is no error. */
int rtnl_address_add(int fd, int ifindex, const struct rtnl_address *address);

#endif
