/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "control/announce.h"
#include "control/bond_internal.h"
#include "control/events.h"
#include "lib/log.h"

#define LINK_POLL_MS 50 /* of members that do not tell when their link changes */

/* There is one control thread. */
static struct live *the_live;
static struct bond *all;

/* ---- which members are used ---- */

static bool
has_link(const struct bond_place *place)
{
	const struct live_port *p = place->p;

	if (!p)
		return false;
	return p->type->has_link ? p->type->has_link(p->port)
				 : atomic_load(&p->port->tx_queues) > 0;
}

/* The one in use stays so while it has a link. */
static void
use_one(struct bond *b)
{
	for (int i = 0; i < BOND_MEMBERS_MAX && (b->active < 0 || !b->places[b->active].up); i++)
		if (b->places[i].up)
			b->active = i;
	for (int i = 0; i < BOND_MEMBERS_MAX; i++)
		b->places[i].receives = b->places[i].sends = i == b->active && b->places[i].up;
}

static void
use_all(struct bond *b)
{
	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++)
		b->places[i].receives = b->places[i].sends = b->places[i].up;
}

static void
use_negotiated(struct bond *b)
{
	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		b->places[i].receives = b->places[i].up && lacp_collects(b->lacp, i);
		b->places[i].sends = b->places[i].up && lacp_distributes(b->lacp, i);
	}
}

static void
choose(struct bond *b)
{
	if (b->config.bond_mode == BOND_MODE_ACTIVE_BACKUP)
		use_one(b);
	else if (b->config.lacp == LACP_MODE_OFF)
		use_all(b);
	else if (b->lacp && !(b->config.lacp_fallback && lacp_alone(b->lacp)))
		use_negotiated(b);
	else if (b->config.lacp_fallback)
		use_one(b);
}

/* ---- what follows from it ---- */

static void
tell_datapath(struct bond *b)
{
	struct bond_settings settings = {
		.hash = (enum bond_hash)b->config.bond_hash,
		.lacp = b->config.lacp != LACP_MODE_OFF,
	};
	struct err err = {0};

	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		const struct bond_place *place = &b->places[i];

		if (place->p)
			settings.members[settings.count++] =
				(struct bond_member){place->p->port, place->receives, place->sends};
	}
	/* Members that are in use and should not be drop what they are given: the next change is
	 * another chance. */
	if (datapath_bond_set(b->port, &settings, &err) < 0)
		log_error("port \"%s\": %s", b->config.name, err.text);
}

static void
report_member(const struct bond *b, const struct bond_place *place)
{
	const struct event_subject about = {.port = b->config.name, .vlan = -1};

	events_add(place->sends ? EVENT_BOND_MEMBER_USED : EVENT_BOND_MEMBER_IDLE, &about,
		"port \"%s\": member %s is %s", b->config.name, place->name,
		place->sends ? "in use"
		: !place->p  ? "gone"
		: place->up  ? "not in use"
			     : "not in use: it has no link");
}

/* Frames for the bridge's addresses come another way: the switches outside are told. */
static bool
way_changed(struct bond *b, int active)
{
	const struct lacp_party *partner = b->lacp ? lacp_partner(b->lacp) : NULL;
	bool changed = active >= 0 && b->active != active;

	if (changed)
		b->failovers++;
	if (partner && memcmp(&partner->system, &b->partner, sizeof(b->partner)) != 0) {
		changed |= !mac_is_zero(&b->partner);
		b->partner = partner->system;
	}
	return changed;
}

static void
report_whole(struct bond *b)
{
	const struct event_subject about = {.port = b->config.name, .vlan = -1};
	bool up = atomic_load(&b->port->tx_queues) > 0;

	if (up == b->up)
		return;
	b->up = up;
	events_add(up ? EVENT_PORT_UP : EVENT_PORT_DOWN, &about, "port \"%s\": %s", b->config.name,
		up ? "a member is in use" : "no member is in use");
}

static void
run_later(struct bond *b, uint64_t next_ms, uint64_t now)
{
	struct timeval later;

	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++)
		if (b->places[i].p && b->places[i].p->type->has_link &&
			now + LINK_POLL_MS < next_ms)
			next_ms = now + LINK_POLL_MS;
	evtimer_del(b->timer);
	if (next_ms == LACP_NEVER)
		return;
	next_ms = next_ms > now ? next_ms - now : 0;
	later = (struct timeval){(time_t)(next_ms / 1000), (suseconds_t)(next_ms % 1000 * 1000)};
	evtimer_add(b->timer, &later);
}

/* Is any member used otherwise, or another, than the datapath was told? */
static bool
note_changes(struct bond *b, const struct bond_place *before)
{
	bool changed = false;

	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		struct bond_place *place = &b->places[i];
		unsigned mtu = place->p ? place->p->port->mtu : 0;
		unsigned accepts = place->p ? atomic_load(&place->p->port->accepts) : 0;

		changed |= place->receives != before[i].receives ||
			   place->sends != before[i].sends || place->mtu != mtu ||
			   place->accepts != accepts;
		place->mtu = mtu;
		place->accepts = accepts;
	}
	return changed;
}

void
bond_update(struct bond *b, bool members_changed)
{
	struct bond_place before[BOND_MEMBERS_MAX];
	uint64_t now = bond_now_ms(), next = LACP_NEVER;
	int active = b->active;

	memcpy(before, b->places, sizeof(before));
	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		struct bond_place *place = &b->places[i];

		place->up = has_link(place);
		if (b->lacp)
			lacp_link(b->lacp, i, place->up,
				place->p ? (uint16_t)(place->p->port->index + 1) : 0, now);
	}
	if (b->lacp)
		next = lacp_run(b->lacp, now);
	choose(b);
	if (note_changes(b, before) || members_changed)
		tell_datapath(b);
	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++)
		if (b->places[i].name[0] && before[i].sends != b->places[i].sends)
			report_member(b, &b->places[i]);
	report_whole(b);
	if (way_changed(b, active))
		announce_start(b->announce);
	run_later(b, next, now);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	bond_update(arg, false);
}

/* ---- members come and go ---- */

struct bond *
bond_of_member(const struct port *port, unsigned *place)
{
	for (struct bond *b = all; b; b = b->next)
		for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++)
			if (b->places[i].p && b->places[i].p->port == port) {
				*place = i;
				return b;
			}
	return NULL;
}

struct telling {
	struct port *port;
	bool present;
};

static void
tell_address(const struct mac *mac, void *arg)
{
	const struct telling *t = arg;

	t->port->ops->neighbour(t->port, mac, 0, t->present);
}

/* What the bridge knows, to a member that asks for it. */
static void
tell_addresses(const struct bond *b, struct port *port, bool present)
{
	struct telling telling = {port, present};

	if (!port->ops->neighbour)
		return;
	addresses_walk(&b->addresses, tell_address, &telling);
}

static void
on_neighbour(void *owner, const struct mac *mac, unsigned vlan, bool present)
{
	struct bond *b = owner;

	(void)vlan;
	if (!addresses_change(&b->addresses, mac, present))
		return;
	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		struct port *port = b->places[i].p ? b->places[i].p->port : NULL;

		if (port && port->ops->neighbour)
			port->ops->neighbour(port, mac, 0, present);
	}
}

static int
bind_member(struct bond *b, struct bond_place *place, struct live_port *p)
{
	struct port_state state = {0};

	p->type->status(p->port, &state);
	json_decref(state.detail);
	place->p = p;
	place->mac = state.mac;
	tell_addresses(b, p->port, true);
	if (b->config.lacp != LACP_MODE_OFF && !b->lacp)
		return bond_lacp_start(b, &state.mac);
	return 0;
}

static void
unbind_member(struct bond *b, struct bond_place *place, bool stays)
{
	struct port *port = place->p ? place->p->port : NULL;

	place->p = NULL;
	if (port && stays)
		tell_addresses(b, port, false);
}

void
bonds_port_added(struct live_port *p)
{
	for (struct bond *b = all; b; b = b->next)
		for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
			struct bond_place *place = &b->places[i];

			if (place->p || strcmp(place->name, p->name) != 0)
				continue;
			if (bind_member(b, place, p) < 0)
				log_error("port \"%s\": no memory for LACP", b->config.name);
			bond_update(b, true);
		}
}

void
bonds_port_going(const struct port *port)
{
	unsigned place;
	struct bond *b = bond_of_member(port, &place);

	if (!b)
		return;
	unbind_member(b, &b->places[place], false);
	bond_update(b, true);
}

void
bonds_port_changed(const struct port *port)
{
	unsigned place;
	struct bond *b = bond_of_member(port, &place);

	if (b)
		bond_update(b, false);
}

const char *
bond_of_port(const struct port *port)
{
	unsigned place;
	const struct bond *b = bond_of_member(port, &place);

	return b ? b->config.name : NULL;
}

void
bonds_start(struct live *live)
{
	the_live = live;
	punt_listen(PUNT_SLOW, live ? bond_on_slow : NULL, NULL);
}

/* ---- the contract of control/port_types.h ---- */

/* The names of the configuration have places; those that are listed no more have none. */
static int
take_members(struct bond *b, struct err *err)
{
	char names[BOND_MEMBERS_MAX][CONFIG_NAME_SIZE];
	int count = bond_members_parse(b->config.members, names, err), rc = 0;

	for (unsigned i = 0; count >= 0 && i < BOND_MEMBERS_MAX; i++) {
		struct bond_place *place = &b->places[i];
		int n = 0;

		while (n < count && strcmp(names[n], place->name) != 0)
			n++;
		if (n < count || !place->name[0])
			continue;
		unbind_member(b, place, true);
		if (b->lacp)
			lacp_link(b->lacp, i, false, 0, bond_now_ms());
		memset(place, 0, sizeof(*place));
	}
	for (int n = 0; n < count && rc == 0; n++) {
		unsigned free_place = BOND_MEMBERS_MAX, i = 0;
		struct live_port *p;

		for (; i < BOND_MEMBERS_MAX && strcmp(b->places[i].name, names[n]) != 0; i++)
			if (!b->places[i].name[0] && free_place == BOND_MEMBERS_MAX)
				free_place = i;
		if (i < BOND_MEMBERS_MAX)
			continue;
		memcpy(b->places[free_place].name, names[n], CONFIG_NAME_SIZE);
		p = live_port(the_live, names[n]);
		if (p)
			rc = bind_member(b, &b->places[free_place], p);
	}
	if (rc < 0)
		return err_set(err, rc, "no memory for LACP");
	return count < 0 ? count : 0;
}

static void
ended(void *owner)
{
	struct bond *b = owner;

	lacp_destroy(b->lacp);
	announce_destroy(b->announce);
	if (b->timer)
		event_free(b->timer);
	addresses_clear(&b->addresses);
	free(b);
}

int
bond_port_create(struct event_base *loop, const struct port_config *config, struct port **port,
	struct err *err)
{
	struct bond *b = calloc(1, sizeof(*b));
	struct bond_options options = {
		.name = config->name,
		.owner = b,
		.neighbour = on_neighbour,
		.ended = ended,
	};
	int rc = b ? 0 : err_set(err, -ENOMEM, "no memory for a port");

	if (rc == 0)
		rc = bond_create(&options, port, err);
	if (rc < 0) {
		free(b);
		return rc;
	}
	b->config = *config;
	b->loop = loop;
	b->port = *port;
	b->active = -1;
	return 0;
}

int
bond_port_open(struct port *port, struct err *err)
{
	struct bond *b = bond_owner(port);
	int rc;

	b->timer = evtimer_new(b->loop, on_timer, b);
	b->announce = announce_create(b->loop, port);
	if (!b->timer || !b->announce)
		return err_set(err, -ENOMEM, "out of memory");
	b->next = all;
	all = b;
	rc = take_members(b, err);
	if (rc == 0)
		bond_update(b, true);
	return rc;
}

int
bond_port_set(struct port *port, const struct port_config *config, struct err *err)
{
	struct bond *b = bond_owner(port);
	int rc;

	b->config = *config;
	rc = take_members(b, err);
	bond_update(b, true);
	return rc;
}

void
bond_port_close(struct port *port)
{
	struct bond *b = bond_owner(port), **at = &all;

	while (*at && *at != b)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = b->next;
	evtimer_del(b->timer);
	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++)
		unbind_member(b, &b->places[i], true);
	tell_datapath(b);
}
