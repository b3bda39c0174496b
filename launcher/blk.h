/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk: a disk of a guest on a raw file or a block device (virtio 1.2, 5.2), by io_uring(7), with a
 * thread of its own.
 *
 * A write is done when the host has it; a flush that follows puts it on the medium. Discard and
 * write-zeroes make holes where the file can have them. The file is locked against a second machine.
 *
 * Threads: blk_init() and blk_free() the main thread; the rest is inside.
 */
#ifndef LAUNCHER_BLK_H
#define LAUNCHER_BLK_H

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <pthread.h>

#include "launcher/sandbox.h"
#include "launcher/virtq.h"
#include "launcher/vm_config.h"

#define BLK_QUEUE_SIZE 128
#define BLK_PARTS_MAX  128

struct blk_request;

struct blk_queue {
	struct virtq ring;
	struct blk_request *requests; /* one for each entry of the ring */
	struct blk_request *idle;
	bool called_for; /* something was given back in this turn */
};

struct blk {
	struct virtio_device device;
	struct virtio_blk_config config;
	char name[16], serial[VIRTIO_BLK_ID_BYTES];
	const char *path;
	int fd, wake;
	bool readonly, threaded, ringed;
	uint64_t sectors;
	unsigned queue_count;
	struct blk_queue *queues;
	struct io_uring ring;
	pthread_t thread;
	unsigned busy; /* requests under way */
	bool running, complained;
	/* Guarded by lock. */
	pthread_mutex_t lock;
	bool start_due, stop_due, quit;
};

/* Opens, measures and locks the file.  -ENOENT, -EACCES, -EBUSY (locked)..., with a text. */
int blk_init(struct blk *blk, const struct virtio_place *place, const struct vm_disk *disk,
	unsigned index, unsigned queues, struct err *err);
/* Starts the thread. */
int blk_run(struct blk *blk, const struct sandbox *sandbox, struct err *err);
/* Waits for what is under way. */
void blk_free(struct blk *blk);

/* blk_request.c: what the thread does with a request. */
struct blk_request {
	struct blk *blk;
	struct blk_queue *queue;
	struct blk_request *next;
	uint16_t id, count;
	uint8_t *status;
	uint32_t type, written;
	unsigned parts, first;
	uint64_t offset, left;
	bool punched;
	struct iovec iov[BLK_PARTS_MAX];
};

/* Begins a request, or ends it at once.  -EPROTO: the chain is not one. */
int blk_request_begin(struct blk_request *request, const struct virtq_chain *chain);
/* What io_uring said about it; may submit more of it. */
void blk_request_go_on(struct blk_request *request, int result);
/* blk.c: gives it back with this status. */
void blk_request_end(struct blk_request *request, uint8_t status);
/* blk.c: a place in io_uring's queue. */
struct io_uring_sqe *blk_submission(struct blk *blk);

#endif
