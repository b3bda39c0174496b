/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/live_mirror.h"

struct live_mirror {
	LIST_ENTRY(live_mirror) link;
	unsigned number; /* the datapath's */
	struct mirror_config config;
};

_Static_assert(CONFIG_MIRRORS_MAX <= MIRROR_MAX, "the datapath has a number for each");

static struct live_mirror *
find(const struct live *live, const char *name)
{
	struct live_mirror *m;

	LIST_FOREACH (m, &live->mirrors, link)
		if (strcmp(m->config.name, name) == 0)
			return m;
	return NULL;
}

int
live_mirror(const struct live *live, const char *name)
{
	const struct live_mirror *m = find(live, name);

	return m ? (int)m->number : -1;
}

static unsigned
free_number(const struct live *live)
{
	const struct live_mirror *m;
	uint64_t used = 0;

	LIST_FOREACH (m, &live->mirrors, link)
		used |= UINT64_C(1) << m->number;
	return (unsigned)__builtin_ctzll(~used);
}

void
live_mirrors_of(
	const struct live *live, const char *name, const char *bridge, struct port_mirrors *mirrors)
{
	const struct live_mirror *m;

	memset(mirrors, 0, sizeof(*mirrors));
	LIST_FOREACH (m, &live->mirrors, link) {
		const struct mirror_config *c = &m->config;
		uint64_t bit = UINT64_C(1) << m->number;

		if (strcmp(c->to, name) == 0) {
			mirrors->to |= bit;
			mirrors->reserved |= c->vlan < 0;
		} else if (strcmp(c->bridge, bridge) == 0 &&
			   (!c->from.count || name_list_has(&c->from, name))) {
			mirrors->in |= c->direction == MIRROR_OUT ? 0 : bit;
			mirrors->out |= c->direction == MIRROR_IN ? 0 : bit;
		}
	}
}

/* Of every port, by its index; for free(). */
static struct port_mirrors *
resolve_ports(const struct live *live)
{
	struct port_mirrors *all = calloc(PORT_MAX, sizeof(*all));

	for (unsigned i = 0; all && i < PORT_MAX; i++) {
		const struct live_port *p = &live->ports[i];
		const char *bridge = "";

		if (!p->name[0])
			continue;
		if (p->settings.bridge >= 0)
			bridge = live->bridges[p->settings.bridge].name;
		live_mirrors_of(live, p->name, bridge, &all[i]);
	}
	return all;
}

/* Makes what stands in the list real. */
static int
apply(struct live *live, unsigned number, const struct mirror_config *config, struct err *err)
{
	const struct live_bridge *bridge = config ? live_bridge(live, config->bridge) : NULL;
	struct port_mirrors *ports = resolve_ports(live);
	struct mirror_settings settings = {0};
	int rc;

	if (!ports)
		return err_set(err, -ENOMEM, "out of memory");
	if (bridge) {
		settings.bridge = bridge->bridge;
		settings.vlans = config->vlans;
		settings.vlan = config->vlan;
	}
	rc = datapath_mirror_set(number, bridge ? &settings : NULL, ports, err);
	for (unsigned i = 0; rc == 0 && i < PORT_MAX; i++)
		live->ports[i].settings.mirrors = ports[i];
	free(ports);
	return rc;
}

int
live_mirror_set(struct live *live, const struct mirror_config *from, const struct mirror_config *to,
	struct err *err)
{
	struct live_mirror *m = find(live, from ? from->name : to->name), *made = NULL;
	int rc;

	if (!m) {
		made = calloc(1, sizeof(*made));
		if (!made)
			return err_set(err, -ENOMEM, "out of memory");
		made->number = free_number(live);
		LIST_INSERT_HEAD(&live->mirrors, made, link);
		m = made;
	}
	if (to)
		m->config = *to;
	else
		LIST_REMOVE(m, link);
	rc = apply(live, m->number, to, err);
	if (rc < 0 && made)
		LIST_REMOVE(made, link);
	else if (rc < 0 && !to)
		LIST_INSERT_HEAD(&live->mirrors, m, link);
	else if (rc < 0)
		m->config = *from;
	if (rc < 0 ? made != NULL : !to)
		free(m);
	return rc < 0 ? err_prefix(err, "mirror \"%s\"", to ? to->name : from->name) : 0;
}

void
live_mirrors_clear(struct live *live)
{
	struct live_mirror *m;

	while ((m = LIST_FIRST(&live->mirrors))) {
		LIST_REMOVE(m, link);
		free(m);
	}
}
