/* SPDX-License-Identifier: BSD-3-Clause */
/* file: whole files, and what is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/file.h"

static void
test_there_and_back(void **state)
{
	static char bytes[300000];
	int fd = memfd_create("file", MFD_CLOEXEC);
	char *text;
	size_t size;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	assert_int_equal(file_write(fd, bytes, sizeof(bytes)), 0);
	/* From the beginning, wherever the descriptor stands. */
	assert_int_equal(file_read(fd, sizeof(bytes), &text, &size), 0);
	assert_int_equal(size, sizeof(bytes));
	assert_memory_equal(text, bytes, size);
	assert_int_equal(text[size], '\0');
	free(text);
	assert_int_equal(file_read(fd, sizeof(bytes) - 1, &text, &size), -EFBIG);
	assert_null(text);
	close(fd);
}

static void
test_empty(void **state)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	char *text;
	size_t size;

	assert_int_equal(file_read(fd, 10, &text, &size), 0);
	assert_int_equal(size, 0);
	assert_string_equal(text, "");
	free(text);
	close(fd);
}

static void
test_no_file(void **state)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC), ends[2];
	char *text;
	size_t size;

	assert_int_equal(file_read(fd, 10, &text, &size), -EISDIR);
	assert_int_equal(file_write(fd, "x", 1), -EBADF);
	close(fd);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(file_read(ends[0], 10, &text, &size), -EINVAL);
	assert_null(text);
	close(ends[0]);
	close(ends[1]);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(file_write(fd, "x", 1), -ENOSPC);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
