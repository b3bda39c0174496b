/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every port here is a DPDK virtual device, made from a table row.  Guests' offload requests are
 * completed before frames get here (accepts stays 0): these drivers either have no offloads or do
 * them in software with less care for hostile headers.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include "datapath/datapath.h"
#include "datapath/mbuf.h"
#include "datapath/port_eth.h"

#define RX_DESCRIPTORS 512
#define TX_DESCRIPTORS 512
#define POLL_US        200 /* longest sleep where the driver has no wake-ups */
#define ARGUMENTS_MAX  1200
#define MTU_DEFAULT    1500

struct port_eth {
	struct port port;
	uint16_t ethdev;
	char device[64]; /* the vdev's name */
	struct rte_mempool *pool;
	struct rte_mbuf *mbufs[PORT_QUEUES_MAX][FRAME_BURST]; /* of the burst under way */
	uint16_t mbuf_count[PORT_QUEUES_MAX];
	atomic_int
		wake_fd[PORT_QUEUES_MAX]; /* readable when frames wait; -1 = the driver has none */
};

/* ---- packet path ---- */

static bool
eth_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	struct port_eth *eth = (struct port_eth *)port;
	struct rte_mbuf **mbufs = eth->mbufs[queue];
	uint16_t n = rte_eth_rx_burst(eth->ethdev, (uint16_t)queue, mbufs, FRAME_BURST), kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		uint32_t len = rte_pktmbuf_pkt_len(m);
		enum drop drop = len < FRAME_LEN_MIN   ? DROP_RUNT
				 : len > FRAME_LEN_MAX ? DROP_TOO_LONG
						       : DROP_COUNT;

		memset(&mbuf_note(m)->frame, 0, sizeof(struct frame));
		if (drop != DROP_COUNT || !mbuf_to_burst(m, burst)) {
			counters->rx_packets++;
			counters->rx_bytes += len;
			counters->drops[drop != DROP_COUNT ? drop : DROP_TOO_LONG]++;
			rte_pktmbuf_free(m);
			continue;
		}
		mbufs[kept++] = m;
	}
	eth->mbuf_count[queue] = kept;
	return n > 0;
}

static void
eth_rx_done(struct port *port, unsigned queue, struct burst *burst)
{
	struct port_eth *eth = (struct port_eth *)port;

	(void)burst;
	rte_pktmbuf_free_bulk(eth->mbufs[queue], eth->mbuf_count[queue]);
	eth->mbuf_count[queue] = 0;
}

static void
eth_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct port_eth *eth = (struct port_eth *)port;
	struct rte_mbuf *mbufs[FRAME_BURST];
	uint32_t lens[FRAME_BURST];
	uint16_t n = 0, sent;

	for (unsigned k = 0; k < count; k++) {
		struct rte_mbuf *m = mbuf_from_frame(eth->pool, &frames[list[k]]);

		if (!m) {
			counters->drops[DROP_NO_MBUF]++;
			continue;
		}
		lens[n] = frames[list[k]].len;
		mbufs[n++] = m;
	}
	sent = rte_eth_tx_burst(eth->ethdev, (uint16_t)queue, mbufs, n);
	for (uint16_t i = 0; i < sent; i++)
		counters->tx_bytes += lens[i];
	counters->tx_packets += sent;
	if (sent < n) {
		counters->drops[DROP_NIC_FULL] += n - sent;
		rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
	}
	mbuf_settle();
}

/*
 * The tap driver hears of a frame by a signal to another thread, which can be later than the wake-up
 * for it: a worker that found nothing yet must not sleep on it.
 */
static bool
eth_rx_arm(struct port *port, unsigned queue)
{
	struct port_eth *eth = (struct port_eth *)port;
	struct pollfd fd = {.fd = atomic_load(&eth->wake_fd[queue]), .events = POLLIN};

	return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

static void
eth_destroy(struct port *port)
{
	struct port_eth *eth = (struct port_eth *)port;

	rte_eth_dev_stop(eth->ethdev);
	rte_eth_dev_close(eth->ethdev);
	rte_vdev_uninit(eth->device);
	free(eth);
}

/* ---- one row per driver ---- */

static int
need_interface(const char *dev, struct err *err)
{
	int fd;

	if (!if_nametoindex(dev))
		return err_set(err, -ENODEV, "interface \"%s\" does not exist: see `ip link`", dev);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno,
			"packets of interface \"%s\" can't be had (%s): the daemon "
			"needs CAP_NET_RAW",
			dev, strerror(errno));
	close(fd);
	return 0;
}

static int
need_tun(const char *dev, struct err *err)
{
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

static int
need_file(const char *file, struct err *err)
{
	if (access(file, R_OK) < 0)
		return err_set(err, -errno, "capture file %s: %s", file, strerror(errno));
	return 0;
}

static const struct eth_type {
	const char *type, *driver;
	int (*check)(const char *target, struct err *err); /* before anything is changed */
	const char *arguments; /* printf of target; queues are appended by queue_argument */
	const char *queue_argument;
	const char *cure; /* what usually helps when the driver refuses */
	bool wakes;       /* has receive interrupts */
	bool keeps_mtu;   /* the interface is somebody else's: its MTU stays */
} eth_types[] = {
	{"tap", "net_tap", need_tun, "iface=%s", NULL, "the daemon needs CAP_NET_ADMIN", true,
		false},
	{"afpacket", "net_af_packet", need_interface,
		"iface=%s,framesz=2048,blocksz=4096,framecnt=512", "qpairs",
		"the daemon needs CAP_NET_RAW", false, true},
	{"pcap", "net_pcap", need_file, "rx_pcap=%s", NULL, "is it a capture file?", false, true},
	{"null", "net_null", NULL, "no-rx=1", NULL, "", false, true},
};

static const struct eth_type *
find_type(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(eth_types); i++)
		if (strcmp(eth_types[i].type, name) == 0)
			return &eth_types[i];
	return NULL;
}

static int
probe(struct port_eth *eth, const struct eth_type *type, const struct port_eth_options *options,
	unsigned queues, struct err *err)
{
	static unsigned serial;
	char arguments[ARGUMENTS_MAX];
	size_t n;

	snprintf(eth->device, sizeof(eth->device), "%s_%u", type->driver, serial++);
	n = (size_t)snprintf(arguments, sizeof(arguments), type->arguments, options->target);
	if (type->queue_argument && n < sizeof(arguments))
		snprintf(arguments + n, sizeof(arguments) - n, ",%s=%u", type->queue_argument,
			queues);
	if (rte_vdev_init(eth->device, arguments))
		return err_set(err, -ENODEV, "DPDK's %s driver refuses \"%s\": %s", type->driver,
			options->target ? options->target : "", type->cure);
	if (rte_eth_dev_get_port_by_name(eth->device, &eth->ethdev)) {
		rte_vdev_uninit(eth->device);
		return err_set(err, -ENODEV, "DPDK's %s driver made no device", type->driver);
	}
	return 0;
}

static int
setup(struct port_eth *eth, const struct eth_type *type, const struct port_eth_options *options,
	unsigned queues)
{
	struct rte_eth_conf conf = {.intr_conf.rxq = type->wakes};
	struct rte_ether_addr mac;
	int r = rte_eth_dev_configure(eth->ethdev, (uint16_t)queues, (uint16_t)queues, &conf);

	for (uint16_t q = 0; !r && q < queues; q++)
		r = rte_eth_rx_queue_setup(
			eth->ethdev, q, RX_DESCRIPTORS, SOCKET_ID_ANY, NULL, eth->pool);
	for (uint16_t q = 0; !r && q < queues; q++)
		r = rte_eth_tx_queue_setup(eth->ethdev, q, TX_DESCRIPTORS, SOCKET_ID_ANY, NULL);
	if (!r && options->mtu && !type->keeps_mtu)
		r = rte_eth_dev_set_mtu(eth->ethdev, options->mtu);
	if (!r && !mac_is_zero(&options->mac) && !type->keeps_mtu) {
		memcpy(&mac, &options->mac, sizeof(mac));
		r = rte_eth_dev_default_mac_addr_set(eth->ethdev, &mac);
	}
	if (!r)
		r = rte_eth_dev_start(eth->ethdev);
	if (!r)
		rte_eth_promiscuous_enable(eth->ethdev);
	return r;
}

static const struct port_ops eth_ops[RTE_DIM(eth_types)] = {
#define OPS(name)                                                                 \
	{                                                                         \
		.type = name, .rx = eth_rx, .rx_done = eth_rx_done, .tx = eth_tx, \
		.rx_arm = eth_rx_arm, .destroy = eth_destroy                      \
	}
	OPS("tap"),
	OPS("afpacket"),
	OPS("pcap"),
	OPS("null"),
};

int
port_eth_create(const struct port_eth_options *options, struct port **port, struct err *err)
{
	const struct eth_type *type = find_type(options->type);
	unsigned queues = options->queues ? options->queues : 1;
	struct rte_eth_dev_info info;
	struct port_eth *eth;
	int r;

	if (!type)
		return err_set(err, -EINVAL, "\"%s\" is not a port type", options->type);
	if (type->check && (r = type->check(options->target, err)))
		return r;
	eth = calloc(1, sizeof(*eth));
	if (!eth)
		return err_set(err, -ENOMEM, "no memory for a port");
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		atomic_init(&eth->wake_fd[q], -1);
	eth->pool = mbuf_pool(err);
	r = eth->pool ? probe(eth, type, options, queues, err) : -ENOMEM;
	if (r) {
		free(eth);
		return r;
	}
	port_init(&eth->port, &eth_ops[type - eth_types], options->name, queues, queues);
	if (rte_eth_dev_info_get(eth->ethdev, &info) == 0 &&
		(queues > info.max_rx_queues || queues > info.max_tx_queues)) {
		r = err_set(err, -EINVAL, "a %s port has at most %u queues", type->type,
			RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	} else if ((r = setup(eth, type, options, queues))) {
		err_set(err, r, "DPDK's %s driver: %s", type->driver, strerror(-r));
	}
	if (r) {
		eth_destroy(&eth->port);
		return r;
	}
	eth->port.poll_us = type->wakes ? 0 : POLL_US;
	atomic_store(&eth->port.tx_queues, queues);
	*port = &eth->port;
	return 0;
}

int
port_eth_open(struct port *port, struct err *err)
{
	struct port_eth *eth = (struct port_eth *)port;

	for (unsigned q = 0; !port->poll_us && q < port->rx_queues; q++) {
		int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(eth->ethdev, (uint16_t)q), r;

		r = fd < 0 ? -ENOTSUP : datapath_port_watch(port, q, fd);
		if (r)
			return err_set(err, r, "no wake-ups from its interface: %s", strerror(-r));
		atomic_store(&eth->wake_fd[q], fd);
	}
	return 0;
}

void
port_eth_status(const struct port *port, struct port_eth_status *status)
{
	const struct port_eth *eth = (const struct port_eth *)port;
	struct rte_eth_link link = {0};
	struct rte_ether_addr mac = {0};

	memset(status, 0, sizeof(*status));
	rte_eth_link_get_nowait(eth->ethdev, &link);
	rte_eth_macaddr_get(eth->ethdev, &mac);
	rte_eth_dev_get_mtu(eth->ethdev, &status->mtu);
	status->link_up = link.link_status == RTE_ETH_LINK_UP;
	status->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	memcpy(&status->mac, &mac, sizeof(status->mac));
}
