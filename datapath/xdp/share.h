/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * share: what the XDP program (share.bpf.c) and the daemon have in common: the layout of its maps.
 *
 * A program that a dead daemon left behind is taken over by the next one only if both were built
 * of the same object (`identity`).
 */
#ifndef DATAPATH_XDP_SHARE_H
#define DATAPATH_XDP_SHARE_H

#include <linux/types.h>

#define SHARE_PROGRAM       "patchbay_share" /* the kernel keeps 15 characters */
#define SHARE_ADDRESSES_MAX 65536
#define SHARE_SOCKETS_MAX   64

/* Map "settings", one entry. */
struct share_settings {
	__u64 identity;  /* of the object the program was loaded from */
	__u8 own[6];     /* the interface's own address: never the switch's */
	__u8 unattended; /* XDP_DROP or XDP_PASS: frames for the switch while nobody takes them */
	__u8 restore;    /* SHARE_RESTORE_...: what is to be undone with the program */
	__u64 vlans[64]; /* one bit per VLAN whose frames are all the switch's */
};

#define SHARE_RESTORE_RXVLAN 1 /* receive VLAN offload was on before */

/* Map "addresses": key; the value, a __u32, means nothing. */
struct share_address {
	__u8 mac[6];
	__u8 zero[2];
};

/* Map "counters", per CPU, one entry: frames. */
struct share_counters {
	__u64 host;       /* left to the host */
	__u64 group;      /* broadcast and multicast: left to the host, a copy is the switch's */
	__u64 taken;      /* given to the switch */
	__u64 unattended; /* for the switch, but nobody was there */
};

#endif
