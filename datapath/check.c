/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/check.h"

static check_run *const in_table[] = {
#define X(name, run) run,
	CHECK_IN_LIST(X)
#undef X
};

static check_run *const out_table[] = {
#define X(name, run) run,
	CHECK_OUT_LIST(X)
#undef X
};

uint64_t
checks_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	for (uint32_t bits = in->in_checks; bits && frames; bits &= bits - 1)
		frames = in_table[__builtin_ctz(bits)](w, in, frames);
	return frames;
}

uint64_t
checks_out(struct worker *w, const struct snapshot_port *out, uint32_t checks, uint64_t frames)
{
	for (uint32_t bits = checks; bits && frames; bits &= bits - 1)
		frames = out_table[__builtin_ctz(bits)](w, out, frames);
	return frames;
}
