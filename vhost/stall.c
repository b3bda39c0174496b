/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/stall.h"

enum stall_change
stall_note(struct stall *stall, const struct stall_sample *sample, uint64_t now)
{
	bool moved = !sample->reason || sample->done != stall->done;

	stall->done = sample->done;
	if (moved || !stall->reason) {
		bool was = stall->stalled;

		stall->stalled = false;
		stall->reason = sample->reason;
		stall->since_ns = now;
		return was ? STALL_ENDS : STALL_SAME;
	}
	stall->reason = sample->reason;
	if (stall->stalled || now - stall->since_ns < STALL_NS)
		return STALL_SAME;
	stall->stalled = true;
	return STALL_BEGINS;
}

const char *
stall_text(enum stall_reason reason)
{
	switch (reason) {
	case STALL_NONE:
		return "there is nothing to do";
	case STALL_NO_BUFFERS:
		return "the guest gives no buffers";
	case STALL_SMALL_BUFFERS:
		return "the guest's buffers are too small";
	case STALL_BROKEN:
		return "the ring is broken";
	case STALL_STOPPED:
		return "frames wait, and the front end has not started or enabled the ring";
	case STALL_NO_KICK:
		return "frames wait and the worker sleeps: the guest has not kicked";
	case STALL_WORKER:
		return "frames wait, and the worker is stuck or gets no CPU";
	case STALL_NOT_TAKEN:
		return "frames wait, and the worker does not take them";
	}
	return "unknown";
}
