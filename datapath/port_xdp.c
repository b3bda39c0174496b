/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/bpf.h>
#include <linux/if_xdp.h>

#include "datapath/datapath.h"
#include "datapath/port_xdp.h"
#include "datapath/xdp/addresses.h"
#include "datapath/xdp/ethtool.h"
#include "datapath/xdp/set.h"
#include "lib/log.h"

#define TAG 4

struct port_xdp {
	struct port port;
	_Atomic(struct xdp_set *) live; /* NULL: no interface */
	char dev[16];
	enum xdp_mode mode;
	struct xdp_wishes wishes;
	struct xdp_nic nic;
	struct xdp_share *share;
	struct addresses addresses; /* behind the other ports of the bridge */
	uint8_t restore;            /* SHARE_RESTORE_..., see there */
	bool added;                 /* the datapath knows the port */
	bool leaves;                /* the program outlives the port */
};

/* ---- packet path ---- */

static struct xdp_set *
live_of(struct port *port)
{
	return atomic_load_explicit(&((struct port_xdp *)port)->live, memory_order_acquire);
}

static bool
is_group(const struct port *port, unsigned queue)
{
	return queue == port->rx_queues - 1u;
}

static bool
xdp_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	struct xdp_set *live = live_of(port);

	if (!live)
		return false;
	if (is_group(port, queue))
		return group_rx(live->group, burst, counters);
	return queue < live->queues && xdp_socket_rx(live->sockets[queue], burst, counters);
}

static void
xdp_rx_done(struct port *port, unsigned queue, struct burst *burst)
{
	struct xdp_set *live = live_of(port);

	(void)burst;
	if (!live)
		return;
	if (is_group(port, queue))
		group_rx_done(live->group);
	else if (queue < live->queues)
		xdp_socket_rx_done(live->sockets[queue]);
}

static void
xdp_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct xdp_set *live = live_of(port);
	uint8_t fit[FRAME_BURST];
	unsigned n = 0;

	if (!live || queue >= live->queues) {
		counters->drops[DROP_PORT_DOWN] += count;
		return;
	}
	for (unsigned k = 0; k < count; k++) {
		fit[n] = list[k];
		n += frames[list[k]].len <= live->max_len + TAG;
	}
	counters->drops[DROP_MTU] += count - n;
	xdp_socket_tx(live->sockets[queue], frames, fit, n, counters);
}

static void
xdp_tx_flush(struct port *port, unsigned queue)
{
	struct xdp_set *live = live_of(port);

	if (live && queue < live->queues)
		xdp_socket_tx_flush(live->sockets[queue]);
}

static void
xdp_rx_flush(struct port *port, unsigned queue)
{
	struct xdp_set *live = live_of(port);

	if (live && queue < live->queues)
		xdp_socket_rx_flush(live->sockets[queue]);
}

static bool
xdp_rx_arm(struct port *port, unsigned queue)
{
	struct xdp_set *live = live_of(port);

	if (!live)
		return false;
	if (is_group(port, queue))
		return group_arm(live->group);
	return queue < live->queues && xdp_socket_arm(live->sockets[queue]);
}

/* ---- addresses ---- */

static void
apply_address(struct port_xdp *xdp, const struct mac *mac, bool present)
{
	struct xdp_set *live = atomic_load(&xdp->live);

	if (!xdp->share || !live)
		return;
	if (xdp_share_address(xdp->share, mac, present) < 0 && present)
		log_warning("port \"%s\": the XDP program has no room for another address (%u)",
			xdp->port.name, SHARE_ADDRESSES_MAX);
	group_want(live->group, mac, present);
}

static void
xdp_neighbour(struct port *port, const struct mac *mac, unsigned vlan, bool present)
{
	struct port_xdp *xdp = (struct port_xdp *)port;

	(void)vlan;
	if (addresses_change(&xdp->addresses, mac, present))
		apply_address(xdp, mac, present);
}

static void
restore_address(const struct mac *mac, void *arg)
{
	apply_address(arg, mac, true);
}

static bool
is_known(const struct mac *mac, void *arg)
{
	return addresses_has(&((struct port_xdp *)arg)->addresses, mac);
}

void
port_xdp_sweep(struct port *port)
{
	struct port_xdp *xdp = (struct port_xdp *)port;

	if (xdp->share)
		xdp_share_sweep(xdp->share, is_known, xdp);
}

/* ---- the interface comes and goes ---- */

static int
count_queues(const struct port_xdp *xdp, const struct xdp_nic *nic, unsigned most, struct err *err)
{
	unsigned queues = ethtool_rx_queues(xdp->dev, nic->rx_queues ? nic->rx_queues : 1);

	if (queues > XDP_SOCKETS_MAX)
		return err_set(err, -E2BIG,
			"%s has %u receive queues, a port takes %u: `ethtool -L %s combined %u`",
			xdp->dev, queues, XDP_SOCKETS_MAX, xdp->dev, XDP_SOCKETS_MAX);
	if (queues > most)
		return err_set(err, -E2BIG,
			"%s has %u receive queues and had %u when the port was added: delete the port and "
			"add it again",
			xdp->dev, queues, most);
	return (int)queues;
}

/* Settings and addresses into the program, then the sockets: frames come from here on. */
static int
start_program(struct port_xdp *xdp, const struct xdp_set *live, struct err *err)
{
	struct share_settings settings = {0};
	struct xdp_share_status status;
	int rc = xdp_share_get(xdp->share, &settings);

	xdp_share_status(xdp->share, &status);
	/* What the daemon before this one changed is still to be restored. */
	if (rc == 0 && !status.taken_over && ethtool_has_rxvlan(xdp->dev)) {
		settings.restore |= SHARE_RESTORE_RXVLAN;
		ethtool_set_rxvlan(xdp->dev, false);
	}
	settings.restore |= xdp->restore;
	xdp->restore = settings.restore;
	memcpy(settings.own, &xdp->nic.mac, sizeof(settings.own));
	settings.unattended = xdp->wishes.pass ? XDP_PASS : XDP_DROP;
	memcpy(settings.vlans, xdp->wishes.vlans.bits, sizeof(settings.vlans));
	if (rc == 0)
		rc = xdp_share_set(xdp->share, &settings);
	for (unsigned q = 0; rc == 0 && q < live->queues; q++)
		rc = xdp_share_socket(xdp->share, q, live->sockets[q]->fd);
	return rc < 0 ? err_set(err, rc, "the XDP program of %s cannot be set up: %s", xdp->dev,
				strerror(-rc))
		      : 0;
}

static void
set_watches(struct port_xdp *xdp, const struct xdp_set *live)
{
	if (!xdp->added)
		return;
	for (unsigned q = 0; q < xdp->port.rx_queues; q++) {
		int fd = !live                     ? -1
			 : is_group(&xdp->port, q) ? group_fd(live->group)
			 : q < live->queues        ? live->sockets[q]->fd
						   : -1;

		datapath_port_watch(&xdp->port, q, fd);
	}
}

static void
set_usable(struct port_xdp *xdp, const struct xdp_set *live)
{
	atomic_store(&xdp->port.tx_queues, live && xdp->nic.running ? live->queues : 0);
}

/* Takes sockets and program away; `detach`: from the interface as well. */
static void
release_set(void *set)
{
	xdp_set_close(set);
}

static void
go_down(struct port_xdp *xdp, bool detach)
{
	struct xdp_set *live = atomic_load(&xdp->live);

	if (!live)
		return;
	set_usable(xdp, NULL);
	set_watches(xdp, NULL);
	atomic_store(&xdp->live, NULL);
	if (xdp->added)
		datapath_synchronize();
	datapath_release(release_set, live);
	if (detach && xdp->restore & SHARE_RESTORE_RXVLAN)
		ethtool_set_rxvlan(xdp->dev, true);
	xdp_share_close(xdp->share, detach);
	xdp->share = NULL;
}

static int
go_up(struct port_xdp *xdp, const struct xdp_nic *nic, unsigned most, struct err *err)
{
	struct xdp_share_options options = {
		.dev = xdp->dev, .ifindex = nic->ifindex, .mode = xdp->mode};
	struct xdp_set_options shape = {.dev = xdp->dev, .ifindex = nic->ifindex, .mtu = nic->mtu};
	struct xdp_set *live = NULL;
	int rc = count_queues(xdp, nic, most, err);

	if (rc > 0) {
		shape.queues = (unsigned)rc;
		rc = xdp_set_open(&live, &shape, err);
	}
	if (rc < 0)
		return rc;
	xdp->nic = *nic;
	rc = xdp_share_open(&xdp->share, &options, err);
	if (rc == 0) {
		rc = start_program(xdp, live, err);
		if (rc < 0)
			xdp_share_close(xdp->share, true);
	}
	if (rc < 0) {
		xdp_set_close(live);
		xdp->share = NULL;
		return rc;
	}
	group_want_all(live->group, !vlan_set_is_empty(&xdp->wishes.vlans));
	atomic_store_explicit(&xdp->live, live, memory_order_release);
	addresses_walk(&xdp->addresses, restore_address, xdp);
	set_watches(xdp, live);
	set_usable(xdp, live);
	return 0;
}

void
port_xdp_down(struct port *port)
{
	struct port_xdp *xdp = (struct port_xdp *)port;
	int ifindex = xdp->nic.ifindex;

	go_down(xdp, false);
	if (ifindex)
		xdp_share_forget(ifindex);
	xdp->restore = 0;
	memset(&xdp->nic, 0, sizeof(xdp->nic));
}

int
port_xdp_follow(struct port *port, const struct xdp_nic *nic, struct err *err)
{
	struct port_xdp *xdp = (struct port_xdp *)port;
	struct xdp_set *live = atomic_load(&xdp->live);
	struct share_settings settings;

	if (live && nic->ifindex != xdp->nic.ifindex)
		port_xdp_down(port);
	else if (live && nic->mtu != xdp->nic.mtu)
		go_down(xdp, false);
	live = atomic_load(&xdp->live);
	if (!live)
		return go_up(xdp, nic, port->rx_queues - 1u, err);
	xdp->nic = *nic;
	if (xdp_share_get(xdp->share, &settings) == 0) {
		memcpy(settings.own, &nic->mac, sizeof(settings.own));
		xdp_share_set(xdp->share, &settings);
	}
	set_usable(xdp, live);
	return 0;
}

/* ---- life ---- */

int
port_xdp_set(struct port *port, const struct xdp_wishes *wishes, struct err *err)
{
	struct port_xdp *xdp = (struct port_xdp *)port;
	struct xdp_set *live = atomic_load(&xdp->live);

	xdp->wishes = *wishes;
	if (!live)
		return 0;
	group_want_all(live->group, !vlan_set_is_empty(&wishes->vlans));
	return start_program(xdp, live, err);
}

void
port_xdp_leave(struct port *port)
{
	((struct port_xdp *)port)->leaves = true;
}

static void
xdp_destroy(struct port *port)
{
	struct port_xdp *xdp = (struct port_xdp *)port;

	xdp->added = false;
	go_down(xdp, !xdp->leaves);
	addresses_clear(&xdp->addresses);
	free(xdp);
}

static const struct port_ops xdp_ops = {
	.type = "afxdp",
	.rx = xdp_rx,
	.rx_done = xdp_rx_done,
	.tx = xdp_tx,
	.tx_flush = xdp_tx_flush,
	.rx_flush = xdp_rx_flush,
	.rx_arm = xdp_rx_arm,
	.neighbour = xdp_neighbour,
	.destroy = xdp_destroy,
};

int
port_xdp_create(const struct port_xdp_options *options, const struct xdp_nic *nic,
	struct port **port, struct err *err)
{
	struct port_xdp *xdp = aligned_alloc(64, (sizeof(*xdp) + 63) / 64 * 64);
	int queues, rc;

	if (!xdp)
		return err_set(err, -ENOMEM, "out of memory");
	memset(xdp, 0, sizeof(*xdp));
	snprintf(xdp->dev, sizeof(xdp->dev), "%s", options->dev);
	xdp->mode = options->mode;
	xdp->wishes = options->wishes;
	queues = count_queues(xdp, nic, XDP_SOCKETS_MAX, err);
	if (queues < 0) {
		free(xdp);
		return queues;
	}
	port_init(&xdp->port, &xdp_ops, options->name, (unsigned)queues + 1, (unsigned)queues);
	rc = go_up(xdp, nic, (unsigned)queues, err);
	if (rc < 0) {
		free(xdp);
		return rc;
	}
	*port = &xdp->port;
	return 0;
}

void
port_xdp_open(struct port *port)
{
	struct port_xdp *xdp = (struct port_xdp *)port;

	xdp->added = true;
	set_watches(xdp, atomic_load(&xdp->live));
}

const char *
port_xdp_dev(const struct port *port)
{
	return ((const struct port_xdp *)port)->dev;
}

/* ---- status ---- */

static void
add_socket(struct port_xdp_status *status, const struct xdp_socket *s)
{
	struct xdp_statistics n = {0};
	socklen_t size = sizeof(n);

	status->zero_copy += s->zero_copy;
	status->pieces = s->pieces;
	if (getsockopt(s->fd, SOL_XDP, XDP_STATISTICS, &n, &size) < 0)
		return;
	status->ring_full += n.rx_ring_full;
	status->no_chunk += n.rx_fill_ring_empty_descs;
	status->invalid += n.rx_dropped + n.rx_invalid_descs + n.tx_invalid_descs;
}

void
port_xdp_status(const struct port *port, struct port_xdp_status *status)
{
	const struct port_xdp *xdp = (const struct port_xdp *)port;
	struct xdp_set *live = atomic_load(&((struct port_xdp *)port)->live);

	memset(status, 0, sizeof(*status));
	status->nic = xdp->nic;
	status->addresses = xdp->addresses.count;
	if (!live)
		return;
	status->open = true;
	xdp_share_status(xdp->share, &status->program);
	xdp_share_counters(xdp->share, &status->counters);
	status->queues = live->queues;
	for (unsigned q = 0; q < live->queues; q++)
		add_socket(status, live->sockets[q]);
	status->promiscuous = group_is_promiscuous(live->group);
	status->group_lost = group_lost(live->group);
	status->rxvlan = ethtool_has_rxvlan(xdp->dev);
	status->joins = !status->program.native && ethtool_joins_frames(xdp->dev);
}
