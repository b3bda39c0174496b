/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks are locked (flock) as long as the supervisor lives: shared by those that only read, else by
 * one.  The monitor opens them on its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/supervisor_state.h"
#include "lib/fd.h"

#define SECTOR 512

static int
check_disk(const struct disk_settings *disk, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "the disk %.300s: %s", disk->file, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL,
			"the disk %.300s is neither a regular file nor a block device", disk->file);
	if (S_ISREG(st.st_mode) && (st.st_size == 0 || st.st_size % SECTOR))
		return err_set(err, -EINVAL,
			"the disk %.300s has %lld bytes: a raw image has a multiple of %d",
			disk->file, (long long)st.st_size, SECTOR);
	return 0;
}

int
disks_lock(struct supervisor *s, struct err *err)
{
	for (unsigned i = 0; i < s->def.disk_count; i++) {
		const struct disk_settings *disk = &s->def.disks[i];
		int fd = open(disk->file, (disk->ro ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
		int r;

		if (fd < 0)
			return err_set(err, -errno, "cannot open the disk %.300s%s: %s", disk->file,
				disk->ro ? "" : " for writing", strerror(errno));
		r = check_disk(disk, fd, err);
		if (r == 0 && flock(fd, (disk->ro ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
			r = err_set(err, -EBUSY, "the disk %.300s is locked by another program",
				disk->file);
		if (r) {
			fd_close(&fd);
			return r;
		}
		s->disks[i] = fd;
	}
	return 0;
}
