/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "control/bond.h"
#include "control/events.h"
#include "control/link_watch.h"
#include "control/port_afxdp.h"
#include "datapath/port_xdp.h"
#include "lib/log.h"

/* Addresses that a dead daemon left go when no guest has used them for this time. */
#define LEFTOVERS_S 60
/* An interface that is there and cannot be used is tried again after this time. */
#define RETRY_S     1

struct afxdp {
	struct afxdp *next;
	struct port *port;
	char dev[16];
	struct link_state link;
	struct link_watch *watch;
	struct event *retry, *sweep;
	char reason[192]; /* why it is down; "" = it is not, or only the link is */
};

/* There is one control thread, with one loop. */
static struct event_base *the_loop;
static struct afxdp *all;

static struct afxdp *
find(const struct port *port)
{
	struct afxdp *a = all;

	while (a && a->port != port)
		a = a->next;
	return a;
}

static struct xdp_nic
nic_of(const struct link_state *link)
{
	return (struct xdp_nic){
		.ifindex = link->ifindex,
		.mtu = link->mtu,
		.rx_queues = link->rx_queues,
		.mac = link->mac,
		.running = link->running,
	};
}

static void
read_wishes(const struct port_config *config, struct xdp_wishes *wishes)
{
	wishes->pass = config->unattended == UNATTENDED_PASS;
	wishes->vlans = config->vlans;
}

/* What a person should know about the interface, once. */
static void
tell(const struct afxdp *a)
{
	struct port_xdp_status status;

	port_xdp_status(a->port, &status);
	if (!status.open)
		return;
	if (status.program.taken_over)
		log_info("port \"%s\": took over the XDP program that was on %s", a->port->name,
			a->dev);
	if (status.program.refused[0])
		log_info("port \"%s\": %s takes no native XDP (%s): generic mode, which is slower",
			a->port->name, a->dev, status.program.refused);
	if (!status.program.dispatcher)
		log_info("port \"%s\": this kernel cannot run a second XDP program on %s (no BPF "
			 "extensions)",
			a->port->name, a->dev);
	if (status.rxvlan)
		log_warning("port \"%s\": the driver of %s takes VLAN tags out of frames, and they "
			    "cannot be seen: carry no VLANs there",
			a->port->name, a->dev);
	if (status.joins)
		log_warning("port \"%s\": the kernel joins frames on %s, and joined ones are lost: "
			    "`ethtool -K %s gro off lro off`",
			a->port->name, a->dev, a->dev);
	if (strcmp(a->link.kind, "veth") == 0)
		log_info("port \"%s\": %s is a veth: its other end must complete what it sends: "
			 "`ethtool -K PEER tx off txvlan off`",
			a->port->name, a->dev);
}

static void
follow(struct afxdp *a)
{
	const struct timeval again = {RETRY_S, 0};
	struct xdp_nic nic = nic_of(&a->link);
	struct event_subject about = {.port = a->port->name, .vlan = -1};
	bool was_down = a->reason[0];
	struct err err = {0};

	evtimer_del(a->retry);
	if (!nic.ifindex) {
		port_xdp_down(a->port);
		snprintf(a->reason, sizeof(a->reason),
			"interface %s is gone; the port comes back with it", a->dev);
	} else if (port_xdp_follow(a->port, &nic, &err) < 0) {
		snprintf(a->reason, sizeof(a->reason), "%.190s", err.text);
		evtimer_add(a->retry, &again);
	} else {
		a->reason[0] = '\0';
	}
	if (a->reason[0] && !was_down) {
		events_add(
			EVENT_PORT_DOWN, &about, "port \"%s\": down: %s", a->port->name, a->reason);
	} else if (!a->reason[0] && was_down) {
		events_add(EVENT_PORT_UP, &about, "port \"%s\": %s is back", a->port->name, a->dev);
		tell(a);
	}
	bonds_port_changed(a->port);
}

static void
on_link(const struct link_state *state, void *arg)
{
	struct afxdp *a = arg;

	a->link = *state;
	follow(a);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	follow(arg);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	port_xdp_sweep(((struct afxdp *)arg)->port);
}

int
port_afxdp_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err)
{
	static const enum xdp_mode modes[] = {
		[XDP_MODE_AUTO] = XDP_AUTO,
		[XDP_MODE_NATIVE_ONLY] = XDP_NATIVE,
		[XDP_MODE_GENERIC_ONLY] = XDP_GENERIC,
	};
	struct port_xdp_options options = {
		.name = config->name, .dev = config->dev, .mode = modes[config->xdp_mode]};
	struct link_state link;
	struct xdp_nic nic;
	int rc = link_read(config->dev, &link, err);

	the_loop = loop;
	if (rc < 0)
		return rc;
	if (!link.ifindex)
		return err_set(err, -ENODEV, "interface \"%s\" does not exist: see `ip link`",
			config->dev);
	nic = nic_of(&link);
	read_wishes(config, &options.wishes);
	return port_xdp_create(&options, &nic, port, err);
}

static void
release(struct afxdp *a)
{
	link_watch_destroy(a->watch);
	if (a->retry)
		event_free(a->retry);
	if (a->sweep)
		event_free(a->sweep);
	free(a);
}

int
port_afxdp_open(struct port *port, struct err *err)
{
	const struct timeval leftovers = {LEFTOVERS_S, 0};
	struct afxdp *a = calloc(1, sizeof(*a));
	struct port_xdp_status status;
	int rc;

	if (!a)
		return err_set(err, -ENOMEM, "out of memory");
	a->port = port;
	snprintf(a->dev, sizeof(a->dev), "%s", port_xdp_dev(port));
	a->retry = evtimer_new(the_loop, on_retry, a);
	a->sweep = evtimer_new(the_loop, on_sweep, a);
	rc = a->retry && a->sweep ? 0 : err_set(err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = link_watch_create(&a->watch, the_loop, a->dev, on_link, a, &a->link, err);
	if (rc < 0) {
		release(a);
		return rc;
	}
	a->next = all;
	all = a;
	port_xdp_open(port);
	tell(a);
	/* It may have changed since it was created. */
	follow(a);
	port_xdp_status(port, &status);
	if (status.program.taken_over)
		evtimer_add(a->sweep, &leftovers);
	return 0;
}

int
port_afxdp_set(struct port *port, const struct port_config *config, struct err *err)
{
	struct xdp_wishes wishes;

	read_wishes(config, &wishes);
	return port_xdp_set(port, &wishes, err);
}

void
port_afxdp_close(struct port *port)
{
	struct afxdp *a = find(port), **at = &all;

	if (!a)
		return;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	release(a);
}

/* ---- status ---- */

static json_t *
describe(const struct port_xdp_status *s)
{
	return json_pack("{s:s, s:b, s:I, s:b, s:i, s:i, s:b, s:b, s:i, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I}",
		"mode", s->program.native ? "native" : "generic", "dispatcher",
		(int)s->program.dispatcher, "program_id", (json_int_t)s->program.id, "taken_over",
		(int)s->program.taken_over, "sockets", (int)s->queues, "zero_copy",
		(int)s->zero_copy, "pieces", (int)s->pieces, "promiscuous", (int)s->promiscuous,
		"addresses", (int)s->addresses, "host_packets", (json_int_t)s->counters.host,
		"group_packets", (json_int_t)s->counters.group, "taken_packets",
		(json_int_t)s->counters.taken, "unattended_packets",
		(json_int_t)s->counters.unattended, "lost_ring_full", (json_int_t)s->ring_full,
		"lost_no_memory", (json_int_t)s->no_chunk, "lost_invalid", (json_int_t)s->invalid,
		"lost_group", (json_int_t)s->group_lost);
}

void
port_afxdp_status(const struct port *port, struct port_state *state)
{
	const struct afxdp *a = find(port);
	struct port_xdp_status status;

	port_xdp_status(port, &status);
	state->up = status.open && status.nic.running;
	state->queues = status.queues;
	state->mac = status.nic.mac;
	state->mtu = status.nic.mtu;
	if (status.open) {
		state->title = "xdp";
		state->detail = describe(&status);
	}
	if (!state->up)
		snprintf(state->reason, sizeof(state->reason), "%s",
			a && a->reason[0] ? a->reason : "the interface has no link: see `ip link`");
}
