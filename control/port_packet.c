/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

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
	char interface[IF_NAMESIZE];
	struct link_watch *watch;
	struct link_state state;
	struct event *retry; /* veth only */
	char reason[160];    /* why it has no link */
	uint64_t changes;    /* of the link, up or down */
	bool up;
};

static void
set_link(struct packet_port *p, bool up)
{
	if (p->up != up) {
		p->up = up;
		p->changes++;
		log_info("port \"%s\": link %s%s%s", p->config.name, up ? "up" : "down",
			up ? "" : ": ", up ? "" : p->reason);
	}
	port_packet_link(p->port, up);
}

static void
say_why(struct packet_port *p, const struct link_state *state)
{
	const char *name = p->interface;

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

/* What the interface is like at this moment becomes what the port is like. */
static void
follow(struct packet_port *p, const struct link_state *state)
{
	bool other = state->ifindex != p->state.ifindex || state->mtu != p->state.mtu;
	struct err err = {0};

	p->state = *state;
	say_why(p, state);
	if (!state->ifindex) {
		set_link(p, false);
		port_packet_detach(p->port);
		retry_later(p);
		return;
	}
	if (other && port_packet_attach(p->port, state->ifindex, state->mtu, &err) < 0) {
		snprintf(p->reason, sizeof(p->reason), "%.150s", err.text);
		p->state.ifindex = 0;
		set_link(p, false);
		return;
	}
	set_link(p, state->running);
}

static void
handle_link(const struct link_state *state, void *arg)
{
	follow(arg, state);
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
	snprintf(p->interface, sizeof(p->interface), "%s", interface);
	return 0;
}

int
port_afpacket_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err)
{
	struct link_state state;
	int r = link_read(config->dev, &state, err);

	if (!r && !state.ifindex)
		r = err_set(err, -ENODEV, "interface \"%s\" does not exist: see `ip link`",
			config->dev);
	if (!r && config->mtu > state.mtu)
		r = err_set(err, -ERANGE,
			"mtu %u: interface \"%s\" has %u: `ip link set %s mtu %u`", config->mtu,
			config->dev, state.mtu, config->dev, config->mtu);
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
	struct link_state state;
	int r = link_watch_create(&p->watch, p->loop, p->interface, handle_link, p, &state, err);

	if (!r && p->config.type == PORT_TYPE_VETH) {
		p->retry = evtimer_new(p->loop, handle_retry, p);
		r = p->retry ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	if (!r && state.ifindex)
		r = port_packet_attach(port, state.ifindex, state.mtu, err);
	if (r)
		return r;
	p->state = state;
	say_why(p, &state);
	p->up = state.running;
	port_packet_link(port, state.running);
	if (!state.ifindex)
		retry_later(p);
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
	state->detail = json_pack("{s:s, s:i, s:b, s:b, s:I, s:I}", "name", p->interface, "ifindex",
		p->state.ifindex, "up", p->state.up, "carrier", p->state.running, "link_changes",
		(json_int_t)p->changes, "lost",
		(json_int_t)port_packet_lost((struct port *)(uintptr_t)port));
}
