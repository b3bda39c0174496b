/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "datapath/capture_impl.h"
#include "datapath/storm.h"

static enum storm_class
classify(const uint8_t *mac)
{
	static const uint8_t broadcast[MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (!(mac[0] & 1))
		return STORM_UNKNOWN;
	return memcmp(mac, broadcast, MAC_LEN) == 0 ? STORM_BROADCAST : STORM_MULTICAST;
}

bool
storm_admits(struct worker *w, const struct snapshot_port *in, unsigned i)
{
	static const enum drop drops[STORM_CLASSES] = {
		DROP_STORM_BROADCAST, DROP_STORM_MULTICAST, DROP_STORM_UNKNOWN};
	enum storm_class class = classify(w->burst.frames[i].data);

	/* The meter counts in units its caller chooses: here one frame is one unit. */
	if (!(in->storm & 1u << class) ||
		meter_take(&in->storm_meters[class], &in->storm_profiles[class], w->tsc, 1))
		return true;
	in->port->counters[w->id].drops[drops[class]]++;
	capture_refuse(w, i, 1, drops[class]);
	return false;
}
