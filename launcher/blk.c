/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/blk.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/virtio.h"

#define CLASS_STORAGE 0x010000
#define SECTOR_SHIFT  9
#define RANGE_SECTORS (1u << 21) /* 1 GiB */
#define RING_ENTRIES  256
#define STACK_SIZE    (128 << 10)

/* ---- the file ---- */

/* Several may read, one may write; the lock goes with the open file. */
static int
lock_file(struct blk *blk, struct err *err)
{
	struct flock lock = {.l_type = blk->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(blk->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(
			err, -EBUSY, "%s: %s is in use by another machine", blk->name, blk->path);
	return err_set(err, -errno, "%s: locking %s: %s", blk->name, blk->path, strerror(errno));
}

static int
measure_file(struct blk *blk, struct err *err)
{
	uint64_t bytes = 0;
	struct stat st;
	int rc = fstat(blk->fd, &st) < 0 ? -errno : 0;

	if (!rc && S_ISBLK(st.st_mode))
		rc = ioctl(blk->fd, BLKGETSIZE64, &bytes) < 0 ? -errno : 0;
	else if (!rc && S_ISREG(st.st_mode))
		bytes = (uint64_t)st.st_size;
	else if (!rc)
		rc = -EINVAL;
	if (rc)
		return err_set(err, rc, "%s: %s: %s", blk->name, blk->path,
			rc == -EINVAL ? "neither a file nor a block device" : strerror(-rc));
	blk->sectors = bytes >> SECTOR_SHIFT;
	if (!blk->sectors)
		return err_set(err, -EINVAL, "%s: %s is empty: give it a size with truncate(1)",
			blk->name, blk->path);
	return 0;
}

static int
open_file(struct blk *blk, const struct vm_disk *disk, struct err *err)
{
	int flags = (disk->readonly ? O_RDONLY : O_RDWR) | (disk->direct ? O_DIRECT : 0);
	int rc;

	blk->fd = disk->fd >= 0 ? fd_duplicate(disk->fd) : open(disk->path, flags | O_CLOEXEC);
	if (blk->fd < 0) {
		rc = disk->fd >= 0 ? blk->fd : -errno;
		blk->fd = -1;
		return err_set(err, rc, "%s: %s: %s", blk->name, disk->path, strerror(-rc));
	}
	rc = measure_file(blk, err);
	return rc ? rc : lock_file(blk, err);
}

/* ---- requests ---- */

struct io_uring_sqe *
blk_submission(struct blk *blk)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&blk->ring);

	while (!sqe) {
		io_uring_submit(&blk->ring);
		sqe = io_uring_get_sqe(&blk->ring);
	}
	return sqe;
}

void
blk_request_end(struct blk_request *r, uint8_t status)
{
	*r->status = status;
	virtq_give(&r->queue->ring, r->id, r->count, r->written);
	r->queue->called_for = true;
	r->next = r->queue->idle;
	r->queue->idle = r;
	r->blk->busy--;
}

/* At most as many as there are requests: the rest is seen when one of them ends. */
static void
serve_queue(struct blk *blk, struct blk_queue *queue)
{
	struct virtq_chain chain;

	while (blk->running && queue->idle) {
		struct blk_request *r = queue->idle;
		int rc = virtq_take(&queue->ring, &chain);

		if (rc == 0 && virtq_arm(&queue->ring))
			continue;
		if (rc == 0)
			return;
		if (rc > 0) {
			queue->idle = r->next;
			blk->busy++;
			rc = blk_request_begin(r, &chain);
			if (rc) { /* never begun, never given back */
				r->next = queue->idle;
				queue->idle = r;
				blk->busy--;
			}
		}
		if (rc < 0) {
			virtq_stop(&queue->ring);
			pthread_mutex_lock(&blk->device.bus->lock);
			virtio_device_broken(&blk->device, "a queue is malformed");
			pthread_mutex_unlock(&blk->device.bus->lock);
			return;
		}
	}
}

/* ---- the thread ---- */

static void
await(struct blk *blk, int fd, void *data)
{
	struct io_uring_sqe *sqe = blk_submission(blk);

	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data(sqe, data);
}

static void
start_or_stop(struct blk *blk)
{
	bool start, stop;

	pthread_mutex_lock(&blk->lock);
	start = blk->start_due;
	stop = blk->stop_due || blk->quit;
	blk->start_due = false;
	pthread_mutex_unlock(&blk->lock);
	if (start && !stop) {
		for (unsigned i = 0; i < blk->queue_count; i++)
			virtq_start(&blk->queues[i].ring, &blk->device, i);
		blk->running = true;
	}
	if (!stop)
		return;
	blk->running = false;
	if (blk->busy)
		return; /* again when they have ended */
	for (unsigned i = 0; i < blk->queue_count; i++)
		virtq_stop(&blk->queues[i].ring);
	pthread_mutex_lock(&blk->lock);
	blk->stop_due = false;
	pthread_mutex_unlock(&blk->lock);
	virtio_device_stopped(&blk->device);
}

static void
take_completion(struct blk *blk, void *data, int result)
{
	struct virtio_device *device = &blk->device;
	eventfd_t count;

	if (data == &blk->wake) {
		eventfd_read(blk->wake, &count);
		start_or_stop(blk);
		await(blk, blk->wake, data);
		return;
	}
	for (unsigned i = 0; i < blk->queue_count; i++)
		if (data == &device->queues[i]) {
			eventfd_read(device->queues[i].kick, &count);
			await(blk, device->queues[i].kick, data);
			return;
		}
	blk_request_go_on(data, result);
}

static bool
quits(struct blk *blk)
{
	bool quit;

	pthread_mutex_lock(&blk->lock);
	quit = blk->quit && !blk->busy;
	pthread_mutex_unlock(&blk->lock);
	return quit;
}

static void
blk_main(void *arg)
{
	struct blk *blk = arg;
	struct io_uring_cqe *cqe;
	bool stopping;

	await(blk, blk->wake, &blk->wake);
	for (unsigned i = 0; i < blk->queue_count; i++)
		await(blk, blk->device.queues[i].kick, &blk->device.queues[i]);
	while (!quits(blk)) {
		int rc = io_uring_submit_and_wait(&blk->ring, 1);

		if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY) {
			log_error("%s: io_uring: %s", blk->name, strerror(-rc));
			break;
		}
		while (io_uring_peek_cqe(&blk->ring, &cqe) == 0) {
			void *data = io_uring_cqe_get_data(cqe);
			int result = cqe->res;

			io_uring_cqe_seen(&blk->ring, cqe);
			take_completion(blk, data, result);
		}
		pthread_mutex_lock(&blk->lock);
		stopping = blk->stop_due;
		pthread_mutex_unlock(&blk->lock);
		if (stopping)
			start_or_stop(blk);
		for (unsigned i = 0; i < blk->queue_count; i++) {
			struct blk_queue *queue = &blk->queues[i];

			serve_queue(blk, queue);
			if (queue->called_for)
				virtq_call(&queue->ring);
			queue->called_for = false;
		}
	}
}

/* ---- the device ---- */

static void
blk_start(void *owner)
{
	struct blk *blk = owner;

	pthread_mutex_lock(&blk->lock);
	blk->start_due = true;
	pthread_mutex_unlock(&blk->lock);
	eventfd_write(blk->wake, 1);
}

static bool
blk_stop(void *owner)
{
	struct blk *blk = owner;

	pthread_mutex_lock(&blk->lock);
	blk->stop_due = true;
	pthread_mutex_unlock(&blk->lock);
	eventfd_write(blk->wake, 1);
	return false;
}

static int
make_queues(struct blk *blk)
{
	blk->queues = calloc(blk->queue_count, sizeof(blk->queues[0]));
	if (!blk->queues)
		return -ENOMEM;
	for (unsigned i = 0; i < blk->queue_count; i++) {
		struct blk_queue *queue = &blk->queues[i];

		queue->requests = calloc(BLK_QUEUE_SIZE, sizeof(queue->requests[0]));
		if (!queue->requests)
			return -ENOMEM;
		for (unsigned n = BLK_QUEUE_SIZE; n--;) {
			queue->requests[n] = (struct blk_request){
				.blk = blk, .queue = queue, .next = queue->idle};
			queue->idle = &queue->requests[n];
		}
	}
	return 0;
}

static int
make_ring(struct blk *blk, struct err *err)
{
	int rc = make_queues(blk);

	if (!rc) {
		rc = io_uring_queue_init(RING_ENTRIES, &blk->ring, 0);
		blk->ringed = !rc;
	}
	if (rc)
		return err_set(err, rc, "%s: io_uring: %s", blk->name, strerror(-rc));
	blk->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return blk->wake < 0 ? err_set(err, -errno, "eventfd: %s", strerror(errno)) : 0;
}

static uint64_t
describe(struct blk *blk)
{
	blk->config = (struct virtio_blk_config){.capacity = blk->sectors,
		.seg_max = BLK_PARTS_MAX - 2,
		.blk_size = 1 << SECTOR_SHIFT,
		.num_queues = (uint16_t)blk->queue_count,
		.max_discard_sectors = RANGE_SECTORS,
		.max_discard_seg = 1,
		.discard_sector_alignment = 8,
		.max_write_zeroes_sectors = RANGE_SECTORS,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1};
	return VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |
	       VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_MQ) |
	       VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) |
	       (blk->readonly ? VIRTIO_BIT(VIRTIO_BLK_F_RO)
			      : VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) |
					VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES));
}

int
blk_init(struct blk *blk, const struct virtio_place *place, const struct vm_disk *disk,
	unsigned index, unsigned queues, struct err *err)
{
	static const struct virtio_ops ops = {.start = blk_start, .stop = blk_stop};
	struct virtio_identity identity = {.id = VIRTIO_ID_BLOCK,
		.class = CLASS_STORAGE,
		.name = blk->name,
		.queues = queues,
		.queue_size = BLK_QUEUE_SIZE,
		.config = &blk->config,
		.config_size = sizeof(blk->config),
		.ops = &ops,
		.owner = blk};
	int rc;

	*blk = (struct blk){.fd = -1,
		.wake = -1,
		.path = disk->path,
		.readonly = disk->readonly,
		.queue_count = queues,
		.device.config_call = -1};
	pthread_mutex_init(&blk->lock, NULL);
	snprintf(blk->name, sizeof(blk->name), "disk %u", index);
	memcpy(blk->serial, disk->serial, sizeof(blk->serial));
	rc = open_file(blk, disk, err);
	if (!rc)
		rc = make_ring(blk, err);
	if (rc)
		return rc;
	identity.features = describe(blk);
	return virtio_device_init(&blk->device, place, &identity, err);
}

int
blk_run(struct blk *blk, const struct sandbox *sandbox, struct err *err)
{
	int rc = sandbox_thread(sandbox, SANDBOX_DISK, &blk->thread, blk->name, blk_main, blk, err);

	blk->threaded = !rc;
	return rc;
}

void
blk_free(struct blk *blk)
{
	if (blk->threaded) {
		pthread_mutex_lock(&blk->lock);
		blk->quit = true;
		pthread_mutex_unlock(&blk->lock);
		eventfd_write(blk->wake, 1);
		pthread_join(blk->thread, NULL);
	}
	if (blk->ringed)
		io_uring_queue_exit(&blk->ring);
	for (unsigned i = 0; blk->queues && i < blk->queue_count; i++)
		free(blk->queues[i].requests);
	free(blk->queues);
	virtio_device_free(&blk->device);
	fd_close(&blk->wake);
	fd_close(&blk->fd);
}
