/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs: everything patchbay can be told to do: one row per verb.  One table, longer than usual: a
 * reader looks for a row, not through the file.
 *
 * The request of a row is the JSON-RPC method "NOUN.VERB" with a params object whose members are
 * the keys of the row's object and its parameters.  The results, member by member
 * (of `capture` in api/verbs_capture.h, of `filter` and `set` in api/verbs_filter.h,
 * of `fdb`, `mdb` and `events` in api/verbs_table.h):
 *
 * bridge.add, .set, .del; port.add, .set, .del; fdb.add, .del; worker.reset, .set: {}
 *
 * bridge.show {name?} -> {"rows": [{
 *	name, ageing, capacity, forward_bpdu, flood_vlans,	all keys, defaults too (schema_store)
 *	ports		number of its ports
 *	port_names	list of their names
 *	entries		addresses in the MAC table, static ones included
 *	static_entries	of these
 *	learnt, moved, aged, evicted, refused	counters since the bridge was added
 * }]}		-ENOENT when the bridge that was named does not exist
 *
 * port.show {name?} -> {"rows": [{
 *	name, type, bridge, ...		all keys that apply to the type and are set or have a default
 *	vlan_mode	the mode in force, never absent (port_config_vlan_mode)
 *	profile		the profile in force: "open" or "vm"
 *	link		"up": frames pass; "down"; "blocked" for a while by the loop guard
 *	reason		why it is not up, a sentence ("waiting for a connection"), or why a queue of it
 *			stands still; absent when all is well
 *	mac, mtu	those of the other end where it has its own and none was given
 *	mac_limit, mac_lock	in force
 *	storm_broadcast, storm_multicast, storm_unknown		in force; 0 = no limit
 *	queues_used	queue pairs in use
 *	workers		list: the worker that polls receive queue 0, 1, ...
 *	vhost		vhost-user only: {
 *		state		"listening", "connected", ...
 *		connected	bool
 *		features, protocol_features	lists of names: what was negotiated
 *		ring		"split" or "packed"
 *		ring_size	entries
 *		regions, memory_bytes, sealed	the memory that the guest shares
 *		reconnects	connections since the port was added, less one
 *		errors		connections that patchbayd ended because of an error
 *		stalled		list of {ring, reason}: queues with work for a second that do not move
 *	}
 *	interface	afpacket, veth only: {
 *		name, ifindex	of the kernel's interface; 0 = it does not exist
 *		up, carrier	bool
 *		link_changes	how often the link went up or down
 *		lost		frames that arrived faster than they were taken
 *	}
 *	nic		pci, tap, pcap, null only: {
 *		driver		DPDK's
 *		speed_mbps	0 = not known
 *		offloads	list: what the card does for frames sent: "checksum", "tso4", "tso6"
 *		counters	{name: count}: the device's own that are not zero, names by the driver
 *	}
 *	xdp		afxdp only, while it has its interface: {
 *		mode		"native" or "generic"
 *		dispatcher	bool: by libxdp's dispatcher, beside other programs
 *		program_id	the kernel's number of the XDP program
 *		taken_over	bool: the program was there before this daemon
 *		sockets, zero_copy	AF_XDP sockets; how many of them are zero-copy
 *		pieces		bool: frames may take several descriptors
 *		promiscuous	bool: the interface receives frames for everybody
 *		addresses	that the program gives to the bridge
 *		host_packets, group_packets, taken_packets, unattended_packets	of the program
 *		lost_ring_full, lost_no_memory, lost_invalid, lost_group	of the kernel
 *	}		docs/uplinks.md
 *	bond_of		members of a bond only: its name
 *	bond		bond only: {
 *		active		the one member in use, where only one is
 *		partner		with LACP: the system that the members in use lead to
 *		failovers	how often the one member in use was replaced by another
 *		members		{name: {link: "up" or "down", receives, sends: bool; with LACP:
 *				receive_machine, mux_machine: states as IEEE 802.1AX names them,
 *				selected: bool: of the aggregate in use,
 *				looped: bool: it hears what this bond sends,
 *				lacpdus_received, lacpdus_sent, markers_answered,
 *				actor, partner: {system, system_priority, key, port, port_priority,
 *				state: list of the bits' names}}}
 *	}
 * }]}
 *
 * stats.show {port?} -> {"time_ns": monotonic clock of the daemon, "rows": [{
 *	name, rx_packets, rx_bytes, tx_packets, tx_bytes,
 *	rx_forwarded, rx_flooded, rx_copies, rx_joined, tx_segmented, tx_csum,
 *	drops		{name: count} of every drop that is not zero (datapath/drop.h)
 * }]}		received = rx_forwarded + rx_flooded + the drops of direction IN
 *
 * worker.show -> {"time_ns", "rows": [{
 *	worker		number
 *	cpu		it is pinned to
 *	queues		receive queues it polls
 *	queue_list	list of {"port", "queue"}
 *	busy_percent	share of its time in turns that found work, since the reset
 *	cycles_per_packet	busy TSC cycles per packet received; 0 without packets
 *	packets, wakeups	since the reset
 *	sleeping	bool
 *	vectors		level of vectors at which it works on the rings of guests: "x86-64-v3"
 * }]}
 *
 * config.show -> {"config": {"bridges": {...}, "ports": {...}, "fdb": [...]}, "text": YAML}
 *		without ports that have an owner, and what belongs to these
 * config.apply {text, source?, dry_run} -> {"changes": ["add bridge br0", ...],
 *	"kept": ["port vm1.0 of vm:vm1", ...]}	ports with an owner
 *
 * daemon.ping -> {}
 * daemon.version -> {"version": "0.1.0", "api": API_VERSION, "pid", "uptime" (s), "hugepages": bool,
 *	"dpdk": "22.11.5"}
 * daemon.restart -> {"pid": of the daemon that is about to take over}
 * daemon.takeover -> {"name": abstract Unix socket on which `patchbayd --takeover` goes on}
 * daemon.schema -> schema_describe()
 */
#include "api/schema.h"
#include "api/verbs_capture.h"
#include "api/verbs_filter.h"
#include "api/verbs_table.h"
#include "api/verbs_vm.h"

#define END       \
	{         \
		0 \
	}

static const struct column bridge_columns[] = {
	{"BRIDGE", "name", COLUMN_TEXT, "name"},
	{"PORTS", "ports", COLUMN_NUMBER, "number of ports"},
	{"ADDRESSES", "entries", COLUMN_NUMBER, "addresses in the MAC table"},
	{"STATIC", "static_entries", COLUMN_NUMBER, "static ones of these"},
	{"CAPACITY", "capacity", COLUMN_NUMBER, "most addresses it can hold"},
	{"AGEING s", "ageing", COLUMN_NUMBER, "time after which a silent address is forgotten"},
	{"LEARNT", "learnt", COLUMN_HIDDEN, "addresses learnt since the bridge was added"},
	{"MOVED", "moved", COLUMN_HIDDEN, "addresses that changed their port"},
	{"AGED", "aged", COLUMN_HIDDEN, "addresses forgotten by age"},
	{"EVICTED", "evicted", COLUMN_HIDDEN, "addresses displaced because the table was full"},
	{"REFUSED", "refused", COLUMN_HIDDEN, "addresses not learnt because of a limit"},
	END,
};

static const struct column port_columns[] = {
	{"PORT", "name", COLUMN_TEXT, "name"},
	{"TYPE", "type", COLUMN_TEXT, "port type"},
	{"BRIDGE", "bridge", COLUMN_TEXT, "the bridge it belongs to"},
	{"LINK", "link", COLUMN_TEXT, "up when frames can pass"},
	{"QUEUES", "queues_used", COLUMN_NUMBER, "queue pairs in use"},
	{"MTU", "mtu", COLUMN_NUMBER, "the longest packet sent to it"},
	{"VLAN MODE", "vlan_mode", COLUMN_TEXT, "VLAN mode in force"},
	{"TAG", "tag", COLUMN_NUMBER, "its VLAN"},
	{"MAC", "mac", COLUMN_TEXT, "address of the other end, if it was given"},
	{"OWNER", "owner", COLUMN_TEXT, "whose it is, if it is not the configuration's"},
	{"REASON", "reason", COLUMN_TEXT, "why the link is down, or a queue stands still"},
	{"PROFILE", "profile", COLUMN_HIDDEN, "profile in force"},
	{"MAC LIMIT", "mac_limit", COLUMN_HIDDEN, "most addresses learnt from it"},
	{"BROADCAST", "storm_broadcast", COLUMN_HIDDEN, "most broadcast frames/s; 0 = no limit"},
	{"MULTICAST", "storm_multicast", COLUMN_HIDDEN, "most multicast frames/s; 0 = no limit"},
	{"UNKNOWN", "storm_unknown", COLUMN_HIDDEN,
		"most frames/s to unknown addresses; 0 = no limit"},
	{"MAC LOCK", "mac_lock", COLUMN_HIDDEN, "is its mac the only source address it may use?"},
	{"LEASES", "leases", COLUMN_HIDDEN,
		"addresses that DHCP granted, and the seconds they have left (ip_lock=dhcp)"},
	{"WORKERS", "workers", COLUMN_HIDDEN, "the workers that poll its receive queues, in order"},
	{"VHOST", "vhost", COLUMN_HIDDEN, "state of a vhost-user connection"},
	{"INTERFACE", "interface", COLUMN_HIDDEN, "state of a kernel interface"},
	{"NIC", "nic", COLUMN_HIDDEN, "driver, offloads and counters of a device"},
	{"XDP", "xdp", COLUMN_HIDDEN, "XDP program and sockets of a shared interface"},
	END,
};

static const struct column stats_columns[] = {
	{"PORT", "name", COLUMN_TEXT, "name"},
	{"RX PACKETS", "rx_packets", COLUMN_COUNTER, "frames received, dropped ones included"},
	{"RX BYTES", "rx_bytes", COLUMN_BYTES, "their bytes"},
	{"TX PACKETS", "tx_packets", COLUMN_COUNTER, "frames sent"},
	{"TX BYTES", "tx_bytes", COLUMN_BYTES, "their bytes"},
	{"FORWARDED", "rx_forwarded", COLUMN_HIDDEN, "received frames sent to one known port"},
	{"FLOODED", "rx_flooded", COLUMN_HIDDEN, "received frames sent to several ports"},
	{"COPIES", "rx_copies", COLUMN_HIDDEN, "copies sent of the flooded ones"},
	{"JOINED", "rx_joined", COLUMN_HIDDEN, "frames less than arrived: segments joined by gro"},
	{"SEGMENTED", "tx_segmented", COLUMN_HIDDEN, "frames that software segmentation added"},
	{"CHECKSUMS", "tx_csum", COLUMN_HIDDEN, "checksums completed in software"},
	{"DROPS", "drops", COLUMN_NONZERO_LIST, "frames not delivered, by reason"},
	END,
};

static const struct column worker_columns[] = {
	{"WORKER", "worker", COLUMN_NUMBER, "number"},
	{"CPU", "cpu", COLUMN_NUMBER, "the CPU it is pinned to"},
	{"QUEUES", "queues", COLUMN_NUMBER, "receive queues it polls"},
	{"BUSY %", "busy_percent", COLUMN_PERCENT, "share of its time with work, since the reset"},
	{"CYCLES/PKT", "cycles_per_packet", COLUMN_NUMBER, "busy cycles per packet"},
	{"PACKETS", "packets", COLUMN_COUNTER, "packets received since the reset"},
	{"WAKEUPS", "wakeups", COLUMN_COUNTER, "times it was woken from sleep"},
	{"SLEEPING", "sleeping", COLUMN_TEXT, "is it asleep at this moment?"},
	{"VECTORS", "vectors", COLUMN_HIDDEN, "level of vectors used on the rings of guests"},
	{"QUEUE LIST", "queue_list", COLUMN_HIDDEN, "the queues it polls"},
	END,
};

static const struct column version_columns[] = {
	{"VERSION", "version", COLUMN_TEXT, "version of the daemon"},
	{"API", "api", COLUMN_NUMBER, "version of the protocol"},
	{"PID", "pid", COLUMN_NUMBER, "its process"},
	{"UPTIME s", "uptime", COLUMN_NUMBER, "seconds since its start"},
	{"HUGEPAGES", "hugepages", COLUMN_TEXT, "are packet buffers in hugepages?"},
	{"DPDK", "dpdk", COLUMN_TEXT, "version of DPDK"},
	END,
};

static const struct column nic_columns[] = {
	{"PCI", "pci", COLUMN_TEXT, "PCI address"},
	{"ID", "id", COLUMN_TEXT, "vendor and device"},
	{"DRIVER", "driver", COLUMN_TEXT, "who drives it; vfio-pci: ready for a pci port"},
	{"IOMMU GROUP", "iommu_group", COLUMN_NUMBER, "cards of one group change hands together"},
	{"NUMA", "numa_node", COLUMN_NUMBER, "the memory it is near to"},
	{"INTERFACE", "interface", COLUMN_TEXT, "the kernel's interfaces of it"},
	{"ADDRESS", "ips", COLUMN_TEXT, "addresses of the first one"},
	{"IN THE WAY", "obstacle", COLUMN_TEXT, "what keeps it from a pci port"},
	{"INTERFACES", "interfaces", COLUMN_HIDDEN, "all interfaces: name, up, addresses"},
	{"READY", "ready", COLUMN_HIDDEN, "is it bound to vfio-pci?"},
	END,
};

/* clang-format off */

/* name, type, min, max, choices, help, positional, required */

static const struct param bridge_show_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "show this bridge only, in full", true, false},
	END,
};

static const struct param port_show_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "show this port only, in full", true, false},
	END,
};

static const struct param port_del_params[] = {
	{"force", VALUE_BOOL, 0, 0, NULL, "also if it belongs to somebody else (owner)", false, false},
	END,
};

static const struct param stats_show_params[] = {
	{"port", VALUE_NAME, 0, 0, NULL, "show this port only", true, false},
	END,
};

static const struct param worker_reset_params[] = {
	{"worker", VALUE_U32, 0, 63, NULL, "this worker only", true, false},
	END,
};

static const struct param worker_set_params[] = {
	{"worker", VALUE_U32, 0, 63, NULL, "the worker that is to poll the queue", true, true},
	{"port", VALUE_NAME, 0, 0, NULL, "the port", false, true},
	{"queue", VALUE_U32, 0, 15, NULL, "its receive queue", false, true},
	END,
};

static const struct param config_apply_params[] = {
	{"text", VALUE_TEXT, 0, 0, NULL, "the configuration (YAML)", true, true},
	{"source", VALUE_STRING, 0, 1023, NULL, "what error messages call it; default: the file's name",
		false, false},
	{"dry_run", VALUE_BOOL, 0, 0, NULL, "say what would change and change nothing", false, false},
	END,
};

static const struct param bench_run_params[] = {
	{"listen", VALUE_BOOL, 0, 0, NULL,
		"listen on the sockets, for a switch that connects; else connect", false, false},
	{"control", VALUE_PATH, 0, 0, NULL,
		"control socket of the patchbayd that is measured; not given: looked for", false, false},
	{"daemon", VALUE_PATH, 0, 0, NULL,
		"the patchbayd to start when no --socket is given; not given: looked for", false, false},
	{"cpus", VALUE_STRING, 0, 127, NULL,
		"CPUs of the traffic (2,4-7), pairs are shared out; not given: the first one that is free",
		false, false},
	{"workers", VALUE_STRING, 0, 127, NULL,
		"CPUs of the patchbayd that is started; not given: the last one", false, false},
	{"load", VALUE_ENUM, 0, 0, "two-way one-way",
		"two-way: each frame is returned; not given: two-way", false, false},
	{"pairs", VALUE_U32, 1, 32, NULL, "pairs of guests that talk; not given: 1", false, false},
	{"size", VALUE_STRING, 0, 255, NULL,
		"bytes of a frame, 64..65536 or imix; several with commas between; not given: 64", false,
		false},
	{"macs", VALUE_U32, 2, 1000000, NULL, "addresses of all guests together; not given: one each",
		false, false},
	{"vlans", VALUE_U32, 0, 4094, NULL, "VLANs in turn; not given: none", false, false},
	{"vlan", VALUE_ENUM, 0, 0, "none trunk access mixed",
		"frames without tags, with tags, without tags in a VLAN of the switch's, or without at one "
		"guest and with at the other", false, false},
	{"rate", VALUE_STRING, 0, 31, NULL,
		"frames/s of all guests together (250k, 1.5M); not given: as many as pass", false, false},
	{"search", VALUE_BOOL, 0, 0, NULL, "find the highest rate without loss (RFC 2544)", false, false},
	{"resolution", VALUE_STRING, 0, 31, NULL,
		"of the search, in per cent of the maximum; not given: 1", false, false},
	{"latency", VALUE_U32, 1, 100, NULL,
		"measure latency too, at this per cent of the maximum", false, false},
	{"seconds", VALUE_STRING, 0, 31, NULL, "time of each measurement; not given: 3", false, false},
	{"in_flight", VALUE_U32, 1, 16384, NULL,
		"frames of each guest on the way; not given: 7/16 of a ring", false, false},
	{"burst", VALUE_U32, 1, 64, NULL, "most frames per turn of a guest; not given: 32", false, false},
	{"verify", VALUE_ENUM, 0, 0, "sample full",
		"compare headers and samples of each frame, or every byte; not given: sample", false, false},
	{"ring", VALUE_ENUM, 0, 0, "split packed", "layout of the rings; not given: split", false, false},
	{"ring_size", VALUE_U32, 64, 32768, NULL, "entries of a ring; not given: 1024", false, false},
	{"in_order", VALUE_ENUM, 0, 0, "auto yes no", "VIRTIO_F_IN_ORDER; not given: where offered", false,
		false},
	{"mergeable", VALUE_ENUM, 0, 0, "auto yes no",
		"VIRTIO_NET_F_MRG_RXBUF; not given: where offered", false, false},
	{"indirect", VALUE_BOOL, 0, 0, NULL, "send by indirect descriptors", false, false},
	{"event_idx", VALUE_BOOL, 0, 0, NULL, "negotiate VIRTIO_RING_F_EVENT_IDX", false, false},
	{"offload", VALUE_ENUM, 0, 0, "auto none tso uso",
		"how frames ask for segmentation; not given: TSO above 1518 bytes", false, false},
	{"buffer", VALUE_U32, 512, 131072, NULL,
		"bytes of a receive buffer; not given: 2048, or a whole frame where none are merged", false,
		false},
	{"hugepages", VALUE_ENUM, 0, 0, "auto yes no",
		"guest memory in 2 MiB pages; not given: where there are some", false, false},
	{"csv", VALUE_BOOL, 0, 0, NULL, "print comma-separated values", false, false},
	{"plot", VALUE_STRING, 0, 1023, NULL, "draw the results into this SVG file (needs gnuplot)", false,
		false},
	{"progress", VALUE_BOOL, 0, 0, NULL, "show progress even when it is no terminal", false, false},
	END,
};

static const struct param nic_bind_params[] = {
	{"pci", VALUE_STRING, 0, 31, NULL, "PCI address of the card, as `nic list` shows it", true, true},
	{"force", VALUE_BOOL, 0, 0, NULL,
		"even if the host uses it: whoever does is cut off", false, false},
	END,
};

static const struct param nic_unbind_params[] = {
	{"pci", VALUE_STRING, 0, 31, NULL, "PCI address of the card, as `nic list` shows it", true, true},
	{"force", VALUE_BOOL, 0, 0, NULL,
		"even if a program uses it: the kernel waits for that program", false, false},
	END,
};

static const struct param help_params[] = {
	{"noun", VALUE_STRING, 0, 31, NULL, "the noun", true, false},
	{"verb", VALUE_STRING, 0, 31, NULL, "the verb", true, false},
	END,
};

/* noun, name, help, object, positional, set, params, columns, flags, example */

const struct verb verbs[] = {
	{"bridge", "add", "add a bridge", &noun_bridge, "name", false, NULL, NULL, 0,
		"bridge add br0 ageing=600"},
	{"bridge", "set", "change a bridge", &noun_bridge, "name", true, NULL, NULL, 0,
		"bridge set br0 ageing=60"},
	{"bridge", "del", "delete a bridge that has no ports", &noun_bridge, "name", false, NULL, NULL,
		VERB_IDENTITY, "bridge del br0"},
	{"bridge", "show", "show bridges", NULL, NULL, false, bridge_show_params, bridge_columns,
		VERB_READ_ONLY | VERB_DEFAULT | VERB_DETAIL, "bridge show"},

	{"port", "add", "add a port", &noun_port, "name type", false, NULL, NULL, 0,
		"port add vm1 vhost-user bridge=br0 path=/run/patchbay/vm1.sock mode=server queues=2"},
	{"port", "set", "change a port while it works; KEY= gives a key its default back", &noun_port,
		"name", true, NULL, NULL, 0, "port set vm1 vlan_mode=access tag=10"},
	{"port", "del", "delete a port", &noun_port, "name", false, port_del_params, NULL, VERB_IDENTITY,
		"port del vm1"},
	{"port", "show", "show ports", NULL, NULL, false, port_show_params, port_columns,
		VERB_READ_ONLY | VERB_DEFAULT | VERB_DETAIL | VERB_WATCH, "port show vm1"},

	{"stats", "show", "show the counters of ports", NULL, NULL, false, stats_show_params,
		stats_columns, VERB_READ_ONLY | VERB_DEFAULT | VERB_WATCH, "stats --watch"},

	{"fdb", "show", "show MAC tables", NULL, NULL, false, fdb_show_params, fdb_columns,
		VERB_READ_ONLY | VERB_DEFAULT | VERB_WATCH, "fdb show br0 vlan=10"},
	{"fdb", "add", "add a static address", &noun_fdb, "bridge mac port", false, NULL, NULL, 0,
		"fdb add br0 52:54:00:12:34:56 vm1 vlan=10"},
	{"fdb", "del", "delete an address", &noun_fdb, "bridge mac", false, NULL, NULL, VERB_IDENTITY,
		"fdb del br0 52:54:00:12:34:56 vlan=10"},
	{"fdb", "flush", "forget learnt addresses", NULL, NULL, false, fdb_flush_params, NULL, 0,
		"fdb flush br0 port=vm1"},

	{"filter", "show", "show the rules of filters and what they decided", NULL, NULL, false,
		filter_show_params, filter_columns, VERB_READ_ONLY | VERB_DEFAULT | VERB_WATCH,
		"filter show vm1"},
	{"filter", "add", "add a rule to a port's filter", &noun_filter,
		"port direction priority action expression", false, NULL, NULL, 0,
		"filter add vm1 in 10 deny 'tcp dst port 25'"},
	{"filter", "set", "change a rule", &noun_filter, "port direction priority", true, NULL, NULL, 0,
		"filter set vm1 in 10 action=allow"},
	{"filter", "del", "delete a rule", &noun_filter, "port direction priority", false, NULL, NULL,
		VERB_IDENTITY, "filter del vm1 in 10"},

	{"set", "show", "show sets of addresses", NULL, NULL, false, set_show_params, set_columns,
		VERB_READ_ONLY | VERB_DEFAULT, "set show badguys"},
	{"set", "add", "add a set of addresses, or addresses to it", NULL, NULL, false,
		set_change_params, NULL, 0, "set add badguys 198.51.100.0/24,2001:db8::/32"},
	{"set", "del", "delete addresses from a set, or the set", NULL, NULL, false, set_change_params,
		NULL, 0, "set del badguys 198.51.100.0/24"},
	{"set", "load", "replace a set by the addresses in a file, one per line", NULL, NULL, false,
		set_load_params, NULL, 0, "set load badguys addresses.txt"},

	{"mirror", "show", "show mirrors and how much they have copied", NULL, NULL, false,
		mirror_show_params, mirror_columns,
		VERB_READ_ONLY | VERB_DEFAULT | VERB_DETAIL | VERB_WATCH, "mirror show"},
	{"mirror", "add", "copy frames to a port where somebody watches", &noun_mirror, "name", false,
		NULL, NULL, 0, "mirror add m1 bridge=br0 from=vm1,vm2 direction=in to=mon1"},
	{"mirror", "set", "change a mirror while it works; KEY= gives a key its default back",
		&noun_mirror, "name", true, NULL, NULL, 0, "mirror set m1 vlans=10,20-30"},
	{"mirror", "del", "delete a mirror; its port becomes an ordinary one again", &noun_mirror, "name",
		false, NULL, NULL, VERB_IDENTITY, "mirror del m1"},

	{"worker", "show", "show the threads that move packets", NULL, NULL, false, NULL,
		worker_columns, VERB_READ_ONLY | VERB_DEFAULT | VERB_WATCH, "worker show"},
	{"worker", "reset", "set the counters of workers to zero", NULL, NULL, false,
		worker_reset_params, NULL, 0, "worker reset"},
	{"worker", "set", "let a worker poll a queue", NULL, NULL, false, worker_set_params, NULL, 0,
		"worker set 1 port=vm1 queue=0"},

	{"config", "show", "print what runs, but for ports with an owner, as a configuration file", NULL, NULL, false, NULL, NULL,
		VERB_READ_ONLY | VERB_DEFAULT | VERB_TEXT, "config show > network.yaml"},
	{"config", "apply", "make what runs equal to a file; all or nothing", NULL, NULL, false,
		config_apply_params, NULL, VERB_CHANGES, "config apply network.yaml --dry-run"},

	{"mdb", "show", "show multicast groups and who wants them", NULL, NULL, false, mdb_show_params,
		mdb_columns, VERB_READ_ONLY | VERB_DEFAULT | VERB_WATCH, "mdb show br0"},

	{"events", "show", "show what happened lately: loops, addresses that move, limits", NULL, NULL,
		false, events_show_params, events_columns, VERB_READ_ONLY | VERB_DEFAULT | VERB_FOLLOW,
		"events --follow"},

	{"capture", "run", "record frames, as pcapng or as text, until Ctrl-C", NULL, NULL, false,
		capture_run_params, NULL, VERB_LOCAL, "capture vm1 -c 10 'tcp port 80'"},

	{"daemon", "version", "show the daemon's version", NULL, NULL, false, NULL, version_columns,
		VERB_READ_ONLY | VERB_DEFAULT, "daemon version"},
	{"daemon", "ping", "ask whether the daemon answers", NULL, NULL, false, NULL, NULL,
		VERB_READ_ONLY, "daemon ping"},
	{"daemon", "restart", "replace the daemon by a new one that goes on with all connections",
		NULL, NULL, false, NULL, NULL, 0, "daemon restart"},
	{"daemon", "takeover", "let another daemon take the place of this one", NULL, NULL, false,
		NULL, NULL, VERB_HIDDEN, "daemon takeover"},
	{"daemon", "capture", "record frames, for a client that reads them from memory", NULL, NULL,
		false, daemon_capture_params, NULL, VERB_HIDDEN, "daemon capture vm1"},
	{"daemon", "schema", "print the declaration of nouns, keys and verbs as JSON", NULL, NULL,
		false, NULL, NULL, VERB_READ_ONLY | VERB_JSON, "daemon schema"},

	{"nic", "list", "show this host's PCI network cards and what is in the way of using them", NULL,
		NULL, false, NULL, nic_columns, VERB_LOCAL | VERB_DEFAULT, "nic list"},
	{"nic", "bind", "take a network card from the kernel, for a pci port; needs root", NULL, NULL,
		false, nic_bind_params, NULL, VERB_LOCAL, "nic bind 0000:03:00.0"},
	{"nic", "unbind", "give a network card back to the kernel; needs root", NULL, NULL, false,
		nic_unbind_params, NULL, VERB_LOCAL, "nic unbind 0000:03:00.0"},
	{"vm", "run", "start a virtual machine", &noun_vm, NULL, false, vm_run_params, NULL, VERB_LOCAL,
		"vm run vm1 --kernel vmlinuz --initrd initrd.img --memory 512M --net bridge=br0,tag=10"},
	{"vm", "list", "list virtual machines", NULL, NULL, false, NULL, vm_columns,
		VERB_LOCAL | VERB_DEFAULT, "vm list"},
	{"vm", "show", "show a virtual machine", NULL, NULL, false, vm_name_params, vm_columns,
		VERB_LOCAL | VERB_DETAIL, "vm show vm1"},
	{"vm", "console", "attach the terminal to the serial console; Ctrl-] d leaves it", NULL, NULL,
		false, vm_name_params, NULL, VERB_LOCAL, "vm console vm1"},
	{"vm", "log", "print what the guest wrote to its console, also when it has ended", NULL, NULL,
		false, vm_name_params, NULL, VERB_LOCAL | VERB_TEXT, "vm log vm1"},
	{"vm", "stop", "press the power button, wait for the end, then kill", NULL, NULL, false,
		vm_stop_params, NULL, VERB_LOCAL, "vm stop vm1 wait=10"},
	{"vm", "kill", "end a virtual machine at once", NULL, NULL, false, vm_name_params, NULL,
		VERB_LOCAL, "vm kill vm1"},
	{"vm", "pause", "halt its CPUs", NULL, NULL, false, vm_name_params, NULL, VERB_LOCAL,
		"vm pause vm1"},
	{"vm", "resume", "let its CPUs go on", NULL, NULL, false, vm_name_params, NULL, VERB_LOCAL,
		"vm resume vm1"},
	{"up", "run", "start what a file describes: patchbayd if none runs, bridges, ports, VMs", NULL,
		NULL, false, up_params, NULL, VERB_LOCAL | VERB_CHANGES, "up configs/two-vms.yaml"},
	{"down", "run", "end what `up` started from the file", NULL, NULL, false, down_params, NULL,
		VERB_LOCAL | VERB_CHANGES, "down configs/two-vms.yaml"},

	{"bench", "run", "measure a switch between virtual machines of our own", NULL, NULL, false,
		bench_run_params, NULL, VERB_LOCAL,
		"bench --socket /run/patchbay/vm1.sock --socket /run/patchbay/vm2.sock size=64,1500"},
	{"completion", "bash", "print a script that completes commands in bash", NULL, NULL, false,
		NULL, NULL, VERB_LOCAL, "completion bash > /etc/bash_completion.d/patchbay"},
	{"help", "show", "show help about a noun or a verb", NULL, NULL, false, help_params, NULL,
		VERB_LOCAL, "help port add"},
};

/* clang-format on */

const unsigned verb_count = sizeof(verbs) / sizeof(verbs[0]);
