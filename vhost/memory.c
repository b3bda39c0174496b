/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: every number of a region and the file behind it are the front end's choice.  Sums
 * are checked for wrapping before they are used, regions must not overlap in either address space,
 * the file must be a regular one (tmpfs, memfd and hugetlbfs files are) that is long enough
 * at that moment, and the address space one port can claim is bounded.  A region is mapped only when
 * all of that holds for it, a table in which one region fails is unmapped as a whole before anybody
 * has seen it, and nothing in a mapping is touched here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/fd.h"
#include "vhost/memory.h"

/* Address space of one port; 47 bits hold 32 ports that claim all of it. */
#define MEMORY_MAX (UINT64_C(4) << 40)

struct guest_mapping {
	void *base;
	size_t size;
	int fd;         /* the file, for a process that takes over */
	unsigned users; /* tables that hold a region of it */
};

/* What is known about a region's file before it is mapped. */
struct backing {
	uint64_t page; /* granularity of mappings */
	bool sealed;
};

static bool
ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int
region_check(const struct vhost_memory_region *r, struct err *err)
{
	uint64_t end;

	if (!r->memory_size)
		return err_set(err, -EINVAL, "a memory region of size 0");
	if (__builtin_add_overflow(r->guest_phys_addr, r->memory_size, &end) ||
		__builtin_add_overflow(r->userspace_addr, r->memory_size, &end) ||
		__builtin_add_overflow(r->mmap_offset, r->memory_size, &end) || end > INT64_MAX)
		return err_set(err, -EINVAL,
			"the memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes wraps around",
			r->guest_phys_addr, r->memory_size);
	if (r->memory_size > MEMORY_MAX)
		return err_set(err, -EINVAL,
			"the memory region at 0x%" PRIx64 " has 0x%" PRIx64
			" bytes: at most 0x%" PRIx64 " can be mapped for a port",
			r->guest_phys_addr, r->memory_size, MEMORY_MAX);
	return 0;
}

/* A region against those that a table has already. */
static int
region_check_others(
	const struct guest_memory *memory, const struct vhost_memory_region *r, struct err *err)
{
	uint64_t total = r->memory_size;

	for (unsigned i = 0; i < memory->count; i++) {
		const struct guest_region *o = &memory->regions[i];

		if (ranges_overlap(r->guest_phys_addr, r->memory_size, o->gpa, o->size))
			return err_set(err, -EINVAL,
				"memory regions overlap at guest address 0x%" PRIx64,
				r->guest_phys_addr);
		if (ranges_overlap(r->userspace_addr, r->memory_size, o->uva, o->size))
			return err_set(err, -EINVAL,
				"memory regions overlap at user address 0x%" PRIx64,
				r->userspace_addr);
		total += o->size;
	}
	if (total > MEMORY_MAX)
		return err_set(err, -EINVAL,
			"guest memory of 0x%" PRIx64 " bytes: at most 0x%" PRIx64
			" can be mapped for a port",
			total, MEMORY_MAX);
	return 0;
}

/* Looks at the file behind a region without touching its contents. */
static int
backing_check(const struct vhost_memory_region *r, int fd, struct backing *backing, struct err *err)
{
	struct statfs fs;
	struct stat st;
	int seals;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return err_set(err, -EINVAL, "the file of a memory region: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			"a memory region must come from a memfd, a tmpfs or a hugetlbfs file");
	if ((uint64_t)st.st_size < r->mmap_offset + r->memory_size)
		return err_set(err, -EINVAL,
			"the memory region at 0x%" PRIx64 " needs a file of 0x%" PRIx64
			" bytes, it has 0x%" PRIx64,
			r->guest_phys_addr, r->mmap_offset + r->memory_size, (uint64_t)st.st_size);
	backing->page = (uint64_t)sysconf(_SC_PAGESIZE);
	if ((uint32_t)fs.f_type == HUGETLBFS_MAGIC && (uint64_t)fs.f_bsize > backing->page)
		backing->page = (uint64_t)fs.f_bsize;
	seals = fcntl(fd, F_GET_SEALS);
	backing->sealed = seals >= 0 && (seals & F_SEAL_SHRINK);
	return 0;
}

static int
mapping_create(struct guest_mapping **mapping, uint64_t offset, uint64_t size, int fd)
{
	struct guest_mapping *m = malloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->fd = fd_duplicate(fd);
	if (m->fd < 0) {
		int rc = m->fd;

		free(m);
		return rc;
	}
	m->size = (size_t)size;
	m->users = 1;
	m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		(off_t)offset);
	if (m->base == MAP_FAILED) {
		int rc = -errno;

		fd_close(&m->fd);
		free(m);
		return rc;
	}
	/* A core file of ours is no place for guests' memory. */
	madvise(m->base, m->size, MADV_DONTDUMP);
	*mapping = m;
	return 0;
}

static void
mapping_release(struct guest_mapping *m)
{
	if (--m->users)
		return;
	munmap(m->base, m->size);
	fd_close(&m->fd);
	free(m);
}

/* Maps a checked region and puts it in its place in the table, which has room. */
static int
region_insert(struct guest_memory *memory, const struct vhost_memory_region *r, int fd,
	const struct backing *backing, struct err *err)
{
	uint64_t start = r->mmap_offset & ~(backing->page - 1);
	uint64_t end = (r->mmap_offset + r->memory_size + backing->page - 1) & ~(backing->page - 1);
	struct guest_region region = {
		.gpa = r->guest_phys_addr,
		.size = r->memory_size,
		.uva = r->userspace_addr,
		.offset = r->mmap_offset,
		.sealed = backing->sealed,
		.times = 1,
	};
	unsigned at = memory->count;
	int rc = mapping_create(&region.mapping, start, end - start, fd);

	if (rc)
		return err_set(err, rc == -ENOMEM ? -ENOMEM : -EINVAL,
			"the memory region at 0x%" PRIx64 " of 0x%" PRIx64
			" bytes cannot be mapped: %s",
			r->guest_phys_addr, r->memory_size, strerror(-rc));
	region.host = (uint8_t *)region.mapping->base + (r->mmap_offset - start);
	while (at > 0 && memory->regions[at - 1].gpa > region.gpa) {
		memory->regions[at] = memory->regions[at - 1];
		at--;
	}
	memory->regions[at] = region;
	memory->count++;
	return 0;
}

static struct guest_memory *
memory_alloc(unsigned room)
{
	return calloc(1, sizeof(struct guest_memory) + room * sizeof(struct guest_region));
}

/* The checks that need no mapping, over all regions of a message. */
static int
regions_check(const struct vhost_memory_region *regions, const int *fds, unsigned count,
	struct backing *backings, struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		int rc = region_check(&regions[i], err);

		if (!rc)
			rc = backing_check(&regions[i], fds[i], &backings[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

int
guest_memory_create(struct guest_memory **memory, const struct vhost_memory_region *regions,
	const int *fds, unsigned count, struct err *err)
{
	struct backing backings[VHOST_REGIONS_MESSAGE];
	struct guest_memory *m;
	int rc;

	if (!count || count > VHOST_REGIONS_MESSAGE)
		return err_set(err, -EINVAL, "a memory table of %u regions: 1 to %d are possible",
			count, VHOST_REGIONS_MESSAGE);
	rc = regions_check(regions, fds, count, backings, err);
	if (rc)
		return rc;
	m = memory_alloc(count);
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < count && !rc; i++) {
		rc = region_check_others(m, &regions[i], err);
		if (!rc)
			rc = region_insert(m, &regions[i], fds[i], &backings[i], err);
	}
	if (rc) {
		guest_memory_release(m);
		return rc;
	}
	*memory = m;
	return 0;
}

/* Front ends leave mmap_offset at 0 when they remove: the addresses say which region is meant. */
static bool
region_is(const struct guest_region *r, const struct vhost_memory_region *named)
{
	return r->gpa == named->guest_phys_addr && r->size == named->memory_size &&
	       r->uva == named->userspace_addr;
}

/* A table with the regions of `old` and room for one more. */
static struct guest_memory *
memory_copy(const struct guest_memory *old)
{
	unsigned count = old ? old->count : 0;
	struct guest_memory *m = memory_alloc(count + 1);

	if (!m)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		m->regions[i] = old->regions[i];
		m->regions[i].mapping->users++;
	}
	m->count = count;
	return m;
}

int
guest_memory_add(struct guest_memory **memory, const struct guest_memory *old,
	const struct vhost_memory_region *region, int fd, struct err *err)
{
	unsigned count = old ? old->count : 0, same = 0;
	struct backing backing;
	struct guest_memory *m;
	int rc = regions_check(region, &fd, 1, &backing, err);

	while (same < count && !region_is(&old->regions[same], region))
		same++;
	if (!rc && same == count && count)
		rc = region_check_others(old, region, err);
	if (rc)
		return rc;
	if (same < count && old->regions[same].times >= VHOST_QUEUE_PAIRS_MAX)
		return err_set(err, -EINVAL,
			"the memory region at 0x%" PRIx64 " was added %u times",
			region->guest_phys_addr, old->regions[same].times);
	if (same == count && count >= VHOST_MEM_SLOTS)
		return err_set(err, -EINVAL, "more than %d memory regions", VHOST_MEM_SLOTS);
	m = memory_copy(old);
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	if (same < count) {
		m->regions[same].times++;
		*memory = m;
		return 0;
	}
	rc = region_insert(m, region, fd, &backing, err);
	if (rc) {
		guest_memory_release(m);
		return rc;
	}
	*memory = m;
	return 0;
}

int
guest_memory_remove(struct guest_memory **memory, const struct guest_memory *old,
	const struct vhost_memory_region *region, struct err *err)
{
	struct guest_memory *m = memory_copy(old);
	unsigned at = 0;

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	while (at < m->count && !region_is(&m->regions[at], region))
		at++;
	if (at == m->count) {
		guest_memory_release(m);
		return err_set(err, -EINVAL,
			"there is no memory region at 0x%" PRIx64 " of 0x%" PRIx64
			" bytes to remove",
			region->guest_phys_addr, region->memory_size);
	}
	if (!--m->regions[at].times) {
		mapping_release(m->regions[at].mapping);
		m->count--;
		memmove(&m->regions[at], &m->regions[at + 1],
			(m->count - at) * sizeof(m->regions[0]));
	}
	*memory = m;
	return 0;
}

int
guest_region_export(const struct guest_region *region, struct vhost_memory_region *description)
{
	*description = (struct vhost_memory_region){
		.guest_phys_addr = region->gpa,
		.memory_size = region->size,
		.userspace_addr = region->uva,
		.mmap_offset = region->offset,
	};
	return region->mapping->fd;
}

void
guest_memory_release(struct guest_memory *memory)
{
	if (!memory)
		return;
	for (unsigned i = 0; i < memory->count; i++)
		mapping_release(memory->regions[i].mapping);
	free(memory);
}

void *
guest_memory_from_user(const struct guest_memory *memory, uint64_t uva, uint64_t len)
{
	for (unsigned i = 0; memory && i < memory->count; i++) {
		const struct guest_region *r = &memory->regions[i];
		uint64_t offset = uva - r->uva;

		if (offset < r->size && len <= r->size - offset)
			return r->host + offset;
	}
	return NULL;
}

void *
guest_memory_from_guest(const struct guest_memory *memory, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; memory && i < memory->count; i++) {
		const struct guest_region *r = &memory->regions[i];
		uint64_t offset = gpa - r->gpa;

		if (offset < r->size && len <= r->size - offset)
			return r->host + offset;
	}
	return NULL;
}

bool
guest_memory_user_to_guest(const struct guest_memory *memory, uint64_t uva, uint64_t *gpa)
{
	for (unsigned i = 0; memory && i < memory->count; i++) {
		const struct guest_region *r = &memory->regions[i];

		if (uva - r->uva < r->size) {
			*gpa = r->gpa + (uva - r->uva);
			return true;
		}
	}
	return false;
}
