/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "control/events.h"
#include "control/live.h"
#include "control/snooping.h"
#include "datapath/punt.h"
#include "lib/clock.h"

static struct {
	struct live *live;
	struct mcast *bridges[BRIDGE_MAX]; /* NULL = does not snoop */
	struct event *later;
	uint64_t published;
} snooping;

static void
publish(void)
{
	for (unsigned b = 0; b < BRIDGE_MAX; b++) {
		struct mcast *m = snooping.bridges[b];
		struct mdb *table = m && m->changed ? mcast_table(m) : NULL;

		/* Without memory the old table stays, and the next second tries again. */
		if (!table)
			continue;
		m->changed = false;
		datapath_bridge_groups(b, table);
	}
	snooping.published = clock_ns();
}

static void
publish_soon(void)
{
	const uint64_t pause = SNOOPING_PAUSE_MS * UINT64_C(1000000);
	const struct timeval wait = {0, SNOOPING_PAUSE_MS * 1000};

	if (clock_ns() - snooping.published >= pause)
		publish();
	else if (!event_pending(snooping.later, EV_TIMEOUT, NULL))
		event_add(snooping.later, &wait);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	publish();
}

static void
on_message(void *arg, struct port *port, const struct punted *frame)
{
	int bridge = datapath_port_bridge(port);
	struct mcast *m = bridge >= 0 ? snooping.bridges[bridge] : NULL;
	static struct mcast_message message;
	struct event_subject subject = {.port = port->name, .vlan = frame->vlan};

	(void)arg;
	if (!m || mcast_message_read(frame->bytes, frame->stored, &message) < 0)
		return;
	if (!mcast_hear(m, &message, port->index, frame->vlan, clock_ns())) {
		subject.bridge = snooping.live->bridges[bridge].name;
		events_add(EVENT_GROUPS_FULL, &subject,
			"port \"%s\" asks for more multicast groups than there is room for",
			port->name);
	}
	if (m->changed)
		publish_soon();
}

int
snooping_start(struct live *live, struct event_base *loop)
{
	snooping.live = live;
	/* Unit tests have no loop, and publish every second. */
	snooping.later = loop ? evtimer_new(loop, on_later, NULL) : NULL;
	if (loop && !snooping.later)
		return -ENOMEM;
	punt_listen(PUNT_MULTICAST, on_message, NULL);
	return 0;
}

void
snooping_stop(void)
{
	punt_listen(PUNT_MULTICAST, NULL, NULL);
	for (unsigned b = 0; b < BRIDGE_MAX; b++)
		snooping_set(b, &(struct mcast_settings){0});
	if (snooping.later)
		event_free(snooping.later);
	memset(&snooping, 0, sizeof(snooping));
}

int
snooping_set(unsigned bridge, const struct mcast_settings *settings)
{
	struct mcast **m = &snooping.bridges[bridge];

	if (!settings->snooping) {
		if (*m)
			mcast_clear(*m);
		free(*m);
		*m = NULL;
		return 0;
	}
	if (!*m)
		*m = calloc(1, sizeof(**m));
	if (!*m)
		return -ENOMEM;
	mcast_set(*m, settings);
	publish();
	return 0;
}

void
snooping_forget(const struct port *port)
{
	bool changed = false;

	for (unsigned b = 0; b < BRIDGE_MAX; b++)
		if (snooping.bridges[b]) {
			mcast_forget_port(snooping.bridges[b], port->index);
			changed |= snooping.bridges[b]->changed;
		}
	if (changed)
		publish();
}

/* To every port, in the VLAN that its untagged frames belong to. */
static void
send_queries(unsigned bridge)
{
	/* Locally administered, the same at each start: routers and hosts may remember it. */
	const struct mac source = {{0x06, 0x50, 0x42, 0x51, 0, (uint8_t)bridge}};
	uint8_t frame[MCAST_QUERY_MAX];

	for (unsigned v6 = 0; v6 < 2; v6++) {
		unsigned size = (unsigned)mcast_query_write(v6, &source, frame);

		for (unsigned p = 0; p < PORT_MAX; p++) {
			struct port *port = snooping.live->ports[p].port;

			/* Those for which there is no room get the next one. */
			if (port && datapath_port_bridge(port) == (int)bridge)
				datapath_send(port, datapath_port_vlan(port), frame, size);
		}
	}
}

void
snooping_tick(void)
{
	uint64_t now = clock_ns();
	bool changed = false;

	for (unsigned b = 0; b < BRIDGE_MAX; b++) {
		struct mcast *m = snooping.bridges[b];

		if (!m)
			continue;
		mcast_age(m, now);
		changed |= m->changed;
		if (mcast_query_due(m, now))
			send_queries(b);
	}
	if (changed)
		publish();
}

const struct mcast *
snooping_bridge(unsigned bridge)
{
	if (snooping.bridges[bridge] && snooping.bridges[bridge]->changed)
		publish();
	return snooping.bridges[bridge];
}
