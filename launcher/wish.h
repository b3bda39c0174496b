/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wish: what a guest, or a processor of it, asks of the whole machine; carried to the main thread.
 *
 * Threads: wish_raise() any; the rest the main thread.
 */
#ifndef LAUNCHER_WISH_H
#define LAUNCHER_WISH_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	WISH_SHUTDOWN = 1 << 0,
	WISH_RESET = 1 << 1,
	WISH_CRASH = 1 << 2,
	WISH_TELL = 1 << 3, /* the machine's state is worth telling */
};

struct wish {
	atomic_uint bits;
	int fd; /* readable when there are wishes; -1 = closed */
};

static inline int
wish_open(struct wish *wish)
{
	atomic_init(&wish->bits, 0);
	wish->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wish->fd < 0 ? -errno : 0;
}

static inline void
wish_raise(struct wish *wish, unsigned bit)
{
	const uint64_t one = 1;
	ssize_t n;

	atomic_fetch_or(&wish->bits, bit);
	n = write(wish->fd, &one, sizeof(one));
	(void)n; /* a counter at its limit is readable as well */
}

static inline unsigned
wish_take(struct wish *wish)
{
	uint64_t count;
	ssize_t n = read(wish->fd, &count, sizeof(count));

	(void)n;
	return atomic_exchange(&wish->bits, 0);
}

#endif
