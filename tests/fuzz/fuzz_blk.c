/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest that asks a disk for anything in any form, and a host that answers in any way.  Whatever
 * comes of it, what io_uring is asked lies within the disk and the guest's memory, a read-only disk
 * is not written, and each request ends once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/blk.h"
#include "lib/log.h"
#include "vhost/virtio.h"

#define MEMORY  (256u << 10)
#define SIZE    64
#define DESC    0x1000
#define AVAIL   0x2000
#define USED    0x3000
#define SECTORS 64
#define ANSWERS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct ram ram;
	struct blk blk;
	struct blk_queue queue;
	struct io_uring_sqe asked[SIZE]; /* what is under way */
	unsigned asked_count, begun, ended;
} t;

/* ---- what blk.c gives ---- */

struct io_uring_sqe *
blk_submission(struct blk *blk)
{
	if (t.asked_count == SIZE)
		abort(); /* more than there are requests */
	return memset(&t.asked[t.asked_count++], 0, sizeof(t.asked[0]));
}

void
blk_request_end(struct blk_request *r, uint8_t status)
{
	*r->status = status;
	virtq_give(&r->queue->ring, r->id, r->count, r->written);
	r->next = r->queue->idle;
	r->queue->idle = r;
	t.ended++;
}

/* ---- the guest and the host ---- */

static void
check_asked(const struct io_uring_sqe *sqe)
{
	const struct iovec *iov = (const struct iovec *)(uintptr_t)sqe->addr;
	uint64_t bytes = 0, most = (uint64_t)SECTORS << 9;

	switch (sqe->opcode) {
	case IORING_OP_READV:
	case IORING_OP_WRITEV:
		for (unsigned i = 0; i < sqe->len; i++) {
			uint64_t at = (uint64_t)((uint8_t *)iov[i].iov_base - t.ram.host);

			if (at >= MEMORY || iov[i].iov_len > MEMORY - at)
				abort();
			bytes += iov[i].iov_len;
		}
		break;
	case IORING_OP_FALLOCATE:
		bytes = sqe->addr;
		break;
	case IORING_OP_FSYNC:
		return;
	default:
		abort();
	}
	if (sqe->off > most || bytes > most - sqe->off)
		abort();
	if (t.blk.readonly && sqe->opcode != IORING_OP_READV)
		abort();
}

static void
begin(void)
{
	const struct ram_options options = {.size = MEMORY};

	log_start("fuzz", LOG_LEVEL_ERROR);
	t.queue.requests = calloc(SIZE, sizeof(t.queue.requests[0]));
	if (ram_create(&t.ram, &options, NULL) || !t.queue.requests)
		abort();
	memset(t.blk.serial, 's', sizeof(t.blk.serial));
	t.blk.path = "disk";
	t.blk.sectors = SECTORS;
	t.blk.complained = true;
}

static void
set_up(uint8_t options)
{
	t.blk.readonly = options & 1;
	t.queue.ring = (struct virtq){.ram = &t.ram,
		.desc = t.ram.host + DESC,
		.driver = t.ram.host + AVAIL,
		.device = t.ram.host + USED,
		.size = SIZE,
		.call = -1,
		.event_idx = options & 2,
		.running = true};
	t.queue.idle = NULL;
	for (unsigned n = 0; n < SIZE; n++) {
		t.queue.requests[n] = (struct blk_request){
			.blk = &t.blk, .queue = &t.queue, .next = t.queue.idle};
		t.queue.idle = &t.queue.requests[n];
	}
	t.asked_count = t.begun = t.ended = 0;
}

static void
serve(void)
{
	struct virtq_chain chain;

	while (t.queue.idle && virtq_take(&t.queue.ring, &chain) > 0) {
		struct blk_request *r = t.queue.idle;

		t.queue.idle = r->next;
		t.begun++;
		if (blk_request_begin(r, &chain)) {
			t.begun--;
			r->next = t.queue.idle;
			t.queue.idle = r;
			return; /* not served any more */
		}
	}
}

/* The answer to what was asked last; with `all`, it is done. */
static void
answer(uint8_t how, bool all)
{
	static const int errors[] = {-EIO, -EINTR, -EAGAIN, -ENOTSUP, -ENOSPC, 0};
	struct io_uring_sqe sqe = t.asked[--t.asked_count];
	struct blk_request *r = (struct blk_request *)(uintptr_t)sqe.user_data;
	int result = r->left > INT32_MAX ? INT32_MAX : (int)r->left;

	check_asked(&sqe);
	if (!all)
		result = how < 6 ? errors[how] : result * (how % 8 + 1) / 8;
	blk_request_go_on(r, result);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t rings = SIZE * sizeof(struct virtq_desc) + 2 * SIZE + 4, n = 0;
	uint8_t *driver;

	if (!t.ram.host)
		begin();
	if (size < 1)
		return 0;
	set_up(data[0]);
	memset(t.ram.host, 0, MEMORY);
	driver = t.ram.host + DESC;
	data++;
	size--;
	n = size < rings ? size : rings;
	/* Descriptors and the available ring stand in a row in the input. */
	memcpy(driver, data, n < 16 * SIZE ? n : 16 * SIZE);
	if (n > 16 * SIZE)
		memcpy(t.ram.host + AVAIL, data + 16 * SIZE, n - 16 * SIZE);
	data += n;
	size -= n;
	/* What is left is both the guest's data and the host's answers. */
	memcpy(t.ram.host + 0x4000, data, size < MEMORY - 0x4000 ? size : MEMORY - 0x4000);
	serve();
	for (size_t i = 0; i < ANSWERS && t.asked_count; i++)
		answer(i < size ? data[i] : 255, i >= size);
	while (t.asked_count)
		answer(255, true);
	if (t.begun != t.ended)
		abort();
	return 0;
}
