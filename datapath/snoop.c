/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/snoop.h"

#define IP_PROTOCOL_IGMP 2
#define IP_PROTOCOL_ICMP 58 /* version 6 */
#define IGMP_QUERY       0x11
#define MLD_QUERY        130
#define MLD_REPORT       131
#define MLD_DONE         132
#define MLD_REPORT_2     143

/* The type byte says what it is; the control thread checks the rest. */
static unsigned
igmp_kind(const uint8_t *ip, const uint8_t *end)
{
	unsigned header;

	if (end - ip < 20 || ip[0] >> 4 != 4 || ip[9] != IP_PROTOCOL_IGMP)
		return SNOOP_NONE;
	header = (ip[0] & 15) * 4u;
	if (header < 20 || end - ip <= (ptrdiff_t)header)
		return SNOOP_NONE;
	return ip[header] == IGMP_QUERY ? SNOOP_QUERY : SNOOP_REPORT;
}

/* Behind a hop-by-hop header, which such messages must have. */
static unsigned
mld_kind(const uint8_t *ip, const uint8_t *end)
{
	const uint8_t *icmp;

	if (end - ip < 48 || ip[0] >> 4 != 6 || ip[6] != 0 || ip[40] != IP_PROTOCOL_ICMP)
		return SNOOP_NONE;
	icmp = ip + 48 + ip[41] * 8;
	if (icmp >= end)
		return SNOOP_NONE;
	switch (*icmp) {
	case MLD_QUERY:
		return SNOOP_QUERY;
	case MLD_REPORT:
	case MLD_DONE:
	case MLD_REPORT_2:
		return SNOOP_REPORT;
	default:
		return SNOOP_NONE;
	}
}

static unsigned
kind_of(const struct frame *f)
{
	const uint8_t *type = f->data + ETHERNET_TYPE_AT + (f->tagged ? VLAN_TAG : 0);
	const uint8_t *end = f->data + f->head_len;

	if (!(f->data[0] & 1) || end - type < 2)
		return SNOOP_NONE;
	switch (classify_load16(type)) {
	case 0x0800:
		return igmp_kind(type + 2, end);
	case 0x86dd:
		return mld_kind(type + 2, end);
	default:
		return SNOOP_NONE;
	}
}

uint64_t
snoop_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	for (uint64_t left = frames; left;) {
		struct frame *f = &w->burst.frames[check_next(&left)];

		f->snoop = (uint16_t)kind_of(f);
		if (f->snoop != SNOOP_NONE)
			punt(w, PUNT_MULTICAST, in, f, PUNT_BYTES);
	}
	return frames;
}

bool
snoop_ports(const struct snapshot_port *in, const struct frame *f, const uint16_t **ports,
	unsigned *count)
{
	const struct mdb *mdb = atomic_load_explicit(in->bridge->mdb, memory_order_acquire);
	bool v4 = f->data[0] == 0x01 && f->data[1] == 0x00 && f->data[2] == 0x5e;
	bool v6 = f->data[0] == 0x33 && f->data[1] == 0x33;
	const struct mdb_entry *e = NULL;
	uint32_t group;

	memcpy(&group, f->data + 2, sizeof(group));
	group = rte_be_to_cpu_32(group);
	if (!mdb || f->snoop == SNOOP_QUERY || !(v4 || v6))
		return false;
	if (f->snoop == SNOOP_NONE) {
		if ((v4 && (group & 0xffffff) < 0x100) || (v6 && group == 1))
			return false;
		e = mdb_find(mdb, fdb_make_key(f->data, f->vlan));
		if (!e && mdb->flood)
			return false;
	}
	if (!e)
		e = mdb_find(mdb, mdb_router_key(f->vlan));
	*ports = e ? mdb->ports + e->first : NULL;
	*count = e ? e->count : 0;
	return true;
}
