/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <event2/event.h>

#include "control/dhcp.h"
#include "control/events.h"
#include "control/lease.h"
#include "control/live.h"
#include "datapath/punt.h"
#include "lib/clock.h"

#define NS_PER_S UINT64_C(1000000000)

static struct lease *
lease_find(struct lease_list *list, const struct ip_prefix *prefix)
{
	for (unsigned i = 0; i < list->count; i++)
		if (memcmp(&list->leases[i].prefix, prefix, sizeof(*prefix)) == 0)
			return &list->leases[i];
	return NULL;
}

static void
lease_del(struct lease_list *list, struct lease *lease)
{
	*lease = list->leases[--list->count];
	memset(&list->leases[list->count], 0, sizeof(*lease));
}

static bool
same_owner(const struct port_settings *a, const struct port_settings *b)
{
	return a->bridge == b->bridge && memcmp(&a->mac, &b->mac, sizeof(a->mac)) == 0 &&
	       memcmp(&a->macs, &b->macs, sizeof(a->macs)) == 0;
}

static void
append(const struct lease_list *list, struct port_settings *settings)
{
	struct ip_lock *to = &settings->addresses;

	for (unsigned i = 0; i < list->count && to->count < LOCK_ADDRESSES_MAX; i++)
		to->prefixes[to->count++] = list->leases[i].prefix;
}

void
lease_apply(struct live_port *p, struct port_settings *settings)
{
	if (!settings->dhcp_learn || !same_owner(&p->settings, settings))
		memset(&p->leases, 0, sizeof(p->leases));
	p->settings = *settings;
	append(&p->leases, settings);
}

/* Gives the datapath the port's addresses as they are. */
static void
publish(struct live_port *p)
{
	struct port_settings settings = p->settings;
	struct err err = {0};

	append(&p->leases, &settings);
	if (datapath_port_set(p->port, &settings, &err) < 0)
		log_error("port \"%s\": leased addresses are not in force: %s", p->name, err.text);
}

static bool
is_own_mac(const struct port_settings *s, const struct mac *mac)
{
	if (memcmp(&s->mac, mac, sizeof(*mac)) == 0)
		return true;
	for (unsigned i = 0; i < s->macs.count; i++)
		if (memcmp(&s->macs.macs[i], mac, sizeof(*mac)) == 0)
			return true;
	return false;
}

/* The port of the same bridge that this address was given to by name; NULL = none. */
static const struct live_port *
owner_by_config(const struct live *live, const struct live_port *p, const struct ip_prefix *prefix)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct live_port *other = &live->ports[i];
		const struct ip_lock *given = &other->settings.addresses;

		if (!other->name[0] || other == p || other->settings.bridge != p->settings.bridge)
			continue;
		for (unsigned a = 0; a < given->count; a++)
			if (memcmp(&given->prefixes[a], prefix, sizeof(*prefix)) == 0)
				return other;
	}
	return NULL;
}

/* What is granted to one port is no other's any more. */
static void
take_from_others(struct live *live, const struct live_port *p, const struct ip_prefix *prefix)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct live_port *other = &live->ports[i];
		struct lease *lease;

		if (!other->name[0] || other == p || other->settings.bridge != p->settings.bridge)
			continue;
		lease = lease_find(&other->leases, prefix);
		if (!lease)
			continue;
		lease_del(&other->leases, lease);
		publish(other);
	}
}

/* Returns whether the port's addresses are others than before. */
static bool
learn(struct live *live, struct live_port *p, const struct dhcp_grant *grant)
{
	struct lease *lease = lease_find(&p->leases, &grant->prefix);
	const struct live_port *owner = owner_by_config(live, p, &grant->prefix);
	const struct event_subject subject = {.port = p->name, .vlan = -1};
	char text[IP_TEXT_SIZE];
	bool added = false;

	ip_prefix_format(&grant->prefix, text);
	if (!grant->lifetime_s) {
		if (lease)
			lease_del(&p->leases, lease);
		return lease != NULL;
	}
	if (owner) {
		events_add(EVENT_LEASE_REFUSED, &subject,
			"port %s: %s, granted by a DHCP server, belongs to port %s", p->name, text,
			owner->name);
		return false;
	}
	if (!lease) {
		if (p->leases.count == LEASES_MAX) {
			events_add(EVENT_LEASE_REFUSED, &subject,
				"port %s: %s, granted by a DHCP server, is one too many: it has %u",
				p->name, text, LEASES_MAX);
			return false;
		}
		take_from_others(live, p, &grant->prefix);
		lease = &p->leases.leases[p->leases.count++];
		lease->prefix = grant->prefix;
		added = true;
	}
	lease->until_ns = grant->lifetime_s == DHCP_FOR_EVER
				  ? UINT64_MAX
				  : clock_ns() + grant->lifetime_s * NS_PER_S;
	return added;
}

static void
handle_answer(void *arg, struct port *port, const struct punted *frame)
{
	struct live *live = arg;
	struct live_port *p = &live->ports[port->index];
	struct dhcp_answer answer;
	bool changed = false;

	if (!p->name[0] || !p->settings.dhcp_learn || frame->stored != frame->len ||
		!dhcp_read(frame->bytes, frame->stored, &answer) ||
		!is_own_mac(&p->settings, &answer.client))
		return;
	for (unsigned i = 0; i < answer.count; i++)
		changed |= learn(live, p, &answer.grants[i]);
	if (changed)
		publish(p);
}

void
lease_restore(struct live *live, struct live_port *p, const json_t *rows)
{
	const json_t *row;
	bool changed = false;
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *address = json_string_value(json_object_get(row, "address"));
		const json_t *expires = json_object_get(row, "expires");
		json_int_t left =
			json_is_integer(expires) ? json_integer_value(expires) : DHCP_FOR_EVER;
		struct dhcp_grant grant;

		if (!p->settings.dhcp_learn || left <= 0 || left > DHCP_FOR_EVER || !address ||
			parse_ip_prefix(address, &grant.prefix) < 0)
			continue;
		grant.lifetime_s = (uint32_t)left;
		changed |= learn(live, p, &grant);
	}
	if (changed)
		publish(p);
}

static void
handle_second(evutil_socket_t fd, short what, void *arg)
{
	struct live *live = arg;
	uint64_t now = clock_ns();

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct live_port *p = &live->ports[i];
		unsigned before = p->leases.count;

		for (unsigned l = before; l-- > 0;)
			if (p->leases.leases[l].until_ns <= now)
				lease_del(&p->leases, &p->leases.leases[l]);
		if (p->leases.count != before)
			publish(p);
	}
}

int
lease_start(struct live *live)
{
	const struct timeval second = {1, 0};

	live->lease_second = event_new(live->loop, -1, EV_PERSIST, handle_second, live);
	if (!live->lease_second || event_add(live->lease_second, &second) < 0)
		return -ENOMEM;
	punt_listen(PUNT_DHCP, handle_answer, live);
	return 0;
}

void
lease_stop(struct live *live)
{
	punt_listen(PUNT_DHCP, NULL, NULL);
	if (live->lease_second)
		event_free(live->lease_second);
	live->lease_second = NULL;
}

json_t *
lease_show(const struct live_port *p)
{
	json_t *rows = p->leases.count ? json_array() : NULL;
	uint64_t now = clock_ns();
	char text[IP_TEXT_SIZE];

	for (unsigned i = 0; rows && i < p->leases.count; i++) {
		const struct lease *l = &p->leases.leases[i];
		json_t *row = json_object();

		json_object_set_new(
			row, "address", json_string(ip_prefix_format(&l->prefix, text)));
		json_object_set_new(row, "expires",
			l->until_ns == UINT64_MAX
				? json_null()
				: json_integer((json_int_t)(l->until_ns > now
								    ? (l->until_ns - now) / NS_PER_S
								    : 0)));
		json_array_append_new(rows, row);
	}
	return rows;
}
