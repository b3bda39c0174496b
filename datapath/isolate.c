/* SPDX-License-Identifier: BSD-3-Clause */
/* The check of isolated ports: nothing goes from one to another, not even what is flooded. */
#include "datapath/check.h"

uint64_t
isolate_out(struct worker *w, const struct snapshot_port *out, uint64_t frames)
{
	/* A burst has one source: all of it goes on, or none. */
	if (!w->source->isolated)
		return frames;
	check_drop(w, out, frames, DROP_ISOLATED);
	return 0;
}
