/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"

int
file_write(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* It may have become shorter since its size was asked for. */
static int
read_up_to(int fd, size_t most, char *text, size_t *size)
{
	*size = 0;
	while (*size < most) {
		ssize_t n = pread(fd, text + *size, most - *size, (off_t)*size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			*size += (size_t)n;
	}
	text[*size] = '\0';
	return 0;
}

int
file_read(int fd, size_t most, char **text, size_t *size)
{
	struct stat st;
	int rc;

	*text = NULL;
	*size = 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if ((uint64_t)st.st_size > most)
		return -EFBIG;
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	rc = read_up_to(fd, (size_t)st.st_size, *text, size);
	if (rc < 0) {
		free(*text);
		*text = NULL;
	}
	return rc;
}
