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

/* Images that are no raw ones: a guest would see their headers, and write over them. */
static int
check_format(const struct disk_settings *disk, int fd, struct err *err)
{
	static const struct {
		const char *name, *magic;
	} formats[] = {{"qcow2", "QFI\xfb"}, {"VMDK", "KDMV"}, {"VHDX", "vhdxfile"}};
	char head[8] = {0};

	if (pread(fd, head, sizeof(head), 0) < 0)
		return err_set(err, -errno, "the disk %.300s: %s", disk->file, strerror(errno));
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strncmp(head, formats[i].magic, strlen(formats[i].magic)) == 0)
			return err_set(err, -EINVAL,
				"the disk %.300s is a %s image, and disks are raw: make one with "
				"`qemu-img convert -O raw %.300s DISK.raw`",
				disk->file, formats[i].name, disk->file);
	return 0;
}

/* By another program: flock(2), or fcntl(2) as QEMU and our monitor do. */
static bool
is_locked(const struct disk_settings *disk, int fd)
{
	struct flock lock = {.l_type = disk->ro ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	return flock(fd, (disk->ro ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0 ||
	       (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK);
}

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
	return check_format(disk, fd, err);
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
		if (r == 0 && is_locked(disk, fd))
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
