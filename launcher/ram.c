/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launcher/layout.h"
#include "launcher/ram.h"
#include "lib/fd.h"
#include "vhost/driver_memory.h"

#define PAGE          UINT64_C(4096)
#define HUGEPAGE_SIZE (UINT64_C(2) << 20)
#define HUGEPAGE_2MB  (21u << 26) /* MFD_HUGE_2MB of linux/memfd.h */

static int
ram_open(struct ram *ram, const struct ram_options *options, struct err *err)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	unsigned long long mib = ram->size >> 20;
	int populate = options->prefault ? MAP_POPULATE : 0;

	if (options->hugepages && ram->size % HUGEPAGE_SIZE)
		return err_set(err, -EINVAL,
			"memory of %llu MiB is not a multiple of 2 MiB, which "
			"hugepages need",
			mib);
	if (options->hugepages)
		flags |= MFD_HUGETLB | HUGEPAGE_2MB;
	ram->fd = memfd_create("guest-memory", flags);
	if (ram->fd < 0 || ftruncate(ram->fd, (off_t)ram->size) < 0 ||
		fcntl(ram->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, -errno, "guest memory of %llu MiB: %s", mib, strerror(errno));
	ram->host =
		mmap(NULL, ram->size, PROT_READ | PROT_WRITE, MAP_SHARED | populate, ram->fd, 0);
	if (ram->host == MAP_FAILED) {
		ram->host = NULL;
		return err_set(err, -errno, "guest memory of %llu MiB: %s%s", mib, strerror(errno),
			options->hugepages
				? ": write the number of 2 MiB pages to /proc/sys/vm/nr_hugepages"
				: "");
	}
	if (options->thp)
		madvise(ram->host, ram->size, MADV_HUGEPAGE);
	madvise(ram->host, ram->size, MADV_DONTDUMP);
	return 0;
}

static void
ram_describe(struct ram *ram)
{
	struct driver_memory *shared = ram->shared;

	shared->host = ram->host;
	shared->size = ram->size;
	shared->chunk = ram->size;
	shared->fd = ram->fd;
	shared->count = ram->size > ram->low ? 2 : 1;
	shared->regions[0] = (struct vhost_memory_region){
		.memory_size = ram->low, .userspace_addr = (uintptr_t)ram->host};
	if (shared->count == 2)
		shared->regions[1] =
			(struct vhost_memory_region){.guest_phys_addr = LAYOUT_RAM_HIGH,
				.memory_size = ram->size - ram->low,
				.userspace_addr = (uintptr_t)ram->host + ram->low,
				.mmap_offset = ram->low};
}

int
ram_create(struct ram *ram, const struct ram_options *options, struct err *err)
{
	int rc;

	*ram = (struct ram){.fd = -1, .size = options->size, .low = options->size};
	if (ram->low > LAYOUT_RAM_LOW_MAX)
		ram->low = LAYOUT_RAM_LOW_MAX;
	ram->shared = calloc(1, sizeof(*ram->shared) + 2 * sizeof(struct vhost_memory_region));
	if (!ram->shared)
		return err_set(err, -ENOMEM, "out of memory");
	rc = ram_open(ram, options, err);
	if (rc)
		ram_destroy(ram);
	else
		ram_describe(ram);
	return rc;
}

void
ram_destroy(struct ram *ram)
{
	if (ram->host)
		munmap(ram->host, ram->size);
	fd_close(&ram->fd);
	free(ram->shared);
	*ram = (struct ram){.fd = -1};
}

static int
punch(struct ram *ram, uint64_t offset, uint64_t length)
{
	if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		    (off_t)length) < 0)
		return -errno;
	return 0;
}

int
ram_clear(struct ram *ram)
{
	return punch(ram, 0, ram->size);
}

int
ram_release(struct ram *ram, uint64_t address, uint64_t length)
{
	uint8_t *host = ram_at(ram, address, length);

	return host ? punch(ram, (uint64_t)(host - ram->host), length) : -EINVAL;
}

int
ram_release_host(struct ram *ram, const void *host, uint64_t length)
{
	uint64_t offset = (uint64_t)((const uint8_t *)host - ram->host);
	uint64_t first = (offset + PAGE - 1) & ~(PAGE - 1), end = (offset + length) & ~(PAGE - 1);

	return end > first ? punch(ram, first, end - first) : 0;
}
