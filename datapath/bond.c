/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/bond.h"
#include "datapath/topology.h"

struct bond {
	struct port port;
	struct bond_options options;
};

/* Its members are polled, not the bond. */
static bool
no_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	(void)port;
	(void)queue;
	(void)burst;
	(void)counters;
	return false;
}

/* Frames for it go to members before they come this far. */
static void
no_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	(void)port;
	(void)queue;
	(void)frames;
	(void)list;
	counters->drops[DROP_PORT_DOWN] += count;
}

static void
bond_neighbour(struct port *port, const struct mac *mac, unsigned vlan, bool present)
{
	const struct bond_options *options = &((struct bond *)port)->options;

	options->neighbour(options->owner, mac, vlan, present);
}

static void
bond_destroy(struct port *port)
{
	struct bond *bond = (struct bond *)port;

	bond->options.ended(bond->options.owner);
	free(bond);
}

static const struct port_ops bond_ops = {
	.type = "bond",
	.rx = no_rx,
	.tx = no_tx,
	.neighbour = bond_neighbour,
	.destroy = bond_destroy,
};

int
bond_create(const struct bond_options *options, struct port **port, struct err *err)
{
	struct bond *bond = aligned_alloc(64, (sizeof(*bond) + 63) / 64 * 64);

	if (!bond)
		return err_set(err, -ENOMEM, "no memory for a port");
	port_init(&bond->port, &bond_ops, options->name, 1, 1);
	bond->options = *options;
	atomic_store(&bond->port.tx_queues, 0);
	*port = &bond->port;
	return 0;
}

void *
bond_owner(const struct port *port)
{
	return ((const struct bond *)port)->options.owner;
}

/* ---- which member has which bucket ---- */

static unsigned
idlest(const unsigned *load, const bool *sends, unsigned count)
{
	unsigned best = count;

	for (unsigned m = 0; m < count; m++)
		if (sends[m] && (best == count || load[m] < load[best]))
			best = m;
	return best;
}

void
bond_spread(uint8_t bucket[BOND_BUCKETS], const bool sends[BOND_MEMBERS_MAX], unsigned count)
{
	unsigned load[BOND_MEMBERS_MAX] = {0}, senders = 0, most;

	for (unsigned m = 0; m < count; m++)
		senders += sends[m];
	if (!senders)
		return;
	most = (BOND_BUCKETS + senders - 1) / senders;
	/* Who has a bucket keeps it, but for what is more than its share. */
	for (unsigned b = 0; b < BOND_BUCKETS; b++) {
		unsigned m = bucket[b];

		if (m < count && sends[m] && load[m] < most)
			load[m]++;
		else
			bucket[b] = UINT8_MAX;
	}
	for (unsigned b = 0; b < BOND_BUCKETS; b++) {
		if (bucket[b] != UINT8_MAX)
			continue;
		bucket[b] = (uint8_t)idlest(load, sends, count);
		load[bucket[b]]++;
	}
}

/* ---- members ---- */

/* By the order of the new ones, the buckets that members had. */
static void
carry_buckets(const struct bond_slot *old, struct bond_slot *slot)
{
	for (unsigned b = 0; b < BOND_BUCKETS; b++) {
		unsigned was = old->bucket[b];
		uint8_t is = UINT8_MAX;

		for (unsigned m = 0; was < old->settings.count && m < slot->settings.count; m++)
			if (slot->settings.members[m].port == old->settings.members[was].port)
				is = (uint8_t)m;
		slot->bucket[b] = is;
	}
}

/* What all members can do, and the shortest MTU of theirs. */
static void
sum_up(const struct bond_settings *settings, unsigned *accepts, unsigned *senders, uint16_t *mtu)
{
	*accepts = settings->count ? UINT_MAX : 0;
	*senders = 0;
	*mtu = 0;
	for (unsigned m = 0; m < settings->count; m++) {
		const struct port *port = settings->members[m].port;

		*accepts &= atomic_load(&port->accepts);
		*senders += settings->members[m].sends;
		if (port->mtu && (!*mtu || port->mtu < *mtu))
			*mtu = port->mtu;
	}
}

int
datapath_bond_set(struct port *bond, const struct bond_settings *settings, struct err *err)
{
	struct port_slot *slot = &topology_live->ports[bond->index];
	struct bond_slot *old = slot->bond, *bonded = calloc(1, sizeof(*bonded));
	bool sends[BOND_MEMBERS_MAX] = {false};
	unsigned accepts, senders;
	int r;

	if (!bonded)
		return err_set(err, -ENOMEM, "no memory for a bond");
	bonded->settings = *settings;
	if (old)
		carry_buckets(old, bonded);
	else
		memset(bonded->bucket, UINT8_MAX, sizeof(bonded->bucket));
	for (unsigned m = 0; m < settings->count; m++)
		sends[m] = settings->members[m].sends;
	bond_spread(bonded->bucket, sends, settings->count);
	sum_up(settings, &accepts, &senders, &bond->mtu);
	/* A worker may take frames for the members before or after: they must suit both. */
	atomic_fetch_and(&bond->accepts, accepts);
	if (!senders)
		atomic_store(&bond->tx_queues, 0);
	slot->bond = bonded;
	r = topology_publish();
	if (r == -ENOMEM) {
		slot->bond = old;
		free(bonded);
		return err_set(err, r, "no memory for a bond");
	}
	free(old);
	atomic_store(&bond->accepts, accepts);
	atomic_store(&bond->tx_queues, senders ? 1 : 0);
	return r ? err_set(err, r, "a worker has not answered: see `patchbay worker show`") : 0;
}
