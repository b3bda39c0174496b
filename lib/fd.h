/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fd: owned file descriptors.
 *
 * A variable that owns a descriptor holds -1 when it owns none; closing through fd_close() leaves
 * it that way, so that closing twice is harmless.  Any thread; errno is kept.
 */
#ifndef LIB_FD_H
#define LIB_FD_H

#include <stddef.h>

/* Closes *fd when it is one, and stores -1. */
void fd_close(int *fd);

/* fd_close() for each of an array. */
void fds_close(int *fds, size_t count);

/* Gives the descriptor away: returns *fd and stores -1. */
int fd_take(int *fd);

/* A duplicate with CLOEXEC, or negative errno. */
int fd_duplicate(int fd);

/* Sets O_NONBLOCK.  0 or negative errno. */
int fd_set_nonblocking(int fd);

#endif
