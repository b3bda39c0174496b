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

#include <stdbool.h>

#include "datapath/frame.h"

#define PULL_MAX  2048 /* bytes of one frame that can be made private */
#define PULL_ROOM 64   /* bytes in front of them, for the caller's use */

struct pull {
	struct {
		uint8_t room[PULL_ROOM];
		/* More than PULL_MAX, for a head that has grown by tags since a first pull. */
		uint8_t bytes[PULL_MAX + FRAME_HEADROOM];
	} frames[FRAME_BURST];
	uint8_t rest[FRAME_BURST_BYTES + FRAME_LEN_MAX]; /* see pull_rest() */
};

/*
 * Returns the first min(wanted, f->len, PULL_MAX) bytes or more of a frame of the burst, contiguous and
 * private, until the burst ends or the same frame is pulled again; NULL when the burst has no room for
 * another segment.
 */
const uint8_t *pull(struct pull *area, struct burst *burst, struct frame *f, unsigned wanted);

/*
 * Makes all of a frame private that lies behind its head: for a frame that is copied so often that
 * one more copy, which stays in the cache, is cheaper than to fetch the sender's memory each time.
 * *used: bytes of the area that frames of this burst have taken, at first 0.  A frame that
 * is private stays as it is, and so does one for which there is no room: there is for any burst.
 */
void pull_rest(struct pull *area, struct burst *burst, struct frame *f, uint32_t *used);

/*
 * Makes the first `wanted` bytes private, at most f->len, where they are; false when there is no room
 * for them.  *used as above.
 */
bool pull_private(
	struct pull *area, struct burst *burst, struct frame *f, unsigned wanted, uint32_t *used);

#endif
