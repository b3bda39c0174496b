/* SPDX-License-Identifier: BSD-3-Clause */
/* memory: tables of guest memory, good and bad. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/fd.h"
#include "tests/unit/leaks.h"
#include "vhost/memory.h"

#define MIB      (UINT64_C(1) << 20)
#define FILE_TAG "guest-memory-test"

static int
memfd(uint64_t size, unsigned seals)
{
	int fd = memfd_create(FILE_TAG, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct vhost_memory_region
region(uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset)
{
	return (struct vhost_memory_region){gpa, size, uva, offset};
}

static void
assert_refused(
	const struct vhost_memory_region *regions, const int *fds, unsigned count, const char *why)
{
	struct guest_memory *memory = NULL;
	struct err err = {0};

	assert_int_equal(guest_memory_create(&memory, regions, fds, count, &err), -EINVAL);
	assert_null(memory);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_int_equal(leaks_maps(FILE_TAG), 0);
}

static void
test_translate(void **state)
{
	int fds[2] = {memfd(2 * MIB, 0), memfd(MIB, F_SEAL_SHRINK)};
	/* Given out of order; the second from the middle of a page of its file. */
	struct vhost_memory_region r[2] = {
		region(16 * MIB, MIB, 0x7000000, MIB),
		region(0, MIB - 0x800, 0x1000000, 0x800),
	};
	struct guest_memory *m;
	uint64_t reach;
	struct err err;
	uint8_t *p;

	assert_int_equal(guest_memory_create(&m, r, fds, 2, &err), 0);
	assert_int_equal(m->count, 2);
	assert_int_equal(m->regions[0].gpa, 0);
	assert_true(m->regions[0].sealed);
	assert_false(m->regions[1].sealed);

	assert_int_equal(pwrite(fds[0], "patch", 5, MIB + 100), 5);
	assert_int_equal(pwrite(fds[1], "bay", 3, 0x800), 3);
	p = guest_memory_at(m, 16 * MIB + 100, &reach);
	assert_memory_equal(p, "patch", 5);
	assert_int_equal(reach, MIB - 100);
	p = guest_memory_at(m, 0, &reach);
	assert_memory_equal(p, "bay", 3);
	assert_null(guest_memory_at(m, MIB - 0x800, &reach));
	assert_null(guest_memory_at(m, UINT64_MAX, &reach));
	assert_non_null(guest_memory_at(m, 17 * MIB - 1, &reach));
	assert_int_equal(reach, 1);

	assert_ptr_equal(guest_memory_from_user(m, 0x7000064, 5),
		guest_memory_from_guest(m, 16 * MIB + 100, 5));
	assert_non_null(guest_memory_from_user(m, 0x7000000, MIB));
	assert_null(guest_memory_from_user(m, 0x7000000, MIB + 1));
	assert_null(guest_memory_from_user(m, 0x7000001, UINT64_MAX));
	assert_null(guest_memory_from_user(m, 0x6ffffff, 2));
	assert_null(guest_memory_from_guest(m, 17 * MIB - 1, 2));
	guest_memory_release(m);
	assert_int_equal(leaks_maps(FILE_TAG), 0);
	fds_close(fds, 2);
}

static void
test_bad_numbers(void **state)
{
	int fds[VHOST_REGIONS_MESSAGE + 1];
	struct vhost_memory_region r[VHOST_REGIONS_MESSAGE + 1];

	for (unsigned i = 0; i <= VHOST_REGIONS_MESSAGE; i++) {
		fds[i] = memfd(MIB, 0);
		r[i] = region(i * MIB, MIB, i * MIB, 0);
	}
	assert_refused(r, fds, 0, "0 regions");
	assert_refused(r, fds, VHOST_REGIONS_MESSAGE + 1, "9 regions");
	r[0] = region(0, 0, 0, 0);
	assert_refused(r, fds, 1, "size 0");
	r[0] = region(0, UINT64_C(1) << 63, 0, 0);
	assert_refused(r, fds, 1, "wraps");
	r[0] = region(UINT64_MAX - MIB + 2, MIB, 0, 0);
	assert_refused(r, fds, 1, "wraps");
	r[0] = region(0, MIB, UINT64_MAX - MIB + 2, 0);
	assert_refused(r, fds, 1, "wraps");
	r[0] = region(0, MIB, 0, UINT64_MAX - MIB + 2);
	assert_refused(r, fds, 1, "wraps");
	r[0] = region(0, MIB, 0, INT64_MAX - 1);
	assert_refused(r, fds, 1, "wraps");
	fds_close(fds, VHOST_REGIONS_MESSAGE + 1);
}

static void
test_overlap(void **state)
{
	int fds[2] = {memfd(MIB, 0), memfd(MIB, 0)};
	struct vhost_memory_region r[2] = {
		region(0, MIB, 0x1000000, 0), region(MIB - 1, MIB, 0x2000000, 0)};

	assert_refused(r, fds, 2, "overlap at guest address");
	r[1] = region(MIB, MIB, 0x1000000 - MIB + 1, 0);
	assert_refused(r, fds, 2, "overlap at user address");
	r[1] = region(0, MIB, 0x2000000, 0);
	assert_refused(r, fds, 2, "overlap at guest address");
	fds_close(fds, 2);
}

static void
test_file_too_short(void **state)
{
	int fd = memfd(MIB, 0);
	struct vhost_memory_region r = region(0, MIB + 1, 0, 0);

	assert_refused(&r, &fd, 1, "needs a file");
	r = region(0, MIB, 0, 1);
	assert_refused(&r, &fd, 1, "needs a file");
	fd_close(&fd);
}

static void
test_wrong_files(void **state)
{
	struct vhost_memory_region r = region(0, 4096, 0, 0);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int sealed = memfd(MIB, F_SEAL_WRITE);
	int good = memfd(MIB, 0), path, readonly, pipes[2];
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", good);
	path = open(name, O_PATH | O_CLOEXEC);
	readonly = open(name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_refused(&r, &zero, 1, "memfd");
	assert_refused(&r, &dir, 1, "memfd");
	assert_refused(&r, &pipes[0], 1, "memfd");
	assert_refused(&r, &path, 1, "cannot be mapped");
	assert_refused(&r, &readonly, 1, "cannot be mapped");
	assert_refused(&r, &sealed, 1, "cannot be mapped");
	fds_close(pipes, 2);
	fd_close(&zero);
	fd_close(&dir);
	fd_close(&sealed);
	fd_close(&path);
	fd_close(&readonly);
	fd_close(&good);
}

/* Sparse files cost a front end nothing: what one port may map is bounded. */
static void
test_budget(void **state)
{
	uint64_t big = UINT64_C(1) << 42;
	int fds[2] = {memfd(2 * big, 0), memfd(MIB, 0)};
	struct vhost_memory_region r[2] = {region(0, big + 1, 0, 0), region(0, MIB, 0, 0)};

	assert_refused(r, fds, 1, "at most");
	r[0] = region(0, big - MIB + 1, 0, 0);
	r[1] = region(2 * big, MIB, 2 * big, 0);
	assert_refused(r, fds, 2, "at most");
	fds_close(fds, 2);
}

/* When one of several cannot be mapped, none stays. */
static void
test_all_or_nothing(void **state)
{
	int fds[2] = {memfd(MIB, 0), memfd(MIB, F_SEAL_WRITE)};
	struct vhost_memory_region r[2] = {region(0, MIB, 0, 0), region(MIB, MIB, MIB, 0)};

	assert_refused(r, fds, 2, "cannot be mapped");
	fds_close(fds, 2);
}

static void
test_add_remove(void **state)
{
	struct guest_memory *a = NULL, *b = NULL, *c = NULL;
	struct vhost_memory_region first = region(MIB, MIB, MIB, 0);
	struct vhost_memory_region second = region(0, MIB, 0, MIB);
	int fd = memfd(2 * MIB, 0);
	struct err err;
	uint8_t *host;

	assert_int_equal(guest_memory_add(&a, NULL, &first, fd, &err), 0);
	host = guest_memory_from_guest(a, MIB, MIB);
	assert_int_equal(guest_memory_add(&b, a, &second, fd, &err), 0);
	assert_int_equal(b->count, 2);
	/* The mapping is shared by both tables and outlives the first. */
	assert_ptr_equal(guest_memory_from_guest(b, MIB, MIB), host);
	guest_memory_release(a);
	host[0] = 1;
	second.memory_size /= 2;
	assert_int_equal(guest_memory_add(&a, b, &second, fd, &err), -EINVAL);
	assert_non_null(strstr(err.text, "overlap"));
	second.memory_size *= 2;

	/* The same once more: counted, and there until it was removed as often. */
	assert_int_equal(guest_memory_add(&a, b, &second, fd, &err), 0);
	assert_int_equal(a->count, 2);
	guest_memory_release(b);
	second.mmap_offset = 0; /* as front ends send it */
	assert_int_equal(guest_memory_remove(&b, a, &second, &err), 0);
	assert_int_equal(b->count, 2);
	guest_memory_release(a);
	assert_int_equal(guest_memory_remove(&c, b, &second, &err), 0);
	guest_memory_release(b);
	assert_int_equal(c->count, 1);
	assert_int_equal(leaks_maps(FILE_TAG), 1);
	first.memory_size--;
	assert_int_equal(guest_memory_remove(&b, c, &first, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no memory region"));
	assert_int_equal(guest_memory_remove(&b, NULL, &first, &err), -EINVAL);
	host[MIB - 1] = 1;
	guest_memory_release(c);
	guest_memory_release(NULL);
	assert_int_equal(leaks_maps(FILE_TAG), 0);
	fd_close(&fd);
}

static void
test_slots(void **state)
{
	struct guest_memory *memory = NULL;
	int fd = memfd(4096, 0);
	struct err err;

	for (unsigned i = 0; i <= VHOST_MEM_SLOTS; i++) {
		struct vhost_memory_region r = region(i * 8192, 4096, i * 8192, 0);
		struct guest_memory *next = NULL;
		int rc = guest_memory_add(&next, memory, &r, fd, &err);

		assert_int_equal(rc, i < VHOST_MEM_SLOTS ? 0 : -EINVAL);
		if (rc)
			break;
		guest_memory_release(memory);
		memory = next;
	}
	assert_int_equal(memory->count, VHOST_MEM_SLOTS);
	guest_memory_release(memory);
	assert_int_equal(leaks_maps(FILE_TAG), 0);
	fd_close(&fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_file_too_short),
		cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_all_or_nothing),
		cmocka_unit_test(test_add_remove),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
