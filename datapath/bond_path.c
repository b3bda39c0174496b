/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path of bonds.
 *
 * Threat model: what members receive comes from whoever is at the other end of the cable.  A frame of
 * a slow protocol is recognized by its private bytes, counted, and copied for the control thread,
 * which has a limit for it (datapath/punt.h); nothing in it is looked at here.
 */
#include "datapath/bond.h"
#include "datapath/capture_impl.h"
#include "datapath/classify.h"
#include "datapath/punt.h"
#include "datapath/worker.h"

#define ETHERTYPE_SLOW 0x8809 /* IEEE 802.3 annex 57A */
#define SLOW_SUBTYPE   1      /* LACP is 1, the marker protocol 2 */
#define SLOW_LEN       124    /* of an LACPDU or marker with its Ethernet header */

static const uint8_t slow_address[MAC_LEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x02};

static bool
is_slow(const struct frame *f)
{
	return f->head_len > ETHERNET_HEADER && memcmp(f->data, slow_address, MAC_LEN) == 0 &&
	       classify_load16(f->data + ETHERNET_TYPE_AT) == ETHERTYPE_SLOW &&
	       (unsigned)f->data[ETHERNET_HEADER] - SLOW_SUBTYPE < 2;
}

const struct snapshot_port *
bond_receive(struct worker *w, const struct snapshot_port *in, struct port_counters *counters)
{
	struct burst *burst = &w->burst;
	unsigned kept = 0;

	counters->rx_packets += burst->count;
	counters->rx_bytes += burst->bytes;
	for (unsigned i = 0; i < burst->count; i++) {
		struct frame *f = &burst->frames[i];
		bool slow = in->lacp && is_slow(f);
		enum drop drop;

		if (slow || !in->receives) {
			if (slow) {
				f->tagged = 0;
				f->vlan = 0;
				punt(w, PUNT_SLOW, in, f, SLOW_LEN);
			}
			drop = slow ? DROP_SLOW_PROTOCOL : DROP_BOND_STANDBY;
			counters->drops[drop]++;
			if (in->captures_in)
				capture_one(w, in, i, drop);
			burst->bytes -= f->len;
			continue;
		}
		/* Its bytes stay where they are. */
		if (kept != i)
			burst->frames[kept] = *f;
		kept++;
	}
	burst->count = (uint16_t)kept;
	counters->rx_forwarded += kept;
	/* From their last place on: what is copied for a record is kept by the frame's number. */
	for (unsigned i = 0; in->captures_in && i < kept; i++)
		capture_one(w, in, i, CAPTURE_DELIVERED);
	return &w->now->ports[in->bond_of];
}

unsigned
bond_choose(const struct snapshot_bond *bond, const struct frame *f)
{
	uint32_t hash = classify_hash(f, bond->layers);

	/* Other bits than those by which the member's queue is chosen. */
	return bond->bucket[hash >> 24];
}
