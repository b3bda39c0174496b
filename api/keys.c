/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys: what can be said about a bridge, a port, a static MAC address, a virtual machine and its
 * parts: one row per key.
 */
#include "api/schema.h"

#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)NULL)->member)

/* clang-format off */

#define KEY(type, member, value, flags, min, max, choices, def, unit, types, help)                 \
	{ #member, value, flags, FIELD(type, member), min, max, choices, def, unit, types, help }

#define BRIDGE(...) KEY(bridge_config, __VA_ARGS__)
#define PORT(...) KEY(port_config, __VA_ARGS__)
#define FDB(...) KEY(fdb_config, __VA_ARGS__)
#define FILTER(...) KEY(filter_config, __VA_ARGS__)
#define MIRROR(...) KEY(mirror_config, __VA_ARGS__)

#define VM(...) KEY(vm_settings, __VA_ARGS__)
#define NET(...) KEY(net_settings, __VA_ARGS__)
#define DISK(...) KEY(disk_settings, __VA_ARGS__)
#define LIST(name, item, help)                                                                     \
	{ name, VALUE_LIST, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, help, item }

#define TYPE_CHOICE(identifier, name, help) name " "
#define PORT_TYPE_CHOICES PORT_TYPE_LIST(TYPE_CHOICE)

static const struct key bridge_keys[] = {
	BRIDGE(name, VALUE_NAME, KEY_REQUIRED | KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"what the bridge is called"),
	BRIDGE(ageing, VALUE_U32, KEY_SET, 0, 86400, NULL, "300", "s", NULL,
		"time after which an address that is silent is forgotten; 0 = never"),
	BRIDGE(capacity, VALUE_U32, KEY_SET, 64, 1048576, NULL, "65536", "addresses", NULL,
		"size of the MAC table"),
	BRIDGE(forward_bpdu, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"forward frames to reserved addresses: 01:80:c2:00:00:0x (BPDUs, LACP, LLDP) and, as Open "
		"vSwitch, those of CDP, EDP and their like"),
	BRIDGE(flood_vlans, VALUE_VLANS, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"VLANs in which frames go to every port and no address is learnt"),
	BRIDGE(mac_moves, VALUE_U32, KEY_SET, 0, 1000, NULL, "10", "moves/s", NULL,
		"an address that changes its port more often stays where it was for 10 s; 0 = it never does"),
	BRIDGE(loop_guard, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"send probe frames out of every port, and block a port by which they come back"),
	BRIDGE(mcast_snooping, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"learn from IGMP and MLD which ports want which multicast groups"),
	BRIDGE(mcast_flood, VALUE_BOOL, KEY_SET, 0, 0, NULL, "yes", NULL, NULL,
		"send groups that nobody has asked for to all ports; no: to routers only"),
	BRIDGE(mcast_fast_leave, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"a port that leaves a group is gone at once: for ports with one host each"),
	BRIDGE(mcast_querier, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"ask for memberships where no router does"),
	BRIDGE(mcast_ageing, VALUE_U32, KEY_SET, 0, 86400, NULL, "300", "s", NULL,
		"time after which a member or router that is silent is forgotten; 0 = never"),
};

static const struct key port_keys[] = {
	PORT(name, VALUE_NAME, KEY_REQUIRED | KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"what the port is called"),
	PORT(type, VALUE_ENUM, KEY_REQUIRED, 0, 0, PORT_TYPE_CHOICES, NULL, NULL, NULL,
		"what is at the other end"),
	PORT(bridge, VALUE_NAME, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the bridge it belongs to; a port without one drops all it receives"),
	PORT(path, VALUE_PATH, KEY_REQUIRED, 0, 0, NULL, NULL, NULL, "vhost-user",
		"the Unix socket between this port and the virtual machine monitor"),
	PORT(mode, VALUE_ENUM, 0, 0, 0, "server client", "server", NULL, "vhost-user",
		"server: patchbayd makes the socket and listens; client: it connects to it"),
	PORT(link_follow, VALUE_NAME, KEY_SET, 0, 0, NULL, NULL, NULL, "vhost-user",
		"the port without whose link the virtual machine is to have none either"),
	PORT(dev, VALUE_IFNAME, KEY_REQUIRED, 0, 0, NULL, NULL, NULL, "tap afpacket afxdp veth",
		"the kernel interface's name; of a veth port, inside the namespace"),
	PORT(netns, VALUE_NAME, KEY_REQUIRED, 0, 0, NULL, NULL, NULL, "veth",
		"the network namespace, as `ip netns` shows it"),
	PORT(address, VALUE_STRING, 0, 0, 0, NULL, NULL, NULL, "tap veth",
		"addresses of the interface, IPv4 and IPv6, with prefix lengths and commas between; the "
		"interface is set up"),
	PORT(pci, VALUE_STRING, KEY_REQUIRED, 0, 0, NULL, NULL, NULL, "pci",
		"the card's PCI address, as `patchbay nic list` shows it"),
	PORT(file, VALUE_PATH, 0, 0, 0, NULL, NULL, NULL, "pcap",
		"the capture file to read; frames of it enter the bridge"),
	PORT(write, VALUE_PATH, 0, 0, 0, NULL, NULL, NULL, "pcap",
		"the capture file to write; frames that leave the bridge here are put into it"),
	PORT(xdp_mode, VALUE_ENUM, 0, 0, 0, "auto native generic", "auto", NULL, "afxdp",
		"where the XDP program runs: native: in the driver; generic: behind it, slower, on any "
		"interface; auto: native, else generic"),
	PORT(vlans, VALUE_VLANS, KEY_SET, 0, 0, NULL, NULL, NULL, "afxdp",
		"VLANs of which the bridge gets every frame and the host none"),
	PORT(unattended, VALUE_ENUM, KEY_SET, 0, 0, "drop pass", "drop", NULL, "afxdp",
		"frames for the bridge after patchbayd was killed: drop them, or pass them to the host"),
	PORT(members, VALUE_STRING, KEY_REQUIRED | KEY_SET, 0, 0, NULL, NULL, NULL, "bond",
		"2 to 8 ports without a bridge, commas between: what they receive is the bond's"),
	PORT(bond_mode, VALUE_ENUM, 0, 0, 0, "active-backup balance-tcp", "active-backup", NULL, "bond",
		"active-backup: one member at a time, the next when it has no link; balance-tcp: each flow "
		"by one of all: the switch outside must know the members as one link, by LACP or by hand"),
	PORT(bond_hash, VALUE_ENUM, KEY_SET, 0, 0, "layer2 layer3 layer4", "layer4", NULL, "bond",
		"what tells flows apart: layer2: MAC addresses and VLAN; layer3: IP addresses, too; layer4: "
		"TCP and UDP ports, too"),
	PORT(lacp, VALUE_ENUM, 0, 0, 0, "off active passive", "off", NULL, "bond",
		"agree with the switch outside about the members (IEEE 802.1AX); passive: speak only when "
		"spoken to"),
	PORT(lacp_time, VALUE_ENUM, 0, 0, 0, "slow fast", "slow", NULL, "bond",
		"how often the switch outside is to speak, every 30 s or every second; a member is given "
		"up after three times that"),
	PORT(lacp_fallback, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, "bond",
		"use one member, as active-backup does, while nobody answers by LACP"),
	PORT(queues, VALUE_U32, 0, 1, 16, NULL, "1", "queue pairs",
		"vhost-user tap afpacket veth pci pcap null",
		"the most queue pairs the other end may use"),
	PORT(mac, VALUE_MAC, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the address of the other end; profile vm then refuses frames from any other"),
	PORT(mtu, VALUE_U32, KEY_SET, 68, 65535, NULL, NULL, "bytes", NULL,
		"the longest packet sent to the port, without Ethernet header and tags; checked "
		"only if given"),
	PORT(vlan_mode, VALUE_ENUM, KEY_SET, 0, 0,
		"trunk access native-tagged native-untagged dot1q-tunnel", NULL, NULL, NULL,
		"how frames with and without VLAN tag are treated, as in Open vSwitch; not given: "
		"access with a tag, else trunk"),
	PORT(tag, VALUE_INT, KEY_SET, 0, 4094, NULL, NULL, NULL, NULL,
		"the VLAN of an access or tunnel port, the native VLAN of the native modes"),
	PORT(trunks, VALUE_VLANS, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the VLANs that a trunk or native port carries; not given: all"),
	PORT(cvlans, VALUE_VLANS, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the customer VLANs that a dot1q-tunnel port takes; not given: all"),
	PORT(priority_tags, VALUE_ENUM, KEY_SET, 0, 0, "never if-nonzero always", "never", NULL,
		NULL, "send frames without VLAN with a tag of VLAN 0: if they have a priority, or always if they "
		"came with a tag"),
	PORT(qinq_ethtype, VALUE_ENUM, KEY_SET, 0, 0, "802.1ad 802.1q", "802.1ad", NULL, NULL,
		"the outer tag of a dot1q-tunnel port: 0x88a8 or 0x8100"),
	PORT(profile, VALUE_ENUM, KEY_SET, 0, 0, "default open vm tenant", "default", NULL, NULL,
		"preset of guards: vm drops BPDUs, limits storms and addresses and locks the port to "
		"its mac; tenant also locks it to its ips and refuses DHCP servers and routers; "
		"default: vm for vhost-user, open for the others"),
	PORT(macs, VALUE_MACS, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"more addresses of the other end; frames from them pass the lock to its mac, too"),
	PORT(ips, VALUE_IPS, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the IP addresses and networks that the other end may use as its own"),
	PORT(ip_lock, VALUE_ENUM, KEY_SET, 0, 0, "default off list dhcp", "default", NULL, NULL,
		"refuse IP, ARP and neighbour discovery from the port with addresses that are not "
		"its own; list: those of ips; dhcp: and those that DHCP servers grant to its mac; default: list with profile tenant and ips, else off"),
	PORT(dhcp_guard, VALUE_ENUM, KEY_SET, 0, 0, "default no yes", "default", NULL, NULL,
		"refuse what DHCP servers say to clients, v4 and v6; default: yes with profile "
		"tenant"),
	PORT(ra_guard, VALUE_ENUM, KEY_SET, 0, 0, "default no yes", "default", NULL, NULL,
		"refuse router advertisements and redirects (RFC 6105); default: yes with profile "
		"tenant"),
	PORT(isolated, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"exchange frames only with ports that are not isolated"),
	PORT(gro, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, "tap afxdp afpacket veth pci bond",
		"join TCP segments received together into one large frame, for receivers that take such"),
	PORT(in_rate, VALUE_SCALED, KEY_SET, 1000, 1000000000000, NULL, NULL, "bits/s", NULL,
		"most that is taken from the port, Ethernet headers included"),
	PORT(in_rate_pps, VALUE_SCALED, KEY_SET, 1, 1000000000, NULL, NULL, "frames/s", NULL,
		"most frames taken from the port"),
	PORT(in_burst, VALUE_SCALED, KEY_SET, 131072, 1000000000, NULL, NULL, "bytes", NULL,
		"what may exceed in_rate for a moment; not given: 20 ms of it, at least 131072"),
	PORT(out_rate, VALUE_SCALED, KEY_SET, 1000, 1000000000000, NULL, NULL, "bits/s", NULL,
		"most that is sent to the port, Ethernet headers included"),
	PORT(out_rate_pps, VALUE_SCALED, KEY_SET, 1, 1000000000, NULL, NULL, "frames/s", NULL,
		"most frames sent to the port"),
	PORT(out_burst, VALUE_SCALED, KEY_SET, 131072, 1000000000, NULL, NULL, "bytes", NULL,
		"what may exceed out_rate for a moment; not given: 20 ms of it, at least 131072"),
	PORT(out_queue, VALUE_SCALED, KEY_SET, 65600, 4000000, NULL, NULL, "bytes", NULL,
		"frames over out_rate or out_rate_pps wait, that much of them per queue pair; not "
		"given: they are dropped"),
	PORT(mac_limit, VALUE_U32, KEY_SET, 1, 1048576, NULL, NULL, "addresses", NULL,
		"most addresses learnt from the port; not given: the profile's"),
	PORT(storm, VALUE_U32, KEY_SET, 1, 1000000000, NULL, NULL, "frames/s", NULL,
		"most broadcast, as many multicast, and as many unknown unicast frames taken from the "
		"port; not given: the profile's"),
	PORT(storm_broadcast, VALUE_U32, KEY_SET, 1, 1000000000, NULL, NULL, "frames/s", NULL,
		"most broadcast frames taken from the port; not given: storm"),
	PORT(storm_multicast, VALUE_U32, KEY_SET, 1, 1000000000, NULL, NULL, "frames/s", NULL,
		"most multicast frames taken from the port; not given: storm"),
	PORT(storm_unknown, VALUE_U32, KEY_SET, 1, 1000000000, NULL, NULL, "frames/s", NULL,
		"most frames to unknown addresses taken from the port; not given: storm"),
	PORT(bpdu, VALUE_ENUM, KEY_SET, 0, 0, "default drop forward", "default", NULL, NULL,
		"BPDUs and other frames to reserved addresses: drop: neither in nor out; forward: what comes "
		"from the port passes although the bridge has no forward_bpdu; default: the profile's"),
	PORT(learning, VALUE_BOOL, KEY_SET, 0, 0, NULL, "yes", NULL, NULL,
		"learn the addresses of what comes from the port"),
	PORT(sticky, VALUE_BOOL, KEY_SET, 0, 0, NULL, "no", NULL, NULL,
		"addresses learnt from the port are kept until they are flushed, and stay behind it"),
	PORT(filter_in, VALUE_ENUM, KEY_SET, 0, 0, "allow deny", "allow", NULL, NULL,
		"what becomes of received frames that no rule of `patchbay filter` decides"),
	PORT(filter_out, VALUE_ENUM, KEY_SET, 0, 0, "allow deny", "allow", NULL, NULL,
		"the same for frames sent to the port"),
	PORT(socket_owner, VALUE_STRING, 0, 0, 0, NULL, NULL, NULL, "vhost-user",
		"user that owns the socket (server mode)"),
	PORT(socket_group, VALUE_STRING, 0, 0, 0, NULL, NULL, NULL, "vhost-user",
		"group that owns the socket (server mode)"),
	PORT(socket_mode, VALUE_OCTAL, 0, 1, 0777, NULL, NULL, NULL, "vhost-user",
		"permissions of the socket in octal (server mode)"),
	PORT(owner, VALUE_STRING, 0, 0, 0, NULL, NULL, NULL, NULL,
		"who added the port and will delete it; `config apply` then leaves it alone"),
};

static const struct key filter_keys[] = {
	FILTER(port, VALUE_NAME, KEY_REQUIRED | KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"the port whose frames it judges"),
	FILTER(direction, VALUE_ENUM, KEY_REQUIRED | KEY_IDENTITY, 0, 0, "in out", NULL, NULL, NULL,
		"in: frames received from the port; out: frames sent to it"),
	FILTER(priority, VALUE_U32, KEY_REQUIRED | KEY_IDENTITY, 1, 65535, NULL, NULL, NULL, NULL,
		"its place among the rules: lower ones are asked first"),
	FILTER(action, VALUE_ENUM, KEY_REQUIRED | KEY_SET, 0, 0, "allow deny", NULL, NULL, NULL,
		"what becomes of a frame that matches"),
	FILTER(expression, VALUE_STRING, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"tcpdump expression, see pcap-filter(7); not given: every frame"),
	FILTER(src_set, VALUE_NAME, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"and the source address is in this set"),
	FILTER(dst_set, VALUE_NAME, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"and the destination address is in this set"),
};

static const struct key mirror_keys[] = {
	MIRROR(name, VALUE_NAME, KEY_REQUIRED | KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"what the mirror is called"),
	MIRROR(bridge, VALUE_NAME, KEY_REQUIRED | KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the bridge whose frames are copied"),
	MIRROR(to, VALUE_NAME, KEY_REQUIRED | KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"the port that gets the copies, and without vlan nothing else"),
	MIRROR(from, VALUE_NAMES, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"ports of the bridge whose frames are copied; not given: all"),
	MIRROR(direction, VALUE_ENUM, KEY_SET, 0, 0, "in out both", "both", NULL, NULL,
		"in: frames received from these ports; out: frames sent to them"),
	MIRROR(vlans, VALUE_VLANS, KEY_SET, 0, 0, NULL, NULL, NULL, NULL,
		"VLANs whose frames are copied; not given: all"),
	MIRROR(vlan, VALUE_INT, KEY_SET, 1, 4094, NULL, NULL, NULL, NULL,
		"the copies' VLAN, in place of their own (RSPAN); the port then carries other frames, too"),
};

static const struct key fdb_keys[] = {
	FDB(bridge, VALUE_NAME, KEY_REQUIRED | KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"the bridge whose table it is"),
	FDB(mac, VALUE_MAC, KEY_REQUIRED | KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"the address"),
	FDB(vlan, VALUE_U32, KEY_IDENTITY, 0, 4094, NULL, "0", NULL, NULL,
		"the VLAN; 0 = frames without one"),
	FDB(port, VALUE_NAME, KEY_REQUIRED, 0, 0, NULL, NULL, NULL, NULL,
		"the port behind which the address is"),
};

static const struct key vm_keys[] = {
	VM(name, VALUE_NAME, KEY_IDENTITY, 0, 0, NULL, NULL, NULL, NULL,
		"what the virtual machine is called"),
	VM(kernel, VALUE_PATH, 0, 0, 0, NULL, NULL, NULL, NULL,
		"the Linux kernel: a bzImage (vmlinuz) or an ELF file (vmlinux)"),
	VM(initrd, VALUE_PATH, 0, 0, 0, NULL, NULL, NULL, NULL, "its initial file system"),
	VM(append, VALUE_STRING, 0, 0, 0, NULL, "console=ttyS0", NULL, NULL,
		"the command line of the kernel"),
	VM(cpus, VALUE_U32, 0, 1, 64, NULL, "1", NULL, NULL, "number of virtual CPUs"),
	VM(memory, VALUE_SIZE, 0, INT64_C(32) << 20, INT64_C(1) << 40, NULL, "512M", NULL, NULL,
		"memory of the virtual machine"),
	VM(hugepages, VALUE_BOOL, 0, 0, 0, NULL, "no", NULL, NULL, "back the memory with 2 MiB pages"),
	VM(prefault, VALUE_BOOL, 0, 0, 0, NULL, "no", NULL, NULL,
		"take all memory from the host at the start, not when it is used"),
	LIST("net", &noun_net, "a network card"),
	LIST("disk", &noun_disk, "a disk"),
	VM(engine, VALUE_ENUM, 0, 0, 0, "auto kvm qemu", "auto", NULL, NULL,
		"kvm: our own monitor, which needs hardware virtualisation; qemu: QEMU; auto: kvm where it "
		"works, else qemu"),
	VM(on_reboot, VALUE_ENUM, 0, 0, 0, "restart stop", "restart", NULL, NULL,
		"what a reboot of the guest does: start it again in place, or end it"),
};

static const struct key net_keys[] = {
	NET(bridge, VALUE_NAME, 0, 0, 0, NULL, NULL, NULL, NULL,
		"the bridge of patchbayd on which the card gets a port for its time"),
	NET(socket, VALUE_PATH, 0, 0, 0, NULL, NULL, NULL, NULL,
		"instead of a bridge: the socket of any vhost-user back end"),
	NET(server, VALUE_BOOL, 0, 0, 0, NULL, "no", NULL, NULL,
		"listen on the socket, for a back end that connects to it"),
	NET(mac, VALUE_MAC, 0, 0, 0, NULL, NULL, NULL, NULL,
		"its address; not given: made of the virtual machine's name, always the same"),
	NET(queues, VALUE_U32, 0, 1, 16, NULL, "1", "queue pairs", NULL, "queue pairs"),
	NET(mtu, VALUE_U32, 0, 68, 65535, NULL, NULL, "bytes", NULL,
		"the MTU that the guest is told"),
	NET(vlan_mode, VALUE_ENUM, 0, 0, 0,
		"trunk access native-tagged native-untagged dot1q-tunnel", NULL, NULL, NULL,
		"of the port, as in `port add`"),
	NET(tag, VALUE_INT, 0, 0, 4094, NULL, NULL, NULL, NULL, "of the port: its VLAN"),
	NET(trunks, VALUE_VLANS, 0, 0, 0, NULL, NULL, NULL, NULL,
		"of the port: the VLANs that it carries"),
	NET(profile, VALUE_ENUM, 0, 0, 0, "default open vm", "default", NULL, NULL,
		"of the port: its guards, as in `port add`"),
};

static const struct key disk_keys[] = {
	DISK(file, VALUE_PATH, KEY_REQUIRED, 0, 0, NULL, NULL, NULL, NULL,
		"a raw image or a block device"),
	DISK(ro, VALUE_BOOL, 0, 0, 0, NULL, "no", NULL, NULL,
		"read only; several virtual machines may then share it"),
};

/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct noun noun_bridge = {
	"bridge",
	"a virtual switch: ports, a MAC table",
	bridge_keys,
	COUNT(bridge_keys),
	sizeof(struct bridge_config),
};

const struct noun noun_port = {
	"port",
	"where frames enter and leave: a virtual machine, an interface, a file",
	port_keys,
	COUNT(port_keys),
	sizeof(struct port_config),
};

const struct noun noun_fdb = {
	"fdb",
	"the addresses a bridge knows and the ports behind which they are",
	fdb_keys,
	COUNT(fdb_keys),
	sizeof(struct fdb_config),
};

const struct noun noun_filter = {
	"filter",
	"rules that let frames of a port pass or end",
	filter_keys,
	COUNT(filter_keys),
	sizeof(struct filter_config),
};

const struct noun noun_mirror = {
	"mirror",
	"copies of frames for a port where somebody watches",
	mirror_keys,
	COUNT(mirror_keys),
	sizeof(struct mirror_config),
};

const struct noun noun_vm = {
	"vm",
	"a virtual machine that is run by patchbay itself",
	vm_keys,
	COUNT(vm_keys),
	sizeof(struct vm_settings),
};

const struct noun noun_net = {
	"net",
	"a network card of a virtual machine",
	net_keys,
	COUNT(net_keys),
	sizeof(struct net_settings),
};

const struct noun noun_disk = {
	"disk",
	"a disk of a virtual machine",
	disk_keys,
	COUNT(disk_keys),
	sizeof(struct disk_settings),
};

const struct noun *const nouns[] = {&noun_bridge, &noun_port, &noun_fdb, &noun_filter, &noun_mirror,
	&noun_vm, &noun_net, &noun_disk};
const unsigned noun_count = COUNT(nouns);

const char *const port_type_names[] = {
#define X(identifier, name, help) name,
	PORT_TYPE_LIST(X)
#undef X
};

const char *const port_type_helps[] = {
#define X(identifier, name, help) help,
	PORT_TYPE_LIST(X)
#undef X
};

const unsigned port_type_count = COUNT(port_type_names);
