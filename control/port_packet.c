/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "control/bond.h"
#include "control/events.h"
#include "control/link_watch.h"
#include "control/port_packet.h"
#include "control/veth.h"
#include "datapath/port_packet.h"
#include "lib/log.h"

#define RETRY_MS 500 /* a namespace that is gone is looked for again */

struct packet_port {
	struct port_config config;
	struct event_base *loop;
	struct port *port;
	char name[IF_NAMESIZE]; /* of the interface */
	struct link_watch *watch;
	struct link_state state;
	struct link_state attached; /* what it was when it was attached; ifindex 0 = it is not */
	struct event *retry;        /* veth only */
	char reason[160];           /* why it has no link */
	uint64_t changes;           /* of the link, up or down */
	bool up;
};

static void
set_link(struct packet_port *p, bool up)
{
	const struct event_subject subject = {.port = p->config.name, .vlan = -1};

	if (p->up != up) {
		p->up = up;
		p->changes++;
		events_add(up ? EVENT_PORT_UP : EVENT_PORT_DOWN, &subject, "port %s: link %s%s%s",
			p->config.name, up ? "up" : "down", up ? "" : ": ", up ? "" : p->reason);
	}
	port_packet_link(p->port, up);
	bonds_port_changed(p->port);
}

static void
say_why(struct packet_port *p)
{
	const struct link_state *state = &p->state;
	const char *name = p->name;

	if (!state->ifindex && p->config.type == PORT_TYPE_VETH)
		snprintf(p->reason, sizeof(p->reason),
			"network namespace %s or its interface is gone", p->config.netns);
	else if (!state->ifindex)
		snprintf(p->reason, sizeof(p->reason), "interface %s is gone", name);
	else if (!state->up)
		snprintf(p->reason, sizeof(p->reason), "interface %s is down: `ip link set %s up`",
			name, name);
	else
		snprintf(p->reason, sizeof(p->reason), "interface %s has no carrier", name);
}

static void
retry_later(struct packet_port *p)
{
	const struct timeval later = {.tv_usec = RETRY_MS * 1000};

	if (p->retry)
		event_add(p->retry, &later);
}

/* Uses the interface as it is at this moment. */
static int
attach(struct packet_port *p, struct err *err)
{
	const struct link_state *state = &p->state;
	int r;

	if (state->ifindex == p->attached.ifindex && state->mtu == p->attached.mtu)
		return 0;
	p->attached.ifindex = 0;
	r = port_packet_attach(p->port, state->ifindex, state->mtu, err);
	if (!r)
		p->attached = *state;
	return r;
}

/* What the interface is like at this moment becomes what the port is like. */
static void
follow(struct packet_port *p)
{
	struct err err = {0};

	say_why(p);
	if (!p->state.ifindex) {
		set_link(p, false);
		port_packet_detach(p->port);
		p->attached.ifindex = 0;
		retry_later(p);
		return;
	}
	if (attach(p, &err) < 0) {
		snprintf(p->reason, sizeof(p->reason), "%.150s", err.text);
		set_link(p, false);
		return;
	}
	set_link(p, p->state.running);
}

static void
handle_link(const struct link_state *state, void *arg)
{
	struct packet_port *p = arg;

	p->state = *state;
	follow(p);
}

/* The interface of the new pair is seen by the watch. */
static void
handle_retry(evutil_socket_t fd, short what, void *arg)
{
	struct packet_port *p = arg;
	struct err err = {0};

	(void)fd;
	(void)what;
	if (p->state.ifindex)
		return;
	if (veth_create(&p->config, &err) < 0)
		retry_later(p);
}

/* ---- the contract of control/port_types.h ---- */

static void
ended(void *owner)
{
	struct packet_port *p = owner;

	link_watch_destroy(p->watch);
	if (p->retry)
		event_free(p->retry);
	if (p->config.type == PORT_TYPE_VETH)
		veth_destroy(&p->config);
	free(p);
}

static int
create(struct event_base *loop, const struct port_config *config, const char *interface,
	struct port **port, struct err *err)
{
	struct packet_port *p = calloc(1, sizeof(*p));
	struct port_packet_options options = {
		.type = port_kind(config->type)->name,
		.name = config->name,
		.queues = config->queues,
		.owner = p,
		.ended = ended,
	};
	int r = p ? 0 : err_set(err, -ENOMEM, "no memory for a port");

	if (!r)
		r = port_packet_create(&options, port, err);
	if (r) {
		free(p);
		return r;
	}
	p->config = *config;
	p->loop = loop;
	p->port = *port;
	snprintf(p->name, sizeof(p->name), "%s", interface);
	return 0;
}

/* The interface exists and is long enough. */
static int
check_interface(const struct port_config *config, const char *name, struct err *err)
{
	struct link_state state;
	int r = link_read(name, &state, err);

	if (!r && !state.ifindex)
		r = err_set(err, -ENODEV, "interface \"%s\" does not exist: see `ip link`", name);
	if (!r && config->mtu > state.mtu)
		r = err_set(err, -ERANGE,
			"mtu %u: interface \"%s\" has %u: `ip link set %s mtu %u`", config->mtu,
			name, state.mtu, name, config->mtu);
	return r;
}

int
port_afpacket_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err)
{
	int r = check_interface(config, config->dev, err);

	return r ? r : create(loop, config, config->dev, port, err);
}

int
port_veth_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err)
{
	struct port_config with_mac = *config;
	char name[IF_NAMESIZE];
	int r;

	/* When the pair is made again its neighbours know it by the address they knew. */
	if (mac_is_zero(&with_mac.mac) &&
		getrandom(&with_mac.mac, sizeof(with_mac.mac), 0) == sizeof(with_mac.mac))
		with_mac.mac.b[0] = (uint8_t)((with_mac.mac.b[0] & ~1u) | 2u);
	r = veth_create(&with_mac, err);
	if (r)
		return r;
	veth_name(config, name);
	r = create(loop, &with_mac, name, port, err);
	if (r)
		veth_destroy(config);
	return r;
}

int
packet_port_open(struct port *port, struct err *err)
{
	struct packet_port *p = port_packet_owner(port);
	int r = link_watch_create(&p->watch, p->loop, p->name, handle_link, p, &p->state, err);

	if (!r && p->config.type == PORT_TYPE_VETH) {
		p->retry = evtimer_new(p->loop, handle_retry, p);
		r = p->retry ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	if (r)
		return r;
	if (!p->state.ifindex)
		retry_later(p);
	else
		r = attach(p, err);
	if (r)
		return r;
	say_why(p);
	p->up = p->state.running;
	port_packet_link(port, p->up);
	return 0;
}

void
packet_port_close(struct port *port)
{
	struct packet_port *p = port_packet_owner(port);

	link_watch_destroy(p->watch);
	p->watch = NULL;
	port_packet_detach(port);
}

void
packet_port_status(const struct port *port, struct port_state *state)
{
	const struct packet_port *p = port_packet_owner(port);

	state->up = p->up;
	state->queues = port->rx_queues;
	state->mac = p->config.type == PORT_TYPE_VETH ? (struct mac){{0}} : p->state.mac;
	state->mtu = p->state.mtu;
	if (!p->up)
		snprintf(state->reason, sizeof(state->reason), "%s", p->reason);
	state->title = "interface";
	state->detail = json_pack("{s:s, s:i, s:b, s:b, s:I, s:I}", "name", p->name, "ifindex",
		p->state.ifindex, "up", p->state.up, "carrier", p->state.running, "link_changes",
		(json_int_t)p->changes, "lost",
		(json_int_t)port_packet_lost((struct port *)(uintptr_t)port));
}
