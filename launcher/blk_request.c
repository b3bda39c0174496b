/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: header, lengths and sectors are the guest's.  The header is copied once; data lies in
 * the guest's memory by the chain's own check; sectors are compared with the disk's size.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

#include "launcher/blk.h"
#include "lib/log.h"

#define SECTOR_SHIFT 9
#define SECTOR       512

/* The parts [from, from + length) of the chain's [first..end) as the request's. */
static int
collect(struct blk_request *r, const struct virtq_chain *chain, unsigned first, unsigned end,
	uint64_t skip, uint64_t length)
{
	r->parts = r->first = 0;
	r->left = length;
	for (unsigned i = first; i < end && length; i++) {
		struct iovec part = chain->iov[i];

		if (skip >= part.iov_len) {
			skip -= part.iov_len;
			continue;
		}
		part.iov_base = (uint8_t *)part.iov_base + skip;
		part.iov_len -= skip;
		skip = 0;
		if (part.iov_len > length)
			part.iov_len = length;
		length -= part.iov_len;
		if (r->parts == BLK_PARTS_MAX)
			return -EPROTO;
		r->iov[r->parts++] = part;
	}
	return 0;
}

static bool
is_within(const struct blk *blk, uint64_t sector, uint64_t bytes)
{
	return bytes % SECTOR == 0 && sector <= blk->sectors &&
	       bytes >> SECTOR_SHIFT <= blk->sectors - sector;
}

static void
submit(struct blk_request *r)
{
	struct io_uring_sqe *sqe = blk_submission(r->blk);
	int fd = r->blk->fd;

	switch (r->type) {
	case VIRTIO_BLK_T_IN:
		io_uring_prep_readv(sqe, fd, r->iov + r->first, r->parts - r->first, r->offset);
		break;
	case VIRTIO_BLK_T_OUT:
		io_uring_prep_writev(sqe, fd, r->iov + r->first, r->parts - r->first, r->offset);
		break;
	case VIRTIO_BLK_T_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(sqe, fd,
			FALLOC_FL_KEEP_SIZE |
				(r->punched ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
			(off_t)r->offset, (off_t)r->left);
		break;
	}
	io_uring_sqe_set_data(sqe, r);
}

static void
begin_transfer(struct blk_request *r, uint64_t sector)
{
	if (!is_within(r->blk, sector, r->left)) {
		blk_request_end(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!r->left) {
		blk_request_end(r, VIRTIO_BLK_S_OK);
		return;
	}
	r->offset = sector << SECTOR_SHIFT;
	submit(r);
}

/* One range; more are not offered. */
static void
begin_range(struct blk_request *r, const struct virtq_chain *chain)
{
	struct virtio_blk_discard_write_zeroes range;
	size_t header = sizeof(struct virtio_blk_outhdr);
	uint64_t bytes;

	if (virtq_bytes(chain, 0, chain->readable) != header + sizeof(range) ||
		virtq_read(chain, header, &range, sizeof(range)) != sizeof(range)) {
		blk_request_end(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	bytes = (uint64_t)range.num_sectors << SECTOR_SHIFT;
	r->punched = r->type == VIRTIO_BLK_T_DISCARD ||
		     (range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	if (range.flags &
		~(r->type == VIRTIO_BLK_T_DISCARD ? 0u : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
		blk_request_end(r, VIRTIO_BLK_S_UNSUPP);
	else if (!is_within(r->blk, range.sector, bytes))
		blk_request_end(r, VIRTIO_BLK_S_IOERR);
	else {
		r->left = bytes;
		begin_transfer(r, range.sector);
	}
}

static void
begin_identify(struct blk_request *r, const struct virtq_chain *chain)
{
	uint64_t room = virtq_bytes(chain, chain->readable, chain->parts) - 1;
	size_t n = room < sizeof(r->blk->serial) ? room : sizeof(r->blk->serial);

	r->written += (uint32_t)virtq_write(chain, r->blk->serial, n);
	blk_request_end(r, VIRTIO_BLK_S_OK);
}

int
blk_request_begin(struct blk_request *r, const struct virtq_chain *chain)
{
	uint64_t in = virtq_bytes(chain, chain->readable, chain->parts);
	uint64_t out = virtq_bytes(chain, 0, chain->readable);
	struct virtio_blk_outhdr header;
	int rc = 0;

	if (!in || virtq_read(chain, 0, &header, sizeof(header)) != sizeof(header) ||
		in > UINT32_MAX || out > UINT32_MAX)
		return -EPROTO;
	r->id = chain->id;
	r->count = chain->count;
	r->status = (uint8_t *)chain->iov[chain->parts - 1].iov_base +
		    chain->iov[chain->parts - 1].iov_len - 1;
	r->type = header.type;
	r->written = 1;
	r->left = 0;
	r->parts = r->first = 0;
	if (header.type == VIRTIO_BLK_T_IN) {
		rc = collect(r, chain, chain->readable, chain->parts, 0, in - 1);
		r->written = (uint32_t)in;
	} else if (header.type == VIRTIO_BLK_T_OUT) {
		rc = collect(r, chain, 0, chain->readable, sizeof(header), out - sizeof(header));
	}
	if (rc)
		return rc;
	if (r->blk->readonly && header.type != VIRTIO_BLK_T_IN &&
		header.type != VIRTIO_BLK_T_GET_ID && header.type != VIRTIO_BLK_T_FLUSH)
		blk_request_end(r, VIRTIO_BLK_S_IOERR);
	else if (header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_OUT)
		begin_transfer(r, header.sector);
	else if (header.type == VIRTIO_BLK_T_FLUSH)
		submit(r);
	else if (header.type == VIRTIO_BLK_T_DISCARD || header.type == VIRTIO_BLK_T_WRITE_ZEROES)
		begin_range(r, chain);
	else if (header.type == VIRTIO_BLK_T_GET_ID)
		begin_identify(r, chain);
	else
		blk_request_end(r, VIRTIO_BLK_S_UNSUPP);
	return 0;
}

static void
fail(struct blk_request *r, int error)
{
	if (!r->blk->complained)
		log_error("%s: %s: %s: the guest is told", r->blk->name, r->blk->path,
			error ? strerror(error) : "it has become shorter");
	r->blk->complained = true;
	blk_request_end(r, VIRTIO_BLK_S_IOERR);
}

/* Leaves out what was transferred. */
static void
advance(struct blk_request *r, uint64_t bytes)
{
	r->offset += bytes;
	r->left -= bytes;
	while (bytes) {
		struct iovec *part = &r->iov[r->first];
		uint64_t n = bytes < part->iov_len ? bytes : part->iov_len;

		part->iov_base = (uint8_t *)part->iov_base + n;
		part->iov_len -= n;
		bytes -= n;
		if (!part->iov_len)
			r->first++;
	}
}

void
blk_request_go_on(struct blk_request *r, int result)
{
	bool transfer = r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_OUT;

	if (result == -EINTR || result == -EAGAIN) {
		submit(r);
	} else if (result == -EOPNOTSUPP && r->type == VIRTIO_BLK_T_DISCARD) {
		blk_request_end(r, VIRTIO_BLK_S_OK); /* it is a hint */
	} else if (result == -EOPNOTSUPP && r->type == VIRTIO_BLK_T_WRITE_ZEROES && !r->punched) {
		r->punched = true; /* a hole reads as zeros too */
		submit(r);
	} else if (result < 0) {
		fail(r, -result);
	} else if (!transfer || (uint64_t)result >= r->left) {
		blk_request_end(r, VIRTIO_BLK_S_OK);
	} else if (result == 0) {
		fail(r, 0);
	} else {
		advance(r, (uint64_t)result);
		submit(r);
	}
}
