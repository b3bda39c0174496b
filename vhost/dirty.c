/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: size, offset and file are the front end's choice: the sum is checked for wrapping
 * and against the file before it is mapped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fd.h"
#include "vhost/dirty.h"

/* A bit per page of the largest guest we map leaves room to spare. */
#define LOG_MAX (UINT64_C(1) << 34)

int
dirty_log_create(struct dirty_log **log, int fd, uint64_t offset, uint64_t size, struct err *err)
{
	uint64_t delta = offset & ((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	struct dirty_log *l;
	struct stat st;
	uint64_t end;
	int rc;

	if (!size || size > LOG_MAX || __builtin_add_overflow(offset, size, &end) ||
		end > INT64_MAX)
		return err_set(err, -EINVAL, "a dirty log of %" PRIu64 " bytes at offset %" PRIu64,
			size, offset);
	if (fstat(fd, &st))
		return err_set(err, -EINVAL, "the file of the dirty log: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < end)
		return err_set(err, -EINVAL,
			"the dirty log must be a memfd or a tmpfs file of at least %" PRIu64
			" bytes",
			end);
	l = malloc(sizeof(*l));
	if (!l)
		return err_set(err, -ENOMEM, "out of memory");
	/* A mapping begins at a page: the bits begin delta bytes into it. */
	l->fd = fd_duplicate(fd);
	if (l->fd < 0) {
		rc = l->fd;
		free(l);
		return err_set(err, -EINVAL, "the file of the dirty log: %s", strerror(-rc));
	}
	l->map_size = (size_t)(size + delta);
	l->map = mmap(NULL, l->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		(off_t)(offset - delta));
	if (l->map == MAP_FAILED) {
		rc = -errno;
		fd_close(&l->fd);
		free(l);
		return err_set(err, rc == -ENOMEM ? -ENOMEM : -EINVAL,
			"the dirty log cannot be mapped: %s", strerror(-rc));
	}
	madvise(l->map, l->map_size, MADV_DONTDUMP);
	l->bits = (uint8_t *)l->map + delta;
	l->size = size;
	l->offset = offset;
	*log = l;
	return 0;
}

void
dirty_log_destroy(struct dirty_log *log)
{
	if (!log)
		return;
	munmap(log->map, log->map_size);
	fd_close(&log->fd);
	free(log);
}
