/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "control/mcast.h"

#define SECOND UINT64_C(1000000000)

static const struct mcast_address router;

void
mcast_clear(struct mcast *m)
{
	for (unsigned p = 0; p < PORT_MAX; p++)
		free(m->ports[p].members);
	memset(m, 0, sizeof(*m));
}

void
mcast_set(struct mcast *m, const struct mcast_settings *settings)
{
	bool querier = m->settings.querier;

	if (!settings->snooping)
		mcast_clear(m);
	m->settings = *settings;
	m->changed = true;
	if (!querier && settings->querier) {
		m->queries = 0;
		m->next_query = 0;
	}
}

static void
drop_member(struct mcast *m, unsigned port, struct mcast_member *member)
{
	*member = m->ports[port].members[--m->ports[port].count];
	m->count--;
	m->changed = true;
}

static struct mcast_member *
find(struct mcast *m, const struct mcast_address *group, unsigned port, unsigned vlan)
{
	for (unsigned i = 0; i < m->ports[port].count; i++) {
		struct mcast_member *member = &m->ports[port].members[i];

		if (member->vlan == vlan && memcmp(&member->group, group, sizeof(*group)) == 0)
			return member;
	}
	return NULL;
}

static bool
join(struct mcast *m, const struct mcast_address *group, unsigned port, unsigned vlan, uint64_t now)
{
	struct mcast_member *member = find(m, group, port, vlan);
	uint64_t expires = m->settings.ageing_s ? now + m->settings.ageing_s * SECOND : UINT64_MAX;

	if (member) {
		member->expires = expires;
		return true;
	}
	if (m->count == MCAST_MEMBERS_MAX || m->ports[port].count == MCAST_PORT_MEMBERS_MAX)
		return false;
	if (!m->ports[port].members)
		m->ports[port].members = calloc(MCAST_PORT_MEMBERS_MAX, sizeof(*member));
	if (!m->ports[port].members)
		return false;
	m->ports[port].members[m->ports[port].count++] =
		(struct mcast_member){.group = *group, .vlan = (uint16_t)vlan, .expires = expires};
	m->count++;
	m->changed = true;
	return true;
}

static void
leave(struct mcast *m, const struct mcast_address *group, unsigned port, unsigned vlan,
	uint64_t now)
{
	struct mcast_member *member = find(m, group, port, vlan);

	if (!member)
		return;
	if (m->settings.fast_leave)
		drop_member(m, port, member);
	else if (member->expires > now + MCAST_LEAVE_S * SECOND)
		member->expires = now + MCAST_LEAVE_S * SECOND;
}

bool
mcast_hear(struct mcast *m, const struct mcast_message *message, unsigned port, unsigned vlan,
	uint64_t now)
{
	bool room = true;

	if (message->kind == MCAST_QUERY) {
		/* A switch's own query comes from nobody (RFC 4541, 2.1.1). */
		if (message->from_nobody)
			return true;
		m->other_querier = now;
		return join(m, &router, port, vlan, now);
	}
	for (unsigned i = 0; i < message->count; i++) {
		const struct mcast_record *r = &message->records[i];

		if (r->leaves)
			leave(m, &r->group, port, vlan, now);
		else
			room &= join(m, &r->group, port, vlan, now);
	}
	return room;
}

void
mcast_forget_port(struct mcast *m, unsigned port)
{
	m->count -= m->ports[port].count;
	m->changed |= m->ports[port].count > 0;
	m->ports[port].count = 0;
}

void
mcast_age(struct mcast *m, uint64_t now)
{
	for (unsigned p = 0; p < PORT_MAX; p++)
		for (unsigned i = m->ports[p].count; i-- > 0;)
			if (m->ports[p].members[i].expires <= now)
				drop_member(m, p, &m->ports[p].members[i]);
}

bool
mcast_query_due(struct mcast *m, uint64_t now)
{
	unsigned wait = m->queries < MCAST_QUERY_STARTS ? MCAST_QUERY_START_S : MCAST_QUERY_S;

	if (!m->settings.snooping || !m->settings.querier || now < m->next_query ||
		(m->other_querier && now - m->other_querier < MCAST_OTHER_S * SECOND))
		return false;
	m->queries++;
	m->next_query = now + wait * SECOND;
	return true;
}

bool
mcast_is_router(const struct mcast_member *member)
{
	return memcmp(&member->group, &router, sizeof(router)) == 0;
}

struct mdb *
mcast_table(const struct mcast *m)
{
	struct mdb_member *members = calloc(m->count + 1, sizeof(*members)), *to = members;
	struct mdb *mdb;

	if (!members)
		return NULL;
	for (unsigned p = 0; p < PORT_MAX; p++)
		for (unsigned i = 0; i < m->ports[p].count; i++) {
			const struct mcast_member *from = &m->ports[p].members[i];
			struct mac mac = mcast_mac(&from->group);

			to->port = (uint16_t)p;
			to++->key = mcast_is_router(from) ? mdb_router_key(from->vlan)
							  : fdb_make_key(mac.b, from->vlan);
		}
	mdb = mdb_build(members, m->count, m->settings.flood);
	free(members);
	return mdb;
}
