/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "datapath/eth_device.h"
#include "datapath/eth_offload.h"
#include "datapath/mbuf.h"
#include "datapath/pci.h"

/* DPDK's driver makes the interface and sets it up. */
static const struct needs_call tap_calls[] = {NEEDS_SOCKET(AF_INET), NEEDS_SOCKET(AF_NETLINK),
	NEEDS_IOCTL(TUNGETFEATURES), NEEDS_IOCTL(TUNSETIFF), NEEDS_IOCTL(TUNGETIFF),
	NEEDS_IOCTL(TUNSETQUEUE), NEEDS_IOCTL(TUNSETOFFLOAD), NEEDS_IOCTL(TUNSETPERSIST),
	NEEDS_IOCTL(TUNSETVNETHDRSZ), NEEDS_IOCTL(TUNSETSNDBUF), NEEDS_IOCTL(SIOCGIFFLAGS),
	NEEDS_IOCTL(SIOCSIFFLAGS), NEEDS_IOCTL(SIOCGIFINDEX), NEEDS_IOCTL(SIOCGIFNAME),
	NEEDS_IOCTL(SIOCSIFMTU), NEEDS_IOCTL(SIOCGIFMTU), NEEDS_IOCTL(SIOCGIFHWADDR),
	NEEDS_IOCTL(SIOCSIFHWADDR), NEEDS_IOCTL(SIOCSIFNAME), NEEDS_IOCTL(SIOCETHTOOL),
	NEEDS_IOCTL(FIONBIO), NEEDS_NO_MORE};

const struct needs tap_needs = {
	.capabilities = NEEDS_CAPABILITY(CAP_NET_ADMIN),
	.calls = tap_calls,
};

/* Cards by VFIO or UIO; drivers may start threads, and old ones use I/O ports.  Physical addresses
 * (--iova pa) are told to CAP_SYS_ADMIN only. */
static const struct needs_call pci_calls[] = {NEEDS_CALL(clone), NEEDS_CALL(clone3),
	NEEDS_CALL(iopl), NEEDS_CALL(ioperm), NEEDS_CALL(sched_setscheduler),
	NEEDS_CALL(sched_setparam), NEEDS_CALL(eventfd2), NEEDS_CALL(inotify_init1),
	NEEDS_CALL(inotify_add_watch), NEEDS_CALL(inotify_rm_watch),
	NEEDS_CALL_IF(ioctl, 1, 0xff00, VFIO_TYPE << 8), NEEDS_SOCKET(AF_NETLINK), NEEDS_NO_MORE};

const struct needs pci_needs = {
	.capabilities = NEEDS_CAPABILITY(CAP_IPC_LOCK) | NEEDS_CAPABILITY(CAP_SYS_RAWIO) |
			NEEDS_CAPABILITY(CAP_SYS_ADMIN),
	.calls = pci_calls,
};

#define RX_DESCRIPTORS  512
#define TX_DESCRIPTORS  512
/* Each holds a buffer of all ports' pool, and the driver reads one frame at a time into them. */
#define TAP_DESCRIPTORS 32
#define ARGUMENTS_MAX   2400
#define PCAP_SNAP       16128 /* the driver cuts longer frames off */
#define FRAME_OVERHEAD  (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN)

/* ---- checks and arguments of each type ---- */

static int
need_tun(const struct port_eth_options *options, struct err *err)
{
	const char *dev = options->dev;
	int fd;

	if (if_nametoindex(dev))
		return err_set(err, -EEXIST,
			"interface \"%s\" exists already: choose another dev=, or "
			"remove it with `ip link del %s`",
			dev, dev);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno,
			"/dev/net/tun: %s: a tap port needs it, and CAP_NET_ADMIN",
			strerror(errno));
	close(fd);
	return 0;
}

static void
tap_arguments(const struct port_eth_options *options, char *text, size_t size)
{
	snprintf(text, size, "iface=%s", options->dev);
}

/* The driver's arguments are a list with commas between. */
static int
check_file(const char *file, int mode, struct err *err)
{
	int fd;

	if (strchr(file, ','))
		return err_set(err, -EINVAL, "capture file %s: a comma is not possible here", file);
	fd = open(file, mode == R_OK ? O_RDONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "capture file %s: %s", file, strerror(errno));
	close(fd);
	return 0;
}

static int
need_files(const struct port_eth_options *options, struct err *err)
{
	int r = options->file ? check_file(options->file, R_OK, err) : 0;

	if (!r && !options->file && !options->write)
		r = err_set(
			err, -EINVAL, "a pcap port needs file= to read, write= to write, or both");
	return !r && options->write ? check_file(options->write, W_OK, err) : r;
}

static void
pcap_arguments(const struct port_eth_options *options, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s%s%s", options->file ? "rx_pcap=" : "",
		options->file ? options->file : "", options->file && options->write ? "," : "",
		options->write ? "tx_pcap=" : "", options->write ? options->write : "");
}

static void
null_arguments(const struct port_eth_options *options, char *text, size_t size)
{
	snprintf(text, size, "no-rx=1");
}

static const struct eth_type types[] = {
	{.type = "tap",
		.driver = "net_tap",
		.check = need_tun,
		.arguments = tap_arguments,
		.cure = "the daemon needs CAP_NET_ADMIN",
		.wakes = true,
		.own_mtu = true,
		.own_mac = true,
		.rx_descriptors = TAP_DESCRIPTORS},
	{.type = "pcap",
		.driver = "net_pcap",
		.check = need_files,
		.arguments = pcap_arguments,
		.cure = "is it a capture file?",
		.max_mtu = PCAP_SNAP - RTE_ETHER_HDR_LEN - RTE_VLAN_HLEN},
	{.type = "null", .driver = "net_null", .arguments = null_arguments, .cure = ""},
	{.type = "pci", .own_mtu = true, .card = true},
};

const struct eth_type *
eth_type_find(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(types); i++)
		if (strcmp(types[i].type, name) == 0)
			return &types[i];
	return NULL;
}

/* ---- life ---- */

int
eth_device_attach(
	struct eth_device *device, const struct port_eth_options *options, struct err *err)
{
	const struct eth_type *type = eth_type_find(options->type);
	static unsigned serial;
	char arguments[ARGUMENTS_MAX];
	int r;

	memset(device, 0, sizeof(*device));
	if (!type)
		return err_set(err, -EINVAL, "\"%s\" is not a port type", options->type);
	device->type = type;
	if (rte_eth_dev_count_total() == RTE_MAX_ETHPORTS)
		return err_set(err, -ENOSPC,
			"%u ports of types tap, pci, pcap and null exist, more are not possible: "
			"veth, afpacket and afxdp are not counted",
			RTE_MAX_ETHPORTS);
	if (type->card)
		return pci_attach(options->pci, &device->id, err);
	r = type->check ? type->check(options, err) : 0;
	if (r)
		return r;
	snprintf(device->name, sizeof(device->name), "%s_%u", type->driver, serial++);
	type->arguments(options, arguments, sizeof(arguments));
	if (rte_vdev_init(device->name, arguments))
		return err_set(err, -ENODEV, "DPDK's %s driver refuses \"%s\": %s", type->driver,
			arguments, type->cure);
	if (rte_eth_dev_get_port_by_name(device->name, &device->id)) {
		rte_vdev_uninit(device->name);
		return err_set(err, -ENODEV, "DPDK's %s driver made no device", type->driver);
	}
	return 0;
}

static int
check_limits(const struct eth_device *device, const struct rte_eth_dev_info *info, unsigned queues,
	unsigned mtu, struct err *err)
{
	unsigned most = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

	if (queues > most)
		return err_set(err, -EINVAL, "a %s port has at most %u queues",
			device->type->card ? info->driver_name : device->type->type, most);
	if (device->type->own_mtu && mtu && (mtu > info->max_mtu || mtu < info->min_mtu))
		return err_set(err, -ERANGE, "mtu %u: the device's is %u..%u", mtu, info->min_mtu,
			info->max_mtu);
	if (device->type->card && mtu + FRAME_OVERHEAD > MBUF_DATA &&
		!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		return err_set(err, -ENOTSUP, "mtu %u: the driver %s has at most %d", mtu,
			info->driver_name, MBUF_DATA - FRAME_OVERHEAD);
	return 0;
}

static void
configure_card(struct eth_device *device, const struct rte_eth_dev_info *info, unsigned queues,
	unsigned mtu, struct rte_eth_conf *conf)
{
	uint64_t capa = eth_offload_rx_flags(info->rx_offload_capa, mtu + FRAME_OVERHEAD);

	device->tx_flags = eth_offload_tx_flags(info->tx_offload_capa);
	conf->rxmode.mtu = mtu;
	conf->rxmode.offloads = capa;
	conf->txmode.offloads = device->tx_flags;
	if (queues > 1 && info->flow_type_rss_offloads) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
}

static int
start_queues(const struct eth_device *device, const struct rte_eth_conf *conf, unsigned queues,
	struct rte_mempool *pool)
{
	uint16_t own = device->type->rx_descriptors;
	uint16_t rx = own ? own : RX_DESCRIPTORS, tx = TX_DESCRIPTORS;
	int r = rte_eth_dev_configure(device->id, (uint16_t)queues, (uint16_t)queues, conf);

	if (!r)
		r = rte_eth_dev_adjust_nb_rx_tx_desc(device->id, &rx, &tx);
	for (uint16_t q = 0; !r && q < queues; q++)
		r = rte_eth_rx_queue_setup(device->id, q, rx, SOCKET_ID_ANY, NULL, pool);
	for (uint16_t q = 0; !r && q < queues; q++)
		r = rte_eth_tx_queue_setup(device->id, q, tx, SOCKET_ID_ANY, NULL);
	return r;
}

int
eth_device_start(struct eth_device *device, const struct port_eth_options *options, unsigned queues,
	struct rte_mempool *pool, struct err *err)
{
	const struct eth_type *type = device->type;
	struct rte_eth_conf conf = {.intr_conf.rxq = type->wakes};
	unsigned mtu = options->mtu ? options->mtu : RTE_ETHER_MTU;
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int r = rte_eth_dev_info_get(device->id, &info);

	if (r)
		return err_set(
			err, r, "DPDK's driver says nothing about its device: %s", strerror(-r));
	r = check_limits(device, &info, queues, type->card ? mtu : options->mtu, err);
	if (r)
		return r;
	if (type->card)
		configure_card(device, &info, queues, mtu, &conf);
	r = start_queues(device, &conf, queues, pool);
	if (!r && options->mtu && type->own_mtu)
		r = rte_eth_dev_set_mtu(device->id, options->mtu);
	if (!r && !mac_is_zero(&options->mac) && type->own_mac) {
		memcpy(&mac, &options->mac, sizeof(mac));
		r = rte_eth_dev_default_mac_addr_set(device->id, &mac);
	}
	if (!r)
		r = rte_eth_dev_start(device->id);
	if (r)
		return err_set(err, r, "DPDK's driver %s: %s", info.driver_name, strerror(-r));
	device->mtu = type->max_mtu;
	if (type->own_mtu)
		rte_eth_dev_get_mtu(device->id, &device->mtu);
	rte_eth_promiscuous_enable(device->id);
	return 0;
}

void
eth_device_detach(struct eth_device *device)
{
	rte_eth_dev_stop(device->id);
	if (device->type->card) {
		pci_detach(device->id);
		return;
	}
	rte_eth_dev_close(device->id);
	rte_vdev_uninit(device->name);
}
