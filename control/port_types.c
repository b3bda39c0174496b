/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bond.h"
#include "control/port_afxdp.h"
#include "control/port_packet.h"
#include "control/port_types.h"
#include "control/port_vhost_user.h"
#include "control/veth.h"
#include "datapath/eth_device.h"
#include "datapath/packet_queue.h"
#include "datapath/port_eth.h"
#include "datapath/port_xdp.h"
#include "datapath/xdp/program.h"

#define XSTATS_MAX 1024

/* ---- kernel interfaces, files and the null device: all by one driver face ---- */

static int
eth_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err)
{
	struct port_eth_options options = {
		.name = config->name,
		.type = port_kind(config->type)->name,
		.dev = config->dev,
		.pci = config->pci,
		.file = config->file[0] ? config->file : NULL,
		.write = config->write[0] ? config->write : NULL,
		.queues = config->queues,
		.mtu = (uint16_t)config->mtu,
		.mac = config->mac,
	};
	int r;

	(void)loop;
	r = port_eth_create(&options, port, err);
	if (!r && config->address[0]) {
		r = interface_address(config->dev, config->address, err);
		if (r)
			(*port)->ops->destroy(*port);
	}
	return r;
}

/* The device's own counters, those that are not zero. */
static json_t *
describe_counters(const struct port *port)
{
	struct port_eth_xstat *stats = calloc(XSTATS_MAX, sizeof(*stats));
	unsigned count = stats ? port_eth_xstats(port, stats, XSTATS_MAX) : 0;
	json_t *object = json_object();

	for (unsigned i = 0; i < count; i++) {
		if (stats[i].value)
			json_object_set_new(
				object, stats[i].name, json_integer((json_int_t)stats[i].value));
	}
	free(stats);
	return object;
}

static json_t *
describe_device(const struct port *port, const struct port_eth_status *status)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{OFFLOAD_CSUM, "checksum"}, {OFFLOAD_TSO4, "tso4"}, {OFFLOAD_TSO6, "tso6"}};
	json_t *offloads = json_array();

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (status->accepts & names[i].bit)
			json_array_append_new(offloads, json_string(names[i].name));
	}
	return json_pack("{s:s, s:i, s:o, s:o}", "driver", status->driver, "speed_mbps",
		(int)status->speed_mbps, "offloads", offloads, "counters", describe_counters(port));
}

static void
eth_status(const struct port *port, struct port_state *state)
{
	struct port_eth_status status;

	port_eth_status(port, &status);
	state->up = status.link_up;
	state->queues = port->rx_queues;
	state->mac = status.mac;
	state->mtu = status.mtu;
	state->title = "nic";
	state->detail = describe_device(port, &status);
	if (status.deleted)
		snprintf(state->reason, sizeof(state->reason),
			"somebody deleted its interface: delete the port and add it again");
	else if (!status.link_up)
		snprintf(state->reason, sizeof(state->reason),
			"the interface has no link: see `ip link`");
}

#define ETH(identifier, text, its_needs)       \
	[PORT_TYPE_##identifier] = {           \
		.name = text,                  \
		.profile = PROFILE_OPEN,       \
		.create = eth_create,          \
		.open = port_eth_open,         \
		.status = eth_status,          \
		.has_link = port_eth_has_link, \
		.needs = its_needs,            \
	}

static const struct port_handover vhost_handover = {
	.hold = vhost_port_hold,
	.export = vhost_port_export,
	.resume = vhost_port_resume,
	.abandon = vhost_port_abandon,
	.import = vhost_port_import,
	.adopt = vhost_port_adopt,
	.mute = vhost_port_mute,
};
#define PACKET(identifier, text, maker, its_needs) \
	[PORT_TYPE_##identifier] = {               \
		.name = text,                      \
		.profile = PROFILE_OPEN,           \
		.create = maker,                   \
		.open = packet_port_open,          \
		.close = packet_port_close,        \
		.status = packet_port_status,      \
		.needs = its_needs,                \
	}

static const struct port_kind types[] = {
	[PORT_TYPE_VHOST_USER] =
		{
			.name = "vhost-user",
			.profile = PROFILE_VM,
			.create = port_vhost_user_create,
			.open = vhost_port_open,
			.close = vhost_port_close,
			.broken = vhost_port_broken,
			.status = port_vhost_user_status,
			.check = vhost_port_check,
			.handover = &vhost_handover,
			.needs = &vhost_needs,
		},
	ETH(TAP, "tap", &tap_needs),
	[PORT_TYPE_AFXDP] =
		{
			.name = "afxdp",
			.profile = PROFILE_OPEN,
			.create = port_afxdp_create,
			.open = port_afxdp_open,
			.set = port_afxdp_set,
			.close = port_afxdp_close,
			.leave = port_xdp_leave,
			.status = port_afxdp_status,
			.needs = &xdp_needs,
		},
	PACKET(AFPACKET, "afpacket", port_afpacket_create, &packet_needs),
	PACKET(VETH, "veth", port_veth_create, &veth_needs),
	ETH(PCI, "pci", &pci_needs),
	ETH(PCAP, "pcap", NULL),
	[PORT_TYPE_BOND] =
		{
			.name = "bond",
			.profile = PROFILE_OPEN,
			.create = bond_port_create,
			.open = bond_port_open,
			.set = bond_port_set,
			.close = bond_port_close,
			.status = bond_port_status,
		},
	ETH(NULL, "null", NULL),
};

const struct port_kind *
port_kind(int type)
{
	return &types[type];
}

/* ---- profiles ---- */

static const struct profile {
	bool drop_reserved, mac_lock; /* mac_lock: when the port has a mac or macs */
	bool guards;                  /* against DHCP servers and routers, address lock to ips */
	uint32_t mac_limit, storm_pps;
} profiles[] = {
	[PROFILE_OPEN] = {.mac_limit = 8192},
	[PROFILE_VM] = {.drop_reserved = true,
		.mac_lock = true,
		.mac_limit = 256,
		.storm_pps = 1000},
	[PROFILE_TENANT] = {.drop_reserved = true,
		.mac_lock = true,
		.guards = true,
		.mac_limit = 256,
		.storm_pps = 1000},
};

int
port_profile(const struct port_config *config)
{
	return config->profile != PROFILE_DEFAULT ? config->profile
						  : port_kind(config->type)->profile;
}

static void
resolve_storm(const struct port_config *config, uint32_t of_profile, uint32_t *pps)
{
	const uint32_t given[STORM_CLASSES] = {
		config->storm_broadcast, config->storm_multicast, config->storm_unknown};

	for (unsigned c = 0; c < STORM_CLASSES; c++)
		pps[c] = given[c] ? given[c] : config->storm ? config->storm : of_profile;
}

int
port_ip_lock(const struct port_config *config)
{
	if (config->ip_lock != IP_LOCK_DEFAULT)
		return config->ip_lock;
	return profiles[port_profile(config)].guards && config->ips.count ? IP_LOCK_LIST
									  : IP_LOCK_OFF;
}

static bool
guard_on(int guard, const struct profile *profile)
{
	return guard == GUARD_DEFAULT ? profile->guards : guard == GUARD_YES;
}

void
port_resolve(const struct port_config *config, int bridge, struct port_settings *settings)
{
	const struct profile *profile = &profiles[port_profile(config)];
	int ip_lock = port_ip_lock(config);

	*settings = (struct port_settings){
		.bridge = bridge,
		.vlan_mode = (enum vlan_mode)port_config_vlan_mode(config),
		.tag = config->tag > 0 ? (uint16_t)config->tag : 0,
		.trunks = config->trunks,
		.cvlans = config->cvlans,
		.priority_tags = (enum priority_tags)config->priority_tags,
		.qinq_ethtype = config->qinq_ethtype == 1 ? 0x8100 : 0x88a8,
		.mtu = (uint16_t)config->mtu,
		.drop_reserved = config->bpdu ? config->bpdu == BPDU_DROP : profile->drop_reserved,
		.forward_reserved = config->bpdu == BPDU_FORWARD,
		.mac_lock = profile->mac_lock && (!mac_is_zero(&config->mac) || config->macs.count),
		.mac = config->mac,
		.macs = config->macs,
		.ip_lock = ip_lock != IP_LOCK_OFF,
		.dhcp_learn = ip_lock == IP_LOCK_DHCP,
		.dhcp_guard = guard_on(config->dhcp_guard, profile),
		.ra_guard = guard_on(config->ra_guard, profile),
		.isolated = config->isolated,
		.gro = config->gro,
		.shape_bytes = config->out_queue,
		.in_rate = {config->in_rate, config->in_burst, (uint32_t)config->in_rate_pps},
		.out_rate = {config->out_rate, config->out_burst, (uint32_t)config->out_rate_pps},
		.mac_limit = config->mac_limit ? config->mac_limit : profile->mac_limit,
		.no_learning = !config->learning,
		.sticky = config->sticky,
	};
	resolve_storm(config, profile->storm_pps, settings->storm_pps);
	settings->addresses.count = config->ips.count;
	memcpy(settings->addresses.prefixes, config->ips.prefixes, sizeof(config->ips.prefixes));
}
