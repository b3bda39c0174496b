/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/neighbours.h"

struct telling {
	struct port *port;
	bool present;
};

static bool
is_member(const struct port_slot *slot, unsigned bridge)
{
	return slot->port && slot->settings.bridge == (int)bridge;
}

static bool
asks(const struct port_slot *slot)
{
	return slot->port && slot->port->ops->neighbour && slot->settings.bridge >= 0;
}

/* An entry of the bridge's MAC table changed. */
static void
on_address(void *arg, fdb_key key, int from, int to)
{
	const struct bridge_slot *bridge = arg;
	struct topology *topology = bridge->topology;
	struct mac mac;

	fdb_key_mac(key, &mac);
	for (unsigned p = 0; p < PORT_MAX; p++) {
		const struct port_slot *slot = &topology->ports[p];
		bool had = from >= 0 && from != (int)p, has = to >= 0 && to != (int)p;

		if (had != has && asks(slot) &&
			is_member(slot, (unsigned)(bridge - topology->bridges)))
			slot->port->ops->neighbour(slot->port, &mac, key & 0xfff, has);
	}
}

static bool
tell_entry(const struct fdb_record *record, void *arg)
{
	const struct telling *telling = arg;

	if (record->port != telling->port->index)
		telling->port->ops->neighbour(
			telling->port, &record->mac, record->vlan, telling->present);
	return true;
}

static void
tell_table(struct port *port, const struct fdb *fdb, bool present)
{
	struct telling telling = {port, present};

	fdb_walk(fdb, 0, tell_entry, &telling);
}

/* Tells one port of the addresses that the others were given. */
static void
tell_given(const struct topology *topology, unsigned port, bool present)
{
	const struct port_slot *to = &topology->ports[port];

	for (unsigned p = 0; p < PORT_MAX; p++) {
		const struct port_slot *slot = &topology->ports[p];

		if (p != port && is_member(slot, (unsigned)to->settings.bridge) &&
			!mac_is_zero(&slot->settings.mac))
			to->port->ops->neighbour(to->port, &slot->settings.mac, 0, present);
	}
}

/* Tells the others of the address that one port was given. */
static void
tell_others(const struct topology *topology, unsigned port, bool present)
{
	const struct port_slot *from = &topology->ports[port];

	if (mac_is_zero(&from->settings.mac))
		return;
	for (unsigned p = 0; p < PORT_MAX; p++) {
		const struct port_slot *slot = &topology->ports[p];

		if (p != port && asks(slot) && slot->settings.bridge == from->settings.bridge)
			slot->port->ops->neighbour(slot->port, &from->settings.mac, 0, present);
	}
}

void
neighbours_join(struct topology *topology, unsigned port)
{
	const struct port_slot *slot = &topology->ports[port];
	struct bridge_slot *bridge;

	if (slot->settings.bridge < 0)
		return;
	bridge = &topology->bridges[slot->settings.bridge];
	tell_others(topology, port, true);
	if (!asks(slot))
		return;
	if (!bridge->askers++) {
		bridge->topology = topology;
		fdb_observe(bridge->fdb, on_address, bridge);
	}
	tell_table(slot->port, bridge->fdb, true);
	tell_given(topology, port, true);
}

void
neighbours_leave(struct topology *topology, unsigned port, bool gone)
{
	const struct port_slot *slot = &topology->ports[port];
	struct bridge_slot *bridge;

	if (slot->settings.bridge < 0)
		return;
	bridge = &topology->bridges[slot->settings.bridge];
	tell_others(topology, port, false);
	if (!asks(slot))
		return;
	if (!--bridge->askers)
		fdb_observe(bridge->fdb, NULL, NULL);
	if (gone)
		return;
	tell_table(slot->port, bridge->fdb, false);
	tell_given(topology, port, false);
}

void
neighbours_renew(struct topology *topology, unsigned bridge, struct fdb *old)
{
	struct bridge_slot *b = &topology->bridges[bridge];

	if (!b->askers)
		return;
	fdb_observe(old, NULL, NULL);
	fdb_observe(b->fdb, on_address, b);
	/* The table that is there comes first: an address in both is never told to be absent. */
	for (unsigned p = 0; p < PORT_MAX; p++) {
		const struct port_slot *slot = &topology->ports[p];

		if (!asks(slot) || !is_member(slot, bridge))
			continue;
		tell_table(slot->port, b->fdb, true);
		tell_table(slot->port, old, false);
	}
}
