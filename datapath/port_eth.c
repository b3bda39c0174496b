/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every port here is a device of DPDK's: a virtual one made from a table row, or a PCI card.  Virtual
 * devices get frames that need nothing more (accepts stays 0): their drivers either have no offloads
 * or do them in software with less care for hostile headers.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "datapath/datapath.h"
#include "datapath/eth_device.h"
#include "datapath/eth_offload.h"
#include "datapath/mbuf.h"
#include "datapath/offload.h"
#include "datapath/port_eth.h"

#define POLL_US 200 /* longest sleep where the driver has no wake-ups */

struct port_eth {
	struct port port;
	struct eth_device device;
	struct rte_mempool *pool;
	bool own_pool;
	struct offload
		*offload[PORT_QUEUES_MAX]; /* for what the card can't do; NULL = can nothing */
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
	uint16_t n = rte_eth_rx_burst(eth->device.id, (uint16_t)queue, mbufs, FRAME_BURST),
		 kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		uint32_t len = rte_pktmbuf_pkt_len(m);
		enum drop drop;

		memset(&mbuf_note(m)->frame, 0, sizeof(struct frame));
		drop = len < FRAME_LEN_MIN   ? DROP_RUNT
		       : len > FRAME_LEN_MAX ? DROP_TOO_LONG
					     : eth_offload_received(m, &mbuf_note(m)->frame);
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

/* Copies on their way to the card. */
struct outgoing {
	unsigned count;
	struct rte_mbuf *mbufs[FRAME_BURST];
};

static void
send_out(struct port_eth *eth, unsigned queue, struct outgoing *out, struct port_counters *counters)
{
	uint16_t n = (uint16_t)out->count, ready = n, sent;

	if (eth->offload[queue])
		ready = rte_eth_tx_prepare(eth->device.id, (uint16_t)queue, out->mbufs, n);
	for (uint16_t i = 0; i < ready; i++)
		counters->tx_bytes += rte_pktmbuf_pkt_len(out->mbufs[i]);
	sent = rte_eth_tx_burst(eth->device.id, (uint16_t)queue, out->mbufs, ready);
	for (uint16_t i = sent; i < ready; i++)
		counters->tx_bytes -= rte_pktmbuf_pkt_len(out->mbufs[i]);
	counters->tx_packets += sent;
	counters->drops[DROP_NIC_FULL] += ready - sent;
	counters->drops[DROP_NO_OFFLOAD] += n - ready;
	rte_pktmbuf_free_bulk(out->mbufs + sent, n - sent);
	mbuf_settle();
	out->count = 0;
}

static void
copy_out(struct port_eth *eth, unsigned queue, const struct frame *f, struct outgoing *out,
	struct port_counters *counters)
{
	struct rte_mbuf *m = mbuf_from_frame(eth->pool, f);

	if (!m) {
		counters->drops[DROP_NO_MBUF]++;
		return;
	}
	if (f->needs)
		eth_offload_request(m, f);
	out->mbufs[out->count++] = m;
	if (out->count == FRAME_BURST)
		send_out(eth, queue, out, counters);
}

/* What the card can't do, though it does the like of it. */
static void
complete_out(struct port_eth *eth, unsigned queue, const struct frame *f, struct outgoing *out,
	struct port_counters *counters)
{
	struct frame *made;
	unsigned count;

	if (offload_complete(eth->offload[queue], f, 0, &made, &count)) {
		counters->drops[DROP_NO_OFFLOAD]++;
		return;
	}
	counters->tx_segmented += count - 1;
	counters->tx_csum += count;
	for (unsigned i = 0; i < count; i++)
		copy_out(eth, queue, &made[i], out, counters);
}

static void
eth_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct port_eth *eth = (struct port_eth *)port;
	struct outgoing out = {0};

	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];

		if (f->needs && !eth_offload_fits(f))
			complete_out(eth, queue, f, &out, counters);
		else
			copy_out(eth, queue, f, &out, counters);
	}
	if (out.count)
		send_out(eth, queue, &out, counters);
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

	/* An interface that somebody deleted has nothing any more. */
	return fd.fd >= 0 && poll(&fd, 1, 0) > 0 && !(fd.revents & POLLERR);
}

static void
eth_destroy(struct port *port)
{
	struct port_eth *eth = (struct port_eth *)port;

	eth_device_detach(&eth->device);
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		offload_destroy(eth->offload[q]);
	if (eth->own_pool)
		rte_mempool_free(eth->pool);
	free(eth);
}

/* ---- life ---- */

#define OPS(name)                                                                 \
	{                                                                         \
		.type = name, .rx = eth_rx, .rx_done = eth_rx_done, .tx = eth_tx, \
		.rx_arm = eth_rx_arm, .destroy = eth_destroy                      \
	}
static const struct port_ops eth_ops[] = {OPS("tap"), OPS("pcap"), OPS("null"), OPS("pci")};

static const struct port_ops *
find_ops(const char *type)
{
	for (size_t i = 0; i < RTE_DIM(eth_ops); i++)
		if (strcmp(eth_ops[i].type, type) == 0)
			return &eth_ops[i];
	return NULL;
}

/* A card's rings are full of buffers: they come from a pool of its own. */
static int
take_pool(struct port_eth *eth, unsigned queues, struct err *err)
{
	eth->own_pool = eth->device.type->card;
	eth->pool = eth->own_pool ? mbuf_pool_create(eth->device.id, queues, err) : mbuf_pool(err);
	return eth->pool ? 0 : -ENOMEM;
}

/* What the card accepts, and what completes the rest. */
static int
take_offloads(struct port_eth *eth, unsigned queues, struct err *err)
{
	unsigned accepts = eth_offload_accepts(eth->device.tx_flags);

	for (unsigned q = 0; accepts && q < queues; q++)
		if (offload_create(&eth->offload[q]))
			return err_set(err, -ENOMEM, "no memory for a port");
	atomic_store(&eth->port.accepts, accepts);
	return 0;
}

int
port_eth_create(const struct port_eth_options *options, struct port **port, struct err *err)
{
	unsigned queues = options->queues ? options->queues : 1;
	struct port_eth *eth = calloc(1, sizeof(*eth));
	int r;

	if (!eth)
		return err_set(err, -ENOMEM, "no memory for a port");
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		atomic_init(&eth->wake_fd[q], -1);
	r = eth_device_attach(&eth->device, options, err);
	if (r) {
		free(eth);
		return r;
	}
	port_init(&eth->port, find_ops(options->type), options->name, queues, queues);
	r = take_pool(eth, queues, err);
	if (!r)
		r = eth_device_start(&eth->device, options, queues, eth->pool, err);
	if (!r)
		r = take_offloads(eth, queues, err);
	if (r) {
		eth_destroy(&eth->port);
		return r;
	}
	eth->port.mtu = eth->device.mtu;
	eth->port.poll_us = eth->device.type->wakes ? 0 : POLL_US;
	atomic_store(&eth->port.tx_queues, queues);
	*port = &eth->port;
	return 0;
}

int
port_eth_open(struct port *port, struct err *err)
{
	struct port_eth *eth = (struct port_eth *)port;

	for (unsigned q = 0; !port->poll_us && q < port->rx_queues; q++) {
		int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(eth->device.id, (uint16_t)q), r;

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
	struct rte_eth_dev_info info = {0};
	char name[IF_NAMESIZE];

	memset(status, 0, sizeof(*status));
	rte_eth_link_get_nowait(eth->device.id, &link);
	rte_eth_macaddr_get(eth->device.id, &mac);
	rte_eth_dev_get_mtu(eth->device.id, &status->mtu);
	status->link_up = link.link_status == RTE_ETH_LINK_UP;
	status->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	memcpy(&status->mac, &mac, sizeof(status->mac));
	if (rte_eth_dev_info_get(eth->device.id, &info) == 0)
		snprintf(status->driver, sizeof(status->driver), "%s", info.driver_name);
	if (eth->device.type->own_mac)
		status->deleted = !if_indextoname(info.if_index, name) && errno == ENXIO;
	status->accepts = atomic_load(&port->accepts);
}

bool
port_eth_has_link(const struct port *port)
{
	struct rte_eth_link link = {0};

	rte_eth_link_get_nowait(((const struct port_eth *)port)->device.id, &link);
	return link.link_status == RTE_ETH_LINK_UP;
}

unsigned
port_eth_xstats(const struct port *port, struct port_eth_xstat *stats, unsigned max)
{
	const struct port_eth *eth = (const struct port_eth *)port;
	struct rte_eth_xstat_name *names = calloc(max, sizeof(*names));
	struct rte_eth_xstat *values = calloc(max, sizeof(*values));
	int n = -1, m = -1;

	if (names && values) {
		n = rte_eth_xstats_get_names(eth->device.id, names, max);
		m = rte_eth_xstats_get(eth->device.id, values, max);
	}
	if (n < 0 || m != n || n > (int)max)
		n = 0;
	for (int i = 0; i < n; i++) {
		snprintf(stats[i].name, sizeof(stats[i].name), "%s", names[i].name);
		stats[i].value = values[i].value;
	}
	free(names);
	free(values);
	return (unsigned)n;
}
