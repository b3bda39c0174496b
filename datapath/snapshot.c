/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "datapath/capture_impl.h"
#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/topology.h"

#define STORM_BURST_FACTOR 2 /* tokens that may be saved up, in seconds of the rate */

void
snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	for (unsigned b = 0; s->bridges && b < BRIDGE_MAX; b++)
		free((void *)(uintptr_t)s->bridges[b].members);
	for (unsigned w = 0; s->workers && w < s->worker_count; w++) {
		free((void *)(uintptr_t)s->workers[w].poll);
		free((void *)(uintptr_t)s->workers[w].shape);
	}
	for (unsigned p = 0; s->ports && p < s->port_count; p++) {
		free((void *)(uintptr_t)s->ports[p].ip_lock);
		free((void *)(uintptr_t)s->ports[p].bond);
	}
	free(s->mirrors);
	free(s->ports);
	free(s->bridges);
	free(s->workers);
	free(s);
}

static unsigned
port_slots(const struct topology *t)
{
	unsigned n = PORT_MAX;

	while (n && !t->ports[n - 1].port)
		n--;
	return n;
}

/* Of a frame without tag: by the settings, and what the device is able to send. */
static uint32_t
longest_frame(const struct port_slot *slot)
{
	uint32_t mtu = slot->settings.mtu;

	if (slot->port->mtu && (!mtu || slot->port->mtu < mtu))
		mtu = slot->port->mtu;
	return mtu ? mtu + ETHERNET_HEADER : UINT32_MAX - VLAN_TAG;
}

static void
describe_rate(struct snapshot_rate *r, const struct port_rate *set, struct rate_meters *meters)
{
	uint64_t saved = set->bits / 8 * RATE_BURST_MS / 1000;
	struct rte_meter_srtcm_params bytes = {
		.cir = set->bits / 8, .cbs = set->burst ? set->burst : saved};
	struct rte_meter_srtcm_params packets = {
		.cir = set->packets, .cbs = (uint64_t)set->packets * RATE_BURST_MS / 1000};

	if (bytes.cbs < RATE_BURST_MIN)
		bytes.cbs = RATE_BURST_MIN;
	if (packets.cbs < RATE_PACKETS_MIN)
		packets.cbs = RATE_PACKETS_MIN;
	r->meters = meters;
	r->limit_bytes = bytes.cir && !rte_meter_srtcm_profile_config(&r->bytes, &bytes);
	r->limit_packets = packets.cir && !rte_meter_srtcm_profile_config(&r->packets, &packets);
}

static void
describe_storm(struct snapshot_port *p, const struct port_slot *slot)
{
	p->storm_meters = slot->storm_meters;
	for (unsigned c = 0; c < STORM_CLASSES; c++) {
		uint64_t pps = slot->settings.storm_pps[c];
		struct rte_meter_srtcm_params params = {
			.cir = pps, .cbs = pps * STORM_BURST_FACTOR};

		if (pps && !rte_meter_srtcm_profile_config(&p->storm_profiles[c], &params))
			p->storm |= (uint8_t)(1u << c);
	}
}

/* Which checks the port's settings ask for. */
static void
describe_checks(struct snapshot_port *p)
{
	if (p->ip_lock || p->dhcp_guard || p->ra_guard)
		p->in_checks |= CHECK_IN_GUARD;
	if (p->filters[FILTER_DIRECTION_IN])
		p->in_checks |= CHECK_IN_FILTER;
	if (p->bridge && p->bridge->mdb)
		p->in_checks |= CHECK_IN_SNOOP;
	if (p->bridge && p->bridge->loop_guard)
		p->in_checks |= CHECK_IN_PROBE;
	if (p->in_rate.limit_bytes || p->in_rate.limit_packets)
		p->in_checks |= CHECK_IN_POLICE;
	if (p->isolated)
		p->out_checks |= CHECK_OUT_ISOLATE;
	if (p->filters[FILTER_DIRECTION_OUT])
		p->out_checks |= CHECK_OUT_FILTER;
	if (p->dhcp_learn)
		p->out_checks |= CHECK_OUT_LEASE;
	/* With a shaper it is the owner of the transmit queue who keeps the rate. */
	if (p->shaper)
		return;
	if (p->out_rate.limit_bytes || p->out_rate.limit_packets)
		p->out_checks |= CHECK_OUT_POLICE;
}

static void
describe_mac_lock(struct snapshot_port *p, const struct port_settings *set)
{
	if (!set->mac_lock)
		return;
	p->lock[p->lock_count++] = fdb_make_key(set->mac.b, 0);
	for (unsigned i = 0; i < set->macs.count; i++)
		p->lock[p->lock_count++] = fdb_make_key(set->macs.macs[i].b, 0);
}

/* The port's IP addresses; -ENOMEM. */
static int
describe_ip_lock(struct snapshot_port *p, const struct port_settings *set)
{
	size_t size = offsetof(struct ip_lock, prefixes[set->addresses.count]);
	struct ip_lock *lock;

	if (!set->ip_lock)
		return 0;
	lock = malloc(size);
	if (!lock)
		return -ENOMEM;
	memcpy(lock, &set->addresses, size);
	p->ip_lock = lock;
	return 0;
}

static int
describe_port(struct snapshot_port *p, const struct port_slot *slot, struct snapshot *s,
	const struct topology *t)
{
	const struct port_settings *set = &slot->settings;

	p->port = slot->port;
	p->closed = set->mirrors.reserved ? DROP_MIRROR_PORT
		    : slot->blocked       ? DROP_BLOCKED
					  : DROP_DETACHED;
	p->bridge =
		set->bridge >= 0 && p->closed == DROP_DETACHED ? &s->bridges[set->bridge] : NULL;
	p->generation = slot->generation;
	p->vlan_mode = (uint8_t)set->vlan_mode;
	p->priority_tags = (uint8_t)set->priority_tags;
	p->all_vlans = vlan_set_is_empty(&set->trunks);
	p->all_cvlans = vlan_set_is_empty(&set->cvlans);
	p->tag = set->tag;
	p->qinq_ethtype = set->qinq_ethtype ? set->qinq_ethtype : ETHERTYPE_QINQ;
	p->max_len = longest_frame(slot);
	p->drop_reserved = set->drop_reserved;
	p->forward_reserved = set->forward_reserved;
	describe_mac_lock(p, set);
	p->trunks = set->trunks;
	p->cvlans = set->cvlans;
	classify_prepare(p);
	p->learning = !set->no_learning;
	p->learns_all = p->learning && p->bridge && !p->bridge->has_flood_vlans;
	describe_storm(p, slot);
	memcpy(p->tx_worker, slot->worker, sizeof(p->tx_worker));
	p->tx_held = slot->held;
	p->tx_last = slot->last;
	p->isolated = set->isolated;
	p->gro = set->gro;
	describe_rate(&p->in_rate, &set->in_rate, &slot->meters[0]);
	describe_rate(&p->out_rate, &set->out_rate, &slot->meters[1]);
	p->shaper = slot->shaper;
	p->shape_bytes = set->shape_bytes;
	p->dhcp_guard = set->dhcp_guard;
	p->ra_guard = set->ra_guard;
	p->dhcp_learn = set->dhcp_learn;
	if (describe_ip_lock(p, set))
		return -ENOMEM;
	memcpy(p->filters, set->filters, sizeof(p->filters));
	describe_checks(p);
	capture_describe(p, slot, t);
	p->plain_in = p->bridge && !p->captures_in;
	p->plain_out = !p->shaper && !p->captures_out;
	return 0;
}

/* A bond's ways out, and what its members are told of it; -ENOMEM. */
static int
describe_bond(const struct topology *t, struct snapshot *s, unsigned index)
{
	const struct bond_slot *slot = t->ports[index].bond;
	struct snapshot_bond *bond;
	bool sends = false;

	for (unsigned m = 0; slot && m < slot->settings.count; m++) {
		const struct bond_member *member = &slot->settings.members[m];
		struct snapshot_port *p = &s->ports[member->port->index];

		p->bonded = true;
		p->bond_of = (uint16_t)index;
		p->receives = member->receives;
		p->lacp = slot->settings.lacp;
		sends |= member->sends;
	}
	if (!sends)
		return 0;
	bond = calloc(1, sizeof(*bond));
	if (!bond)
		return -ENOMEM;
	bond->count = (uint8_t)slot->settings.count;
	bond->layers = (uint8_t)(2 + slot->settings.hash);
	memcpy(bond->bucket, slot->bucket, sizeof(bond->bucket));
	for (unsigned m = 0; m < slot->settings.count; m++)
		bond->ports[m] = slot->settings.members[m].port->index;
	s->ports[index].bond = bond;
	return 0;
}

static bool
is_member(const struct port_slot *slot, unsigned bridge)
{
	return slot->port && !slot->blocked && !slot->settings.mirrors.reserved &&
	       slot->settings.bridge == (int)bridge;
}

static int
describe_bridge(const struct topology *t, struct snapshot_bridge *b, unsigned index)
{
	struct bridge_slot *slot = (struct bridge_slot *)(uintptr_t)&t->bridges[index];
	uint16_t *members;

	b->number = index;
	b->fdb = slot->fdb;
	b->forward_bpdu = slot->settings.forward_bpdu;
	b->loop_guard = slot->settings.loop_guard;
	b->mdb = slot->settings.mcast_snooping ? &slot->mdb : NULL;
	b->flood_vlans = slot->settings.flood_vlans;
	b->has_flood_vlans = !vlan_set_is_empty(&b->flood_vlans);
	for (unsigned p = 0; p < PORT_MAX; p++)
		b->member_count += is_member(&t->ports[p], index);
	members = calloc(b->member_count + 1u, sizeof(*members));
	if (!members)
		return -ENOMEM;
	b->members = members;
	for (unsigned p = 0; p < PORT_MAX; p++)
		if (is_member(&t->ports[p], index))
			*members++ = (uint16_t)p;
	return 0;
}

/* The transmit queues of one worker whose frames may wait; held ones wait. */
static int
describe_shaping(const struct topology *t, struct snapshot_worker *w, unsigned id, unsigned slots)
{
	unsigned most = 0;
	struct snapshot_poll *shape;

	for (unsigned p = 0; p < slots; p++)
		if (t->ports[p].port && t->ports[p].shaper)
			most += t->ports[p].port->tx_queues_max;
	if (!most)
		return 0;
	shape = calloc(most, sizeof(*shape));
	if (!shape)
		return -ENOMEM;
	w->shape = shape;
	for (unsigned p = 0; p < slots; p++) {
		const struct port_slot *slot = &t->ports[p];

		if (!slot->port || !slot->shaper)
			continue;
		for (unsigned q = 0; q < slot->port->tx_queues_max; q++)
			if (slot->worker[q] == id && !(slot->held & 1u << q))
				shape[w->shape_count++] =
					(struct snapshot_poll){(uint16_t)p, (uint16_t)q};
	}
	return 0;
}

/* The receive queues of one worker; held ones belong to nobody for a moment. */
static int
describe_worker(const struct topology *t, struct snapshot_worker *w, unsigned id, unsigned slots)
{
	struct snapshot_poll *poll = calloc(slots * PORT_QUEUES_MAX + 1, sizeof(*poll));

	if (!poll)
		return -ENOMEM;
	w->poll = poll;
	for (unsigned p = 0; p < slots; p++) {
		const struct port_slot *slot = &t->ports[p];

		for (unsigned q = 0; slot->port && q < slot->port->rx_queues; q++) {
			if (slot->worker[q] != id)
				continue;
			if (slot->held & 1u << q) {
				w->hold = true;
				continue;
			}
			poll[w->poll_count].port = (uint16_t)p;
			poll[w->poll_count++].queue = (uint16_t)q;
			if (slot->port->poll_us &&
				(!w->sleep_us || slot->port->poll_us < w->sleep_us))
				w->sleep_us = slot->port->poll_us;
		}
	}
	return 0;
}

struct snapshot *
snapshot_build(const struct topology *t)
{
	static uint64_t serial;
	struct snapshot *s = calloc(1, sizeof(*s));
	unsigned slots = port_slots(t);
	int r = 0;

	if (!s)
		return NULL;
	s->serial = ++serial;
	s->port_count = slots;
	s->worker_count = t->workers;
	s->ports = aligned_alloc(64, RTE_ALIGN((slots + 1) * sizeof(*s->ports), 64));
	s->bridges = calloc(BRIDGE_MAX, sizeof(*s->bridges));
	s->workers = calloc(t->workers, sizeof(*s->workers));
	if (!s->ports || !s->bridges || !s->workers) {
		snapshot_free(s);
		return NULL;
	}
	memset(s->ports, 0, (slots + 1) * sizeof(*s->ports));
	for (unsigned b = 0; b < BRIDGE_MAX; b++)
		if (t->bridges[b].used)
			r |= describe_bridge(t, &s->bridges[b], b);
	memcpy(s->captures, t->captures, sizeof(s->captures));
	for (unsigned p = 0; p < slots; p++)
		if (t->ports[p].port)
			r |= describe_port(&s->ports[p], &t->ports[p], s, t);
	for (unsigned p = 0; p < slots; p++)
		if (t->ports[p].port)
			r |= describe_bond(t, s, p);
	r |= snapshot_mirrors(t, s);
	for (unsigned w = 0; w < t->workers; w++)
		r |= describe_worker(t, &s->workers[w], w, slots) |
		     describe_shaping(t, &s->workers[w], w, slots);
	if (r) {
		snapshot_free(s);
		return NULL;
	}
	return s;
}
