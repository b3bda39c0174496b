/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config: what a user can describe, as plain values: bridges, ports, static MAC addresses.
 *
 * The fields are filled and printed by the keys of api/schema.c only; a new key is a field here and
 * a row there.  Unset: numbers and enumerations hold the key's default, strings are "", addresses
 * zero, sets empty.
 */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ethernet.h"
#include "lib/ip.h"

#define CONFIG_NAME_SIZE    32  /* with the NUL */
#define CONFIG_PATH_SIZE    108 /* sun_path */
#define CONFIG_FILE_SIZE    1024
#define CONFIG_ADDRESS_SIZE 512
#define CONFIG_OWNER_SIZE   40
#define CONFIG_MEMBERS_SIZE 264 /* 8 names, commas between */
#define CONFIG_BRIDGES_MAX  256
#define CONFIG_PORTS_MAX    1024

#define NAME_LIST_MAX 64

/* Names of other objects. */
struct name_list {
	uint32_t count;
	char names[NAME_LIST_MAX][CONFIG_NAME_SIZE]; /* those behind count are zero */
};

/* X(identifier, name, help): the port types, in the order of their numbers. */
#define PORT_TYPE_LIST(X)                                                                    \
	X(VHOST_USER, "vhost-user", "a virtual machine's network card, by a Unix socket")    \
	X(TAP, "tap", "an interface of this host, made by patchbay and gone with the port")  \
	X(AFXDP, "afxdp", "an interface of this host, shared with the kernel by XDP")        \
	X(AFPACKET, "afpacket", "an interface of this host, shared with the kernel")         \
	X(VETH, "veth", "an interface that is made in a network namespace: a container")     \
	X(PCI, "pci", "a network card by its PCI address, taken from the kernel")            \
	X(PCAP, "pcap", "frames read from a capture file, once, and written to one")         \
	X(BOND, "bond", "several ports as one: they back each other up, or share its flows") \
	X(NULL, "null", "swallows what it is sent and sends nothing")

enum port_type {
	PORT_TYPE_UNSET = -1,
#define X(identifier, name, help) PORT_TYPE_##identifier,
	PORT_TYPE_LIST(X)
#undef X
};

struct bridge_config {
	char name[CONFIG_NAME_SIZE];
	uint32_t ageing;   /* s */
	uint32_t capacity; /* MAC table entries */
	bool forward_bpdu;
	struct vlan_set flood_vlans;
	uint32_t mac_moves; /* 0 = no limit */
	bool loop_guard;
	bool mcast_snooping, mcast_flood, mcast_fast_leave, mcast_querier;
	uint32_t mcast_ageing; /* s */
};

struct port_config {
	char name[CONFIG_NAME_SIZE];
	int type; /* enum port_type */
	char bridge[CONFIG_NAME_SIZE];
	struct mac mac;
	uint32_t mtu; /* 0 = not set */
	uint32_t queues;
	int vlan_mode; /* order of enum vlan_mode; -1 = not set: port_config_vlan_mode() */
	int tag;       /* -1 = not set: VLAN 0 where a mode needs one */
	struct vlan_set trunks, cvlans;
	int priority_tags;
	int qinq_ethtype;
	int profile;          /* 0 = the type's default, PROFILE_OPEN, ... */
	struct mac_list macs; /* beside `mac` */
	struct ip_list ips;
	int ip_lock;              /* IP_LOCK_... */
	int dhcp_guard, ra_guard; /* GUARD_... */
	bool isolated, gro;
	uint64_t in_rate, in_rate_pps, in_burst; /* bits/s, frames/s, bytes; 0 = not set */
	uint64_t out_rate, out_rate_pps, out_burst;
	uint64_t out_queue;                                       /* bytes */
	uint32_t mac_limit;                                       /* 0 = the profile's */
	uint32_t storm;                                           /* frames/s; 0 = the profile's */
	uint32_t storm_broadcast, storm_multicast, storm_unknown; /* 0 = storm */
	int bpdu;                                                 /* BPDU_... */
	bool learning, sticky;
	int filter_in, filter_out;     /* FILTER_..., what no rule decides */
	char owner[CONFIG_OWNER_SIZE]; /* "vm:NAME"; "" = the configuration's */
	/* vhost-user */
	char path[CONFIG_PATH_SIZE];
	int mode; /* MODE_SERVER, MODE_CLIENT */
	char link_follow[CONFIG_NAME_SIZE];
	char socket_owner[CONFIG_NAME_SIZE], socket_group[CONFIG_NAME_SIZE];
	uint32_t socket_mode; /* octal permission bits; 0 = default */
	/* kernel interfaces and files */
	char dev[16];
	char netns[CONFIG_NAME_SIZE];
	char address[CONFIG_ADDRESS_SIZE];
	char pci[16]; /* PCI address */
	int xdp_mode; /* XDP_MODE_... */
	struct vlan_set vlans;
	int unattended; /* UNATTENDED_... */
	char file[CONFIG_FILE_SIZE];
	char write[CONFIG_FILE_SIZE];
	/* bond */
	char members[CONFIG_MEMBERS_SIZE]; /* names of ports, commas between */
	int bond_mode;                     /* BOND_MODE_... */
	int bond_hash;                     /* order of enum bond_hash */
	int lacp;                          /* LACP_MODE_... */
	int lacp_time;                     /* LACP_TIME_... */
	bool lacp_fallback;
};

/* The VLAN mode in force: without a `vlan_mode`, a port with a tag is an access port (1) and one
 * without is a trunk (0), as ovs-vswitchd.conf.db(5) has it. */
static inline int
port_config_vlan_mode(const struct port_config *port)
{
	return port->vlan_mode >= 0 ? port->vlan_mode : port->tag >= 0;
}

enum { PROFILE_DEFAULT, PROFILE_OPEN, PROFILE_VM, PROFILE_TENANT };
enum { GUARD_DEFAULT, GUARD_NO, GUARD_YES }; /* default: as the profile says */
enum { IP_LOCK_DEFAULT, IP_LOCK_OFF, IP_LOCK_LIST, IP_LOCK_DHCP };
enum { BPDU_DEFAULT, BPDU_DROP, BPDU_FORWARD };
enum { MODE_SERVER, MODE_CLIENT };
enum { XDP_MODE_AUTO, XDP_MODE_NATIVE_ONLY, XDP_MODE_GENERIC_ONLY };
enum { UNATTENDED_DROP, UNATTENDED_PASS };
enum { BOND_MODE_ACTIVE_BACKUP, BOND_MODE_BALANCE_TCP };
enum { LACP_MODE_OFF, LACP_MODE_ACTIVE, LACP_MODE_PASSIVE };
enum { LACP_TIME_SLOW, LACP_TIME_FAST };

/* A virtual machine, its network cards and its disks: launcher/definition.h. */
#define CONFIG_VM_NETS_MAX  12
#define CONFIG_VM_DISKS_MAX 12

struct vm_settings {
	char name[CONFIG_NAME_SIZE];
	char kernel[CONFIG_FILE_SIZE], initrd[CONFIG_FILE_SIZE];
	char append[2048];
	uint32_t cpus;
	uint64_t memory; /* bytes */
	bool hugepages, prefault;
	int engine;    /* ENGINE_... */
	int on_reboot; /* ON_REBOOT_... */
};

struct net_settings {
	char bridge[CONFIG_NAME_SIZE];
	char socket[CONFIG_PATH_SIZE];
	bool server;
	struct mac mac;
	uint32_t queues;
	uint32_t mtu; /* 0 = not set */
	int vlan_mode, tag;
	struct vlan_set trunks;
	int profile;
};

struct disk_settings {
	char file[CONFIG_FILE_SIZE];
	bool ro;
};

enum { ENGINE_AUTO, ENGINE_KVM, ENGINE_QEMU };
enum { ON_REBOOT_RESTART, ON_REBOOT_STOP };

/* A static entry of a bridge's MAC table. */
struct fdb_config {
	char bridge[CONFIG_NAME_SIZE];
	struct mac mac;
	uint32_t vlan;
	char port[CONFIG_NAME_SIZE];
};

/* A rule of a port's filter. */
struct filter_config {
	char port[CONFIG_NAME_SIZE];
	int direction; /* FILTER_IN, FILTER_OUT */
	uint32_t priority;
	int action; /* FILTER_ALLOW, FILTER_DENY */
	char expression[1024];
	char src_set[CONFIG_NAME_SIZE], dst_set[CONFIG_NAME_SIZE];
};

enum { FILTER_IN, FILTER_OUT };
enum { FILTER_ALLOW, FILTER_DENY };

/* Copies for somebody who watches. */
struct mirror_config {
	char name[CONFIG_NAME_SIZE];
	char bridge[CONFIG_NAME_SIZE];
	struct name_list from; /* ports; empty = all of the bridge */
	int direction;         /* MIRROR_IN, ... */
	struct vlan_set vlans; /* empty = all */
	char to[CONFIG_NAME_SIZE];
	int vlan; /* of the copies; -1 = not set: each has its own */
};

enum { MIRROR_IN, MIRROR_OUT, MIRROR_BOTH };

#define CONFIG_MIRRORS_MAX 64

/* An address of a set, or the row that says that there is a set (SET_ITSELF). */
struct set_config {
	char name[CONFIG_NAME_SIZE];
	struct ip_prefix address; /* version SET_MAC: six bytes of a MAC address */
};

#define SET_MAC    0
#define SET_ITSELF 255

#endif
