/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "control/events.h"
#include "control/live.h"
#include "control/loop_guard.h"
#include "datapath/probe.h"
#include "datapath/punt.h"
#include "lib/clock.h"
#include "lib/parse.h"

#define SECOND UINT64_C(1000000000)

/* A port, by its index. */
struct guarded {
	uint64_t blocked_until; /* clock_ns(); 0 = not blocked */
	uint64_t let_back;      /* when it was last let back; 0 = never blocked */
	unsigned backoff_s;     /* of the last time */
	unsigned alone;         /* probes of later ports that came back here, in a row */
	uint64_t alone_at;      /* the last of them */
	char why[160];
};

static struct {
	struct live *live;
	bool on[BRIDGE_MAX];
	struct guarded ports[PORT_MAX];
} guard;

static const char *
bridge_name(int bridge)
{
	return bridge >= 0 ? guard.live->bridges[bridge].name : NULL;
}

static void
report(enum event_type type, const struct port *port, const char *text)
{
	struct event_subject subject = {
		.bridge = bridge_name(datapath_port_bridge(port)), .port = port->name, .vlan = -1};

	events_add(type, &subject, "port \"%s\" %s", port->name, text);
}

static void
block(struct port *port, const char *why)
{
	struct guarded *g = &guard.ports[port->index];
	uint64_t now = clock_ns();
	char text[sizeof(g->why) + 64];

	/* Soon after: within twice the time that it was blocked for. */
	if (g->let_back && now - g->let_back < 2 * g->backoff_s * SECOND)
		g->backoff_s *= 2;
	else
		g->backoff_s = LOOP_GUARD_BACKOFF_S;
	if (g->backoff_s > LOOP_GUARD_BACKOFF_MAX_S)
		g->backoff_s = LOOP_GUARD_BACKOFF_MAX_S;
	if (datapath_port_block(port, true) < 0)
		return;
	g->blocked_until = now + g->backoff_s * SECOND;
	snprintf(g->why, sizeof(g->why), "%s", why);
	snprintf(text, sizeof(text), "is blocked for %u s: %s", g->backoff_s, why);
	report(EVENT_PORT_BLOCKED, port, text);
}

static void
let_back(struct port *port)
{
	struct guarded *g = &guard.ports[port->index];

	if (datapath_port_block(port, false) < 0)
		return;
	g->blocked_until = 0;
	g->let_back = clock_ns();
	g->alone = 0;
	report(EVENT_PORT_UNBLOCKED, port, "is let back on trial");
}

static bool
is_later(const struct port *a, const struct port *b)
{
	return (int32_t)(datapath_port_generation(a) - datapath_port_generation(b)) > 0;
}

/* Do probes of later ports come back here, and none of this one's there? */
static bool
comes_alone(struct guarded *g)
{
	uint64_t now = clock_ns();

	if (now - g->alone_at > 3 * SECOND)
		g->alone = 0;
	g->alone_at = now;
	return ++g->alone >= LOOP_GUARD_ALONE;
}

/* A probe came back by `port`. */
static void
on_probe(void *arg, struct port *port, const struct punted *frame)
{
	struct guarded *g = &guard.ports[port->index];
	struct port *sender;
	struct probe probe;
	char why[sizeof(g->why)];

	(void)arg;
	if (!probe_read(frame->bytes, frame->stored, &probe) || g->blocked_until)
		return;
	sender = datapath_port_find(probe.port, probe.generation);
	if (!sender || datapath_port_bridge(sender) != datapath_port_bridge(port))
		return;
	if (sender != port && !is_later(port, sender) && !comes_alone(g))
		return;
	if (sender == port)
		snprintf(why, sizeof(why), "what it is sent comes back (VLAN %u)", frame->vlan);
	else
		snprintf(why, sizeof(why), "what port \"%s\" is sent comes back here (VLAN %u)",
			sender->name, frame->vlan);
	block(port, why);
}

static void
on_mac(const struct mac_report *r)
{
	struct event_subject subject = {.bridge = bridge_name((int)r->bridge),
		.port = r->seen->name,
		.mac = &r->mac,
		.vlan = r->vlan};
	char mac[MAC_TEXT_SIZE], why[sizeof(guard.ports[0].why)];

	mac_format(&r->mac, mac);
	if (!r->pinned) {
		events_add(EVENT_MAC_STUCK, &subject,
			"address %s of sticky port \"%s\" was heard on port \"%s\"", mac,
			r->home->name, r->seen->name);
		return;
	}
	events_add(EVENT_MAC_PINNED, &subject,
		"address %s moves between ports \"%s\" and \"%s\" too often: it stays at \"%s\" for %u "
		"s",
		mac, r->home->name, r->seen->name, r->home->name, FDB_PIN_S);
	if (!guard.on[r->bridge] || r->seen == r->home || guard.ports[r->seen->index].blocked_until)
		return;
	snprintf(why, sizeof(why), "address %s moves between here and port \"%s\"", mac,
		r->home->name);
	block(r->seen, why);
}

void
loop_guard_start(struct live *live)
{
	memset(&guard, 0, sizeof(guard));
	guard.live = live;
	punt_listen(PUNT_PROBE, live ? on_probe : NULL, NULL);
	datapath_on_mac(live ? on_mac : NULL);
}

void
loop_guard_set(unsigned bridge, bool on)
{
	guard.on[bridge] = on;
}

void
loop_guard_forget(const struct port *port)
{
	memset(&guard.ports[port->index], 0, sizeof(guard.ports[0]));
}

static void
send_probe(struct port *port, int bridge)
{
	struct probe probe;
	uint8_t bytes[PROBE_LEN];

	/* Padding as well: it is compared with nothing, but sent. */
	memset(&probe, 0, sizeof(probe));
	probe.generation = datapath_port_generation(port);
	probe.port = port->index;
	probe.bridge = (uint16_t)bridge;
	probe.vlan = (uint16_t)datapath_port_vlan(port);
	probe_write(&probe, bytes);
	/* Too many wait already: the next second's will do. */
	datapath_send(port, probe.vlan, bytes, sizeof(bytes));
}

void
loop_guard_tick(void)
{
	uint64_t now = clock_ns();

	for (unsigned p = 0; guard.live && p < PORT_MAX; p++) {
		struct port *port = guard.live->ports[p].port;
		int bridge = port ? datapath_port_bridge(port) : -1;

		if (!port)
			continue;
		if (guard.ports[p].blocked_until &&
			(now >= guard.ports[p].blocked_until || bridge < 0 || !guard.on[bridge]))
			let_back(port);
		if (bridge >= 0 && guard.on[bridge] && !guard.ports[p].blocked_until)
			send_probe(port, bridge);
	}
}

bool
loop_guard_reason(const struct port *port, char *text, size_t size)
{
	const struct guarded *g = &guard.ports[port->index];
	uint64_t now = clock_ns(), left = g->blocked_until > now ? g->blocked_until - now : 0;

	if (!g->blocked_until)
		return false;
	snprintf(text, size, "blocked for %u s more: %s", (unsigned)(left / SECOND) + 1, g->why);
	return true;
}
