/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see vhost/dirty.h.  The log is compared with the memory it is for; marks beyond its
 * end are dropped by the workers besides.
 */
#include <errno.h>
#include <inttypes.h>

#include "vhost/backend_state.h"

/* Bytes of a log that covers all regions. */
static uint64_t
log_size_needed(const struct guest_memory *memory)
{
	const struct guest_region *last;

	if (!memory)
		return 1;
	last = &memory->regions[memory->count - 1];
	return (last->gpa + last->size - 1) / DIRTY_PAGE / 8 + 1;
}

/* The answer is a zero: the log is in use when the front end reads it. */
int
backend_set_log_base(struct backend *b, struct exchange *x, struct err *err)
{
	const struct vhost_log *l = &x->payload->log;
	uint64_t needed = log_size_needed(b->memory);
	struct dirty_log *log;
	int rc;

	if (l->mmap_size < needed)
		return err_set(err, -EINVAL,
			"a log of %" PRIu64 " bytes, the guest's memory needs %" PRIu64,
			l->mmap_size, needed);
	rc = dirty_log_create(&log, x->request->fds[0], l->mmap_offset, l->mmap_size, err);
	if (rc)
		return rc;
	backend_rings_stop(b, BACKEND_RINGS_ALL);
	backend_log_replace(b, log);
	return backend_rings_start(b, err);
}

/* A descriptor to signal when something was logged: no front end waits for it. */
int
backend_set_log_fd(struct backend *b, struct exchange *x, struct err *err)
{
	return 0;
}
