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

#define CONFIG_NAME_SIZE 32 /* with the NUL */
#define CONFIG_PATH_SIZE 108 /* sun_path */
#define CONFIG_FILE_SIZE 1024
#define CONFIG_BRIDGES_MAX 256
#define CONFIG_PORTS_MAX 1024

struct bridge_config {
	char name[CONFIG_NAME_SIZE];
	uint32_t ageing;   /* s */
	uint32_t capacity; /* MAC table entries */
	bool forward_bpdu;
	struct vlan_set flood_vlans;
};

struct port_config {
	char name[CONFIG_NAME_SIZE];
	int type; /* index into the schema's port types */
	char bridge[CONFIG_NAME_SIZE];
	struct mac mac;
	uint32_t mtu; /* 0 = not set */
	uint32_t queues;
	int vlan_mode; /* order of enum vlan_mode */
	int tag;       /* -1 = not set */
	struct vlan_set trunks, cvlans;
	int priority_tags;
	int qinq_ethtype;
	int profile;	    /* 0 = the type's default, PROFILE_OPEN, PROFILE_VM */
	uint32_t mac_limit; /* 0 = the profile's */
	uint32_t storm;	    /* frames/s; 0 = the profile's */
	/* vhost-user */
	char path[CONFIG_PATH_SIZE];
	int mode; /* MODE_SERVER, MODE_CLIENT */
	char socket_owner[CONFIG_NAME_SIZE], socket_group[CONFIG_NAME_SIZE];
	uint32_t socket_mode; /* octal permission bits; 0 = default */
	/* kernel interfaces and files */
	char dev[16];
	char file[CONFIG_FILE_SIZE];
};

enum { PROFILE_DEFAULT, PROFILE_OPEN, PROFILE_VM };
enum { MODE_SERVER, MODE_CLIENT };

/* A static entry of a bridge's MAC table. */
struct fdb_config {
	char bridge[CONFIG_NAME_SIZE];
	struct mac mac;
	uint32_t vlan;
	char port[CONFIG_NAME_SIZE];
};

#endif
