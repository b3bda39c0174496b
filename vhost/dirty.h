/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty: the bitmap of guest pages written by us, for live migration (vhost-user specification,
 * "Migration"): one bit per 4,096-byte page, set after the page was written.  (The other way round the
 * front end could fetch the bit and copy the page before the write.)
 */
#ifndef VHOST_DIRTY_H
#define VHOST_DIRTY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DIRTY_PAGE 4096

struct dirty_log {
	uint8_t *bits; /* shared with the front end */
	uint64_t size; /* bytes at bits; writes beyond are ignored */
	void *map;
	size_t map_size;
	uint64_t offset; /* of bits in the file */
	int fd;          /* the file, for a process that takes over */
};

/*
 * control thread: maps the log that a front end shares: `size` bytes at `offset` of the file, which
 * stays the caller's.  -EINVAL with a text (size, wrap, file too short), -ENOMEM.
 */
int dirty_log_create(
	struct dirty_log **log, int fd, uint64_t offset, uint64_t size, struct err *err);
/* control thread: no ring uses it any more.  NULL is fine. */
void dirty_log_destroy(struct dirty_log *log);

/*
 * worker: marks [gpa, gpa + len), which was written.  The atomic operation also orders: the writes
 * before it can be seen by whoever takes the bit; a look whether it is set already would not do.
 */
static inline void
dirty_log_mark(const struct dirty_log *log, uint64_t gpa, uint64_t len)
{
	if (!len)
		return;
	for (uint64_t page = gpa / DIRTY_PAGE; page <= (gpa + len - 1) / DIRTY_PAGE; page++) {
		uint64_t byte = page / 8;
		uint8_t bit = (uint8_t)(1u << (page & 7));

		if (byte >= log->size)
			return;
		__atomic_fetch_or(&log->bits[byte], bit, __ATOMIC_SEQ_CST);
	}
}

#endif
