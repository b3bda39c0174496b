/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fd_pass: bytes with descriptors over a Unix socket (SCM_RIGHTS of unix(7)), without waiting.
 */
#ifndef LIB_FD_PASS_H
#define LIB_FD_PASS_H

#include <stddef.h>
#include <sys/types.h>

#define FD_PASS_MAX 8 /* descriptors that go with one piece */

/* Returns how many bytes went; the descriptors went with the first of them.  Negative errno. */
ssize_t fd_pass_send(int socket, const void *bytes, size_t size, const int *fds, size_t count);

/*
 * Returns how many bytes came, 0 at the end.  Descriptors that came along are the caller's, with
 * CLOEXEC: they are appended to fds[*count..max), and those that find no place are closed.  Negative
 * errno; -EMSGSIZE when a packet was longer than `size`, or descriptors were lost on the way.
 */
ssize_t fd_pass_receive(int socket, void *bytes, size_t size, int *fds, size_t max, size_t *count);

#endif
