/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock_jump: a library to preload: the time of day that a program reads is off by as many seconds
 * as the first eight bytes of the file $CLOCK_JUMP say.  Other clocks are as they are.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void
clock_jump_start(void)
{
	const char *path = getenv("CLOCK_JUMP");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		offset = map;
}

static int64_t
jump(void)
{
	return offset ? *offset : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, now);

	if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += jump();
	return rc;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int rc = (int)syscall(SYS_gettimeofday, now, zone);

	if (rc == 0)
		now->tv_sec += jump();
	return rc;
}

time_t
time(time_t *now)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (now)
		*now = t.tv_sec;
	return t.tv_sec;
}
