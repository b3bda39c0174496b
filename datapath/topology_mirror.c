/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mirrors on the control thread.  Who watches whom is kept with the ports, so that a port that comes
 * or goes needs nothing else: a mirror whose port is not there is left out of the snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/mbuf.h"
#include "datapath/topology.h"

/* ---- what workers see ---- */

/* The port that gets the copies; PORT_MAX when there is none that may have them. */
static unsigned
find_output(const struct topology *t, const struct snapshot *s, unsigned mirror)
{
	int vlan = t->mirrors[mirror].settings.vlan;
	unsigned p = 0;

	while (p < s->port_count &&
		!(t->ports[p].port && t->ports[p].settings.mirrors.to & UINT64_C(1) << mirror))
		p++;
	if (p == s->port_count || t->ports[p].blocked)
		return PORT_MAX;
	/* In a VLAN they are frames of the port's bridge. */
	if (vlan >= 0 && !(s->ports[p].bridge && classify_carries(&s->ports[p], (unsigned)vlan)))
		return PORT_MAX;
	return p;
}

/* The VLANs it wants, less those in which mirrors of the bridge send: copies are not copied. */
static void
describe_vlans(const struct topology *t, struct snapshot_mirror *m, unsigned mirror)
{
	const struct mirror_settings *set = &t->mirrors[mirror].settings;

	m->all_vlans = vlan_set_is_empty(&set->vlans);
	m->vlans = set->vlans;
	if (m->all_vlans)
		memset(&m->vlans, 0xff, sizeof(m->vlans));
	for (unsigned n = 0; n < MIRROR_MAX; n++) {
		const struct mirror_slot *other = &t->mirrors[n];
		int vlan = other->settings.vlan;

		if (!other->counters || vlan < 0 || other->settings.bridge != set->bridge)
			continue;
		m->all_vlans = false;
		m->vlans.bits[vlan >> 6] &= ~(UINT64_C(1) << (vlan & 63));
	}
}

int
snapshot_mirrors(const struct topology *t, struct snapshot *s)
{
	uint64_t working = 0;

	s->copies = t->copies;
	for (unsigned n = 0; n < MIRROR_MAX; n++) {
		unsigned port = t->mirrors[n].counters ? find_output(t, s, n) : PORT_MAX;

		if (port == PORT_MAX)
			continue;
		if (!s->mirrors)
			s->mirrors = calloc(MIRROR_MAX, sizeof(*s->mirrors));
		if (!s->mirrors)
			return -ENOMEM;
		s->mirrors[n].port = (uint16_t)port;
		s->mirrors[n].vlan = (int16_t)t->mirrors[n].settings.vlan;
		s->mirrors[n].counters = t->mirrors[n].counters;
		describe_vlans(t, &s->mirrors[n], n);
		working |= UINT64_C(1) << n;
	}
	for (unsigned p = 0; working && p < s->port_count; p++) {
		struct snapshot_port *port = &s->ports[p];
		const struct port_mirrors *set = &t->ports[p].settings.mirrors;

		if (!port->bridge)
			continue;
		port->mirror_in = set->in & working;
		port->mirror_out = set->out & working;
		if (port->mirror_in)
			port->in_checks |= CHECK_IN_MIRROR;
		if (port->mirror_out)
			port->out_checks |= CHECK_OUT_MIRROR;
	}
	return 0;
}

/* ---- changes ---- */

static void
take_settings(const struct port_mirrors *ports)
{
	for (unsigned p = 0; p < PORT_MAX; p++)
		if (topology_live->ports[p].port)
			topology_live->ports[p].settings.mirrors = ports[p];
}

/* What ports have now. */
static struct port_mirrors *
keep_settings(void)
{
	struct port_mirrors *ports = calloc(PORT_MAX, sizeof(*ports));

	for (unsigned p = 0; ports && p < PORT_MAX; p++)
		ports[p] = topology_live->ports[p].settings.mirrors;
	return ports;
}

static struct mirror_counters *
make_counters(void)
{
	size_t size = topology_live->workers * sizeof(struct mirror_counters);
	struct mirror_counters *counters = aligned_alloc(64, size);

	if (counters)
		memset(counters, 0, size);
	return counters;
}

int
datapath_mirror_set(unsigned mirror, const struct mirror_settings *settings,
	const struct port_mirrors ports[PORT_MAX], struct err *err)
{
	struct mirror_slot *slot = &topology_live->mirrors[mirror], old = *slot;
	struct port_mirrors *before = keep_settings();
	int r = before ? 0 : -ENOMEM;

	if (!r && settings && topology_live->workers > 1) {
		topology_live->copies = mbuf_pool_copies(err);
		r = topology_live->copies ? 0 : -ENOMEM;
	}
	if (settings)
		slot->settings = *settings;
	else
		slot->counters = NULL;
	if (settings && !slot->counters)
		slot->counters = make_counters();
	if (settings && !slot->counters)
		r = -ENOMEM;
	if (!r) {
		take_settings(ports);
		r = topology_publish();
	}
	if (r) {
		if (slot->counters != old.counters)
			free(slot->counters);
		*slot = old;
		if (before)
			take_settings(before);
	} else {
		for (unsigned p = 0; p < PORT_MAX; p++)
			if (topology_live->ports[p].port && ports[p].reserved &&
				!before[p].reserved)
				topology_flush(p);
		if (!settings)
			datapath_release(free, old.counters);
	}
	free(before);
	return r ? topology_error(err, r) : 0;
}

void
datapath_mirror_counters(unsigned mirror, struct mirror_counters *sum)
{
	const struct mirror_slot *slot = &topology_live->mirrors[mirror];

	memset(sum, 0, sizeof(*sum));
	for (unsigned w = 0; slot->counters && w < topology_live->workers; w++) {
		sum->frames += __atomic_load_n(&slot->counters[w].frames, __ATOMIC_RELAXED);
		sum->bytes += __atomic_load_n(&slot->counters[w].bytes, __ATOMIC_RELAXED);
		sum->dropped += __atomic_load_n(&slot->counters[w].dropped, __ATOMIC_RELAXED);
	}
}
