/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check of ports whose addresses are learnt from DHCP: the control thread gets a copy of what
 * servers answer them (control/lease.h).  All of it passes; who may answer is for the guards of other
 * ports to say.
 */
#include "datapath/check.h"
#include "datapath/inspect.h"
#include "datapath/punt.h"

uint64_t
lease_out(struct worker *w, const struct snapshot_port *out, uint64_t frames)
{
	for (uint64_t left = frames; left;) {
		struct frame *f = &w->burst.frames[check_next(&left)];
		struct inspect found;
		enum inspect_kind kind = inspect(w, f, &found);

		if (__builtin_expect(inspect_is_dhcp_answer(kind, &found), 0))
			punt(w, PUNT_DHCP, out, f, f->len);
	}
	return frames;
}
