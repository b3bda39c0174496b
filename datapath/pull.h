/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pull: more of a frame's beginning made private than its head holds, for whoever decides from deep
 * inside a frame.
 *
 * The bytes are read from the sender once: the frame's segments are changed so that its receivers
 * get the private copy, too.  data and head_len stay as they are.
 *
 * Threads: worker.
 */
#ifndef DATAPATH_PULL_H
#define DATAPATH_PULL_H

#include "datapath/frame.h"

#define PULL_MAX  2048 /* bytes of one frame that can be made private */
#define PULL_ROOM 64   /* bytes in front of them, for the caller's use */

struct pull {
	struct {
		uint8_t room[PULL_ROOM];
		/* More than PULL_MAX, for a head that has grown by tags since a first pull. */
		uint8_t bytes[PULL_MAX + FRAME_HEADROOM];
	} frames[FRAME_BURST];
};

/*
 * Returns the first min(wanted, f->len, PULL_MAX) bytes or more of a frame of the burst, contiguous and
 * private, until the burst ends or the same frame is pulled again; NULL when the burst has no room for
 * another segment.
 */
const uint8_t *pull(struct pull *area, struct burst *burst, struct frame *f, unsigned wanted);

#endif
