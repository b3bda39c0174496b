/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/head.h"

#define BYTES (HEAD_VECTORS * 16)

void
head_init(struct head *h, const struct frame_shape *shape, const struct frame_path *path,
	const struct frame_cursor *cursor)
{
	static __thread uint8_t flat[FRAME_ROOM];
	struct virtio_net_hdr mask;
	uint32_t step[8] = {0}, lane;
	uint8_t bytes[16];

	frame_build(flat, shape, path, cursor);
	memcpy(h->bytes, flat, BYTES);
	/* The switch may say that it knows a checksum to be right, and counts the buffers. */
	memset(&mask, 0xff, sizeof(mask));
	mask.flags = (uint8_t)~VIRTIO_NET_HDR_F_DATA_VALID;
	mask.num_buffers = 0;
	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, &mask, sizeof(mask));
	memcpy(&h->mask, bytes, sizeof(bytes));
	/* The stamp begins in the last two of the vectors, at a multiple of four bytes. */
	lane = (shape->data + 2u - 48) / 4;
	step[lane] = 1;
	step[lane + 1] = UINT32_MAX;
	memcpy(h->step, step, sizeof(step));
}
