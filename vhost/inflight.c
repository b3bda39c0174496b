/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: a front end may ask for any size and give back any file; sizes are computed in 64
 * bits from bounded factors and compared with the file.  The region is shared: what is read from it
 * is read once and checked against the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fd.h"
#include "vhost/inflight.h"

#define QUEUE_ALIGN 64

/* Where the descriptor states begin. */
#define SPLIT_HEAD  16
#define PACKED_HEAD 32

size_t
inflight_queue_bytes(unsigned queue_size, bool packed)
{
	size_t bytes = packed ? PACKED_HEAD + queue_size * sizeof(struct inflight_packed_state)
			      : SPLIT_HEAD + queue_size * sizeof(struct inflight_split_state);

	return (bytes + QUEUE_ALIGN - 1) & ~(size_t)(QUEUE_ALIGN - 1);
}

int
inflight_region_create(struct vhost_inflight *wish, bool packed, int *fd, struct err *err)
{
	uint64_t size = wish->num_queues * (uint64_t)inflight_queue_bytes(wish->queue_size, packed);
	int rc = 0;

	*fd = memfd_create("patchbay-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return err_set(err, -errno, "creating the inflight region: %s", strerror(errno));
	if (ftruncate(*fd, (off_t)size) ||
		fcntl(*fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
		rc = err_set(err, -errno, "creating the inflight region of %" PRIu64 " bytes: %s",
			size, strerror(errno));
		fd_close(fd);
		return rc;
	}
	wish->mmap_size = size;
	wish->mmap_offset = 0;
	return 0;
}

int
inflight_region_map(struct inflight_region *region, const struct vhost_inflight *given, bool packed,
	int fd, struct err *err)
{
	uint64_t needed =
		given->num_queues * (uint64_t)inflight_queue_bytes(given->queue_size, packed);
	uint64_t delta = given->mmap_offset & ((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	struct stat st;
	uint64_t end;
	void *map;
	int copy;

	if (given->mmap_offset % QUEUE_ALIGN || given->mmap_size < needed ||
		__builtin_add_overflow(given->mmap_offset, given->mmap_size, &end) ||
		end > INT64_MAX)
		return err_set(err, -EINVAL,
			"an inflight region of %" PRIu64 " bytes at offset %" PRIu64
			", %u queues of %u entries need %" PRIu64,
			given->mmap_size, given->mmap_offset, given->num_queues, given->queue_size,
			needed);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < end)
		return err_set(err, -EINVAL,
			"the inflight region must be a memfd or a tmpfs file of at least %" PRIu64
			" bytes",
			end);
	copy = fd_duplicate(fd);
	if (copy < 0)
		return err_set(
			err, -EINVAL, "the file of the inflight region: %s", strerror(-copy));
	/* Only what the queues need: the front end's size may be anything above it. */
	map = mmap(NULL, (size_t)(needed + delta), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		(off_t)(given->mmap_offset - delta));
	if (map == MAP_FAILED) {
		int rc = errno == ENOMEM ? -ENOMEM : -EINVAL;

		err_set(err, rc, "the inflight region cannot be mapped: %s", strerror(errno));
		fd_close(&copy);
		return rc;
	}
	region->fd = copy;
	region->given = *given;
	region->map = map;
	region->map_size = (size_t)(needed + delta);
	region->queues = (uint8_t *)map + delta;
	region->size = needed;
	region->num_queues = given->num_queues;
	region->queue_size = given->queue_size;
	return 0;
}

void
inflight_region_unmap(struct inflight_region *region)
{
	if (region->map) {
		munmap(region->map, region->map_size);
		fd_close(&region->fd);
	}
	memset(region, 0, sizeof(*region));
}

struct inflight_queue *
inflight_region_queue(
	const struct inflight_region *region, unsigned index, unsigned size, bool packed)
{
	/* The format of the rings may have changed since the region was mapped. */
	uint64_t bytes = inflight_queue_bytes(region->queue_size, packed);

	if (!region->map || index >= region->num_queues || size > region->queue_size ||
		(index + 1) * bytes > region->size)
		return NULL;
	return (struct inflight_queue *)(void *)(region->queues + index * bytes);
}

bool
inflight_position_recover(const struct inflight_queue *queue, const struct virtq_packed_desc *ring,
	uint16_t size, uint16_t *next, bool *wrap)
{
	uint64_t word = __atomic_load_n(
		(const uint64_t *)(const void *)((const uint8_t *)queue + INFLIGHT_POSITION_OFFSET),
		__ATOMIC_ACQUIRE);
	uint16_t used = (uint16_t)word, old = (uint16_t)(word >> 16);
	bool used_wrap = word >> 32 & 1, old_wrap = word >> 40 & 1;

	if (queue->version != INFLIGHT_VERSION || queue->desc_num != size || used >= size ||
		old >= size)
		return false;
	if (used != old || used_wrap != old_wrap) {
		uint16_t flags = __atomic_load_n(&ring[old].flags, __ATOMIC_ACQUIRE);
		uint16_t untouched = old_wrap ? VIRTQ_PACKED_F_AVAIL : VIRTQ_PACKED_F_USED;

		/* Still available: not marked.  Used, or by now available for the next lap: it was. */
		if ((flags & (VIRTQ_PACKED_F_AVAIL | VIRTQ_PACKED_F_USED)) == untouched) {
			used = old;
			used_wrap = old_wrap;
		}
	}
	*next = used;
	*wrap = used_wrap;
	return true;
}

void
inflight_position_start(
	struct inflight_queue *queue, uint64_t features, uint16_t size, uint16_t next, bool wrap)
{
	queue->features = features;
	queue->desc_num = size;
	inflight_position_commit(queue, next, wrap);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	queue->version = INFLIGHT_VERSION;
}

void
inflight_position_forget(struct inflight_queue *queue)
{
	queue->version = 0;
}
