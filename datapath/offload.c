/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "datapath/offload_internal.h"

int
offload_create(struct offload **out)
{
	struct offload *o;
	uint32_t random[2];

	/* Not cleared: only pages that are used are ever backed by memory. */
	o = aligned_alloc(alignof(struct offload), sizeof(*o));
	if (!o)
		return -ENOMEM;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		free(o);
		return -EIO;
	}
	o->identification = random[0];
	o->secret = random[1];
	*out = o;
	return 0;
}

void
offload_destroy(struct offload *offload)
{
	free(offload);
}

/* Whether the headers are those that the gso type and the checksum's position speak of. */
static bool
gso_fits(const struct frame *frame, const struct offload_headers *h)
{
	bool tcp = h->protocol == IP_PROTO_TCP;

	switch (frame->needs & OFFLOAD_GSO) {
	case OFFLOAD_TSO4:
		if (!tcp || h->version != 4)
			return false;
		break;
	case OFFLOAD_TSO6:
		if (!tcp || h->version != 6)
			return false;
		break;
	case OFFLOAD_UFO:
	case OFFLOAD_USO:
		if (tcp)
			return false;
		break;
	default:
		return false;
	}
	return frame->csum_start == h->l4 &&
	       frame->csum_offset == (tcp ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET);
}

/* The request against the frame's bytes, of which `visible` are at data. */
static int
check_request(const struct frame *frame, const uint8_t *data, size_t visible)
{
	unsigned gso = frame->needs & OFFLOAD_GSO;
	struct offload_headers headers;

	if (!frame->needs)
		return 0;
	if (frame->needs & ~(OFFLOAD_CSUM | OFFLOAD_ECN | OFFLOAD_GSO))
		return -EINVAL;
	if (!(frame->needs & OFFLOAD_CSUM))
		return -EINVAL;
	if (frame->csum_start < FRAME_LEN_MIN ||
		(uint32_t)frame->csum_start + frame->csum_offset + 2 > frame->len)
		return -EINVAL;
	if (frame->needs & OFFLOAD_ECN && !(gso & (OFFLOAD_TSO4 | OFFLOAD_TSO6)))
		return -EINVAL;
	if (!gso)
		return 0;
	if (gso & (gso - 1) || !frame->gso_size)
		return -EINVAL;
	switch (offload_parse(data, visible, frame->len, &headers)) {
	case OFFLOAD_PARSED:
		return gso_fits(frame, &headers) ? 0 : -EINVAL;
	case OFFLOAD_UNSEEN:
		return 0;
	default:
		return -EINVAL;
	}
}

int
offload_check(const struct frame *frame)
{
	return check_request(frame, frame->data, frame->head_len);
}

/* The one copy.  -EINVAL when the description does not add up. */
static int
copy_in(struct offload *o, const struct frame *in)
{
	uint8_t *packet = offload_packet(o);
	size_t at = in->head_len;

	if (in->len > FRAME_LEN_MAX || in->len < FRAME_LEN_MIN || in->head_len > in->len)
		return -EINVAL;
	memcpy(packet, in->data, in->head_len);
	for (unsigned i = 0; i < in->seg_count; i++) {
		if (in->segs[i].len > in->len - at)
			return -EINVAL;
		memcpy(packet + at, in->segs[i].addr, in->segs[i].len);
		at += in->segs[i].len;
	}
	return at == in->len ? 0 : -EINVAL;
}

/* Frame 0 is the private copy, undivided; its first bytes are the head, the rest one segment. */
static void
describe_whole(struct offload *o, const struct frame *in)
{
	unsigned head = in->len <= FRAME_WHOLE ? in->len : FRAME_PREFIX;
	uint8_t *packet = offload_packet(o);

	o->frames[0] = *in;
	o->frames[0].data = packet;
	o->frames[0].head_len = (uint16_t)head;
	o->frames[0].segs = o->segs;
	o->frames[0].seg_count = in->len > head;
	o->segs[0] = (struct frame_seg){.addr = packet + head, .len = in->len - head};
}

/* The field holds what the sum is to begin with, usually that of the pseudo header. */
static void
complete_csum(struct offload *o, const struct frame *in)
{
	uint8_t *start = offload_packet(o) + in->csum_start, *field = start + in->csum_offset;
	uint32_t sum = offload_sum(start, in->len - in->csum_start, 0);
	uint16_t folded = offload_fold(sum);

	/* Of the protocols that sum this way, only UDP has its field there and 0 for "no sum". */
	if (!folded && in->csum_offset == UDP_CSUM_OFFSET)
		folded = 0xffff;
	store_sum(field, folded);
	frame_clear_request(&o->frames[0]);
}

int
offload_complete(struct offload *offload, const struct frame *in, unsigned accepts,
	struct frame **out, unsigned *count)
{
	unsigned lacking;
	int n;

	if (!(accepts & OFFLOAD_CSUM))
		accepts = 0;
	lacking = in->needs & ~accepts;
	n = copy_in(offload, in);
	if (n)
		return n;
	/* Again, for the head alone may not have shown all headers. */
	n = check_request(in, offload_packet(offload), in->len);
	if (n)
		return n;

	n = 1;
	if (lacking & (OFFLOAD_GSO | OFFLOAD_ECN)) {
		n = offload_segment(offload, in);
		if (n < 0)
			return n;
	} else {
		describe_whole(offload, in);
		if (lacking)
			complete_csum(offload, in);
	}
	*out = offload->frames;
	*count = (unsigned)n;
	return 0;
}
