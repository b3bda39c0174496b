/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/events.h"
#include "control/mtu_check.h"

/* The longest packet that the port is sent; 0 = any. */
static unsigned
mtu_of(const struct live_port *p)
{
	unsigned mtu = p->settings.mtu;

	return p->port->mtu && (!mtu || p->port->mtu < mtu) ? p->port->mtu : mtu;
}

void
mtu_check(const struct live *live, const struct live_port *p)
{
	unsigned mtu = mtu_of(p);

	if (p->settings.bridge < 0 || !mtu)
		return;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct live_port *other = &live->ports[i];
		unsigned theirs = other->name[0] ? mtu_of(other) : 0;
		const struct live_port *less = theirs < mtu ? other : p,
				       *more = theirs < mtu ? p : other;
		struct event_subject subject = {.port = less->name, .vlan = -1};

		if (!theirs || theirs == mtu || other->settings.bridge != p->settings.bridge)
			continue;
		events_add(EVENT_MTU_DIFFERS, &subject,
			"port %s takes packets of %u bytes, port %s sends and takes %u: longer ones "
			"to %s are dropped; set one MTU on both and in the guests",
			less->name, mtu_of(less), more->name, mtu_of(more), less->name);
		return;
	}
}
