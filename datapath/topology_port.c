/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done to and asked about single ports, and the addresses that are learnt from them.
 */
#include <errno.h>
#include <string.h>

#include "datapath/topology.h"
#include "datapath/worker.h"

int
datapath_port_block(struct port *port, bool blocked)
{
	struct port_slot *slot = &topology_live->ports[port->index];
	bool was = slot->blocked;
	int r;

	if (was == blocked)
		return 0;
	slot->blocked = blocked;
	r = topology_publish();
	if (r == -ENOMEM) {
		slot->blocked = was;
		return r;
	}
	if (blocked)
		datapath_port_flush(port);
	return r;
}

uint32_t
datapath_port_generation(const struct port *port)
{
	return topology_live->ports[port->index].generation;
}

struct port *
datapath_port_find(unsigned index, uint32_t generation)
{
	return topology_port_of(index, generation);
}

int
datapath_port_bridge(const struct port *port)
{
	return topology_live->ports[port->index].settings.bridge;
}

unsigned
datapath_port_vlan(const struct port *port)
{
	const struct port_settings *s = &topology_live->ports[port->index].settings;
	unsigned vlan = 0;

	if (s->vlan_mode != VLAN_TRUNK)
		return s->tag;
	while (vlan < VLAN_COUNT - 1 && !vlan_set_is_empty(&s->trunks) &&
		!vlan_set_has(&s->trunks, vlan))
		vlan++;
	return vlan;
}

static int
inject_frame(struct port *port, const uint8_t *bytes, unsigned len, int out_vlan)
{
	const struct port_slot *slot = &topology_live->ports[port->index];
	struct worker_inject inject = {.generation = slot->generation,
		.port = port->index,
		.len = (uint16_t)len,
		.out_vlan = (int16_t)out_vlan};

	if (len < FRAME_LEN_MIN || len > DATAPATH_INJECT_MAX)
		return -EINVAL;
	memcpy(inject.bytes, bytes, len);
	return datapath_worker_inject(slot->worker[0], &inject);
}

int
datapath_inject(struct port *port, const uint8_t *bytes, unsigned len)
{
	return inject_frame(port, bytes, len, -1);
}

int
datapath_send(struct port *port, unsigned vlan, const uint8_t *bytes, unsigned len)
{
	return vlan < VLAN_COUNT - 1 ? inject_frame(port, bytes, len, (int)vlan) : -EINVAL;
}

void
datapath_port_counters(const struct port *port, struct port_counters *sum)
{
	uint64_t *to = (uint64_t *)sum;

	memset(sum, 0, sizeof(*sum));
	for (unsigned w = 0; w <= topology_live->workers; w++) {
		const uint64_t *from = (const uint64_t *)&port->counters[w];

		for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
			to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
}

void
datapath_port_restore(struct port *port, const struct port_counters *counters)
{
	port->counters[topology_live->workers] = *counters;
}

/* ---- the MAC tables ---- */

static void
report_mac(struct fdb *fdb, fdb_key key, enum fdb_result result, const struct port_slot *seen)
{
	struct mac_report report = {.pinned = result == FDB_PINNED,
		.bridge = (unsigned)seen->settings.bridge,
		.vlan = key & 0xfff,
		.home = topology_port(fdb_port_of(fdb, key)),
		.seen = result == FDB_PINNED ? topology_port(fdb_pinned_away(fdb)) : seen->port};

	fdb_key_mac(key, &report.mac);
	if (report.home && report.seen)
		topology_live->on_mac(&report);
}

void
datapath_on_mac(datapath_mac_cb callback)
{
	topology_live->on_mac = callback;
}

void
topology_learn(unsigned port, uint32_t generation, fdb_key key, uint32_t now_s)
{
	const struct port_slot *slot = &topology_live->ports[port];
	enum fdb_result result;
	struct fdb *fdb;

	if (!slot->port || slot->blocked || slot->settings.mirrors.reserved ||
		slot->generation != generation || slot->settings.bridge < 0)
		return;
	fdb = topology_live->bridges[slot->settings.bridge].fdb;
	result = fdb_learn(fdb, key, port, now_s);
	if ((result == FDB_STUCK || result == FDB_PINNED) && topology_live->on_mac)
		report_mac(fdb, key, result, slot);
}

void
topology_age(uint32_t now_s)
{
	for (unsigned b = 0; b < BRIDGE_MAX; b++)
		if (topology_live->bridges[b].used)
			fdb_age(topology_live->bridges[b].fdb, now_s,
				topology_live->bridges[b].settings.ageing_s);
}
