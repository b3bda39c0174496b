/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "control/events.h"
#include "control/link_follow.h"
#include "control/port_types.h"

static bool
has_link(const struct live_port *p)
{
	struct port_state state = {0};

	p->type->status(p->port, &state);
	json_decref(state.detail);
	return state.up;
}

static void
withdraw(struct live_port *p, const struct port_config *config)
{
	const struct event_subject subject = {.port = config->name, .vlan = -1};

	p->withdrawn = true;
	p->type->close(p->port);
	events_add(EVENT_PORT_DOWN, &subject, "port %s: link down, as that of port %s",
		config->name, config->link_follow);
}

static void
give_back(struct live_port *p, const struct port_config *config)
{
	const struct event_subject subject = {.port = config->name, .vlan = -1};
	struct err err = {0};

	/* The next second is another chance. */
	if (p->type->open(p->port, &err) < 0)
		return;
	p->withdrawn = false;
	events_add(EVENT_PORT_UP, &subject, "port %s: its socket is open again", config->name);
}

void
link_follow_tick(struct live *live, const struct model *running)
{
	for (unsigned i = 0; i < running->port_count; i++) {
		const struct port_config *config = &running->ports[i];
		const struct live_port *uplink;
		struct live_port *p;
		bool up;

		p = config->link_follow[0] || config->type == PORT_TYPE_VHOST_USER
			    ? live_port(live, config->name)
			    : NULL;
		if (!p || (!config->link_follow[0] && !p->withdrawn))
			continue;
		uplink = config->link_follow[0] ? live_port(live, config->link_follow) : NULL;
		up = !uplink || has_link(uplink);
		if (!up && !p->withdrawn)
			withdraw(p, config);
		else if (up && p->withdrawn)
			give_back(p, config);
	}
}
