/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost/driver_memory.h"

#define HUGEPAGE_SIZE (UINT64_C(2) << 20)
#define HUGEPAGE_2MB  (21u << 26) /* MFD_HUGE_2MB of linux/memfd.h */

static int
memory_open(
	struct driver_memory *memory, const struct driver_memory_options *options, struct err *err)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int rc;

	if (options->hugepages)
		flags |= MFD_HUGETLB | HUGEPAGE_2MB;
	memory->fd = memfd_create("guest-memory", flags);
	if (memory->fd < 0)
		return err_set(err, -errno, "memfd_create: %s", strerror(errno));
	if (ftruncate(memory->fd, (off_t)memory->size) < 0)
		return err_set(err, -errno, "guest memory of %llu bytes: %s",
			(unsigned long long)memory->size, strerror(errno));
	if (!options->unsealed &&
		fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, -errno, "sealing guest memory: %s", strerror(errno));
	memory->host = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (memory->host != MAP_FAILED)
		return 0;
	rc = -errno;
	memory->host = NULL;
	if (options->hugepages)
		return err_set(err, rc,
			"guest memory of %llu bytes in 2 MiB pages: %s: write the number of pages "
			"to /proc/sys/vm/nr_hugepages",
			(unsigned long long)memory->size, strerror(-rc));
	return err_set(err, rc, "guest memory of %llu bytes: %s", (unsigned long long)memory->size,
		strerror(-rc));
}

int
driver_memory_create(
	struct driver_memory **out, const struct driver_memory_options *options, struct err *err)
{
	unsigned count = options->regions ? options->regions : 1;
	uint64_t page = options->hugepages ? HUGEPAGE_SIZE : (uint64_t)sysconf(_SC_PAGESIZE);
	struct driver_memory *memory;
	int rc;

	if (!options->size || count > VHOST_MEM_SLOTS || options->gap % page)
		return err_set(err, -EINVAL, "guest memory of %llu bytes in %u regions",
			(unsigned long long)options->size, count);
	memory = calloc(1, sizeof(*memory) + count * sizeof(memory->regions[0]));
	if (!memory)
		return err_set(err, -ENOMEM, "out of memory");
	memory->fd = -1;
	memory->count = count;
	memory->gap = options->gap;
	memory->chunk = ((options->size + count - 1) / count + page - 1) / page * page;
	memory->size = memory->chunk * count;
	rc = memory_open(memory, options, err);
	if (rc) {
		driver_memory_destroy(memory);
		return rc;
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = i * memory->chunk;

		memory->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = driver_memory_gpa(memory, memory->host + offset),
			.memory_size = memory->chunk,
			.userspace_addr = (uintptr_t)memory->host + offset,
			.mmap_offset = offset};
	}
	*out = memory;
	return 0;
}

void
driver_memory_destroy(struct driver_memory *memory)
{
	if (!memory)
		return;
	if (memory->host)
		munmap(memory->host, memory->size);
	if (memory->fd >= 0)
		close(memory->fd);
	free(memory);
}

void *
driver_memory_alloc(struct driver_memory *memory, uint64_t size, uint64_t align, uint64_t *gpa)
{
	uint64_t at = (memory->used + align - 1) & ~(align - 1);

	if (memory->gap && size <= memory->chunk &&
		at / memory->chunk != (at + size - 1) / memory->chunk)
		at = (at / memory->chunk + 1) * memory->chunk;
	if (memory->gap && size > memory->chunk)
		return NULL;
	if (at > memory->size || size > memory->size - at)
		return NULL;
	memory->used = at + size;
	if (gpa)
		*gpa = driver_memory_gpa(memory, memory->host + at);
	return memory->host + at;
}
