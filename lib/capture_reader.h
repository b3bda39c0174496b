/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_reader: the reading end of a capture's rings (lib/capture_ring.h), all lanes as one row of
 * records in order of time.
 */
#ifndef LIB_CAPTURE_READER_H
#define LIB_CAPTURE_READER_H

#include <stddef.h>

#include "lib/capture_ring.h"
#include "lib/err.h"

struct capture_reader {
	const struct capture_area *area; /* NULL = closed */
	struct capture_progress *progress;
	size_t area_size;
	unsigned lanes;
	uint64_t lane_size;
	uint64_t tails[CAPTURE_LANES_MAX], heads[CAPTURE_LANES_MAX];
	uint8_t bytes[CAPTURE_BYTES_MAX];
};

/* Maps both files; the descriptors stay the caller's.  -EPROTO when they are not what they should be. */
int capture_reader_open(struct capture_reader *reader, int records, int progress, struct err *err);
/* Idempotent. */
void capture_reader_close(struct capture_reader *reader);

/*
 * Takes the oldest record with a time of at most `until`: 1, 0 when there is none, -EPROTO when what
 * stands there is none.  The bytes are in reader->bytes until the next call.  A lane that is written
 * later than another may still get an older record: `until` should lie a little in the past.
 */
int capture_reader_next(
	struct capture_reader *reader, uint64_t until, struct capture_record *record);

/* Records that were lost so far. */
uint64_t capture_reader_lost(const struct capture_reader *reader);
enum capture_over capture_reader_over(const struct capture_reader *reader);

#endif
