/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file: whole files through a descriptor, interrupted calls and short counts seen to.
 *
 * Any thread.  Errors: negative errno.
 */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <stddef.h>

/* Writes all of it at the present position of a blocking descriptor; what write(2) says. */
int file_write(int fd, const void *bytes, size_t size);

/*
 * Reads a regular file from its beginning.  *text, for free(), ends with a NUL that *size does not
 * count.  -EISDIR, -EINVAL (not a regular file), -EFBIG (more than `most` bytes), -ENOMEM, or what
 * read(2) says; *text is NULL then.
 */
int file_read(int fd, size_t most, char **text, size_t *size);

#endif
