/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software offloads on a frame and a request that a guest made up.
 *
 * Input: struct request, then the frame's bytes.  A frame longer than the input is continued with
 * zero bytes, so that short inputs reach large frames.
 *
 * Beyond memory errors: the request is only ever refused with the documented errors, the results
 * describe whole frames, and nothing is lost or made up: the payload that went in comes out.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/offload.h"

struct request {
	uint8_t needs, accepts;
	uint8_t head;    /* private bytes of the frame */
	uint8_t piece;   /* length of a segment, in 64 bytes */
	uint8_t fill[2]; /* zero bytes behind the input, little endian */
	uint8_t gso_size[2], csum_start[2], csum_offset[2];
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static unsigned
little16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define PIECES 64

/* Head and segments are allocations of their own, so that a read past one's end is seen. */
static void
frame_build(struct frame *f, struct frame_seg *segs, const struct request *r, const uint8_t *bytes,
	unsigned len)
{
	unsigned piece = r->piece * 64u, head = r->head < FRAME_LEN_MIN ? FRAME_LEN_MIN : r->head;

	if (head > len)
		head = len;
	if (piece < (len + PIECES - 1) / PIECES)
		piece = (len + PIECES - 1) / PIECES;
	*f = (struct frame){.len = len, .head_len = (uint16_t)head, .segs = segs};
	f->data = malloc(head);
	memcpy(f->data, bytes, head);
	for (unsigned at = head; at < len; at += segs[f->seg_count++].len) {
		unsigned part = len - at < piece ? len - at : piece;
		uint8_t *p = malloc(part);

		memcpy(p, bytes + at, part);
		segs[f->seg_count] = (struct frame_seg){.addr = p, .len = part};
	}
	f->needs = r->needs;
	f->gso_size = (uint16_t)little16(r->gso_size);
	f->csum_start = (uint16_t)little16(r->csum_start);
	f->csum_offset = (uint16_t)little16(r->csum_offset);
}

static void
frame_free(struct frame *f)
{
	free(f->data);
	for (unsigned i = 0; i < f->seg_count; i++)
		free((void *)f->segs[i].addr);
}

/* Reads every byte of a result (by summing it); returns its payload's length. */
static unsigned
result_check(const struct frame *f, unsigned accepts)
{
	unsigned len = f->head_len;

	REQUIRE(f->head_len >= FRAME_LEN_MIN && f->head_len <= FRAME_WHOLE);
	REQUIRE(!(f->needs & ~accepts));
	REQUIRE(f->len <= FRAME_LEN_MAX);
	memset(f->data - FRAME_HEADROOM, 0x5a, FRAME_HEADROOM);
	offload_sum(f->data, f->head_len, 0);
	for (unsigned i = 0; i < f->seg_count; i++) {
		offload_sum(f->segs[i].addr, f->segs[i].len, 0);
		len += f->segs[i].len;
	}
	REQUIRE(len == f->len);
	return len - f->head_len;
}

static void
results_check(const struct frame *in, const struct frame *out, unsigned count, unsigned accepts)
{
	unsigned payload = 0, whole;

	REQUIRE(count >= 1 && count <= OFFLOAD_SEGMENTS_MAX);
	for (unsigned i = 0; i < count; i++) {
		REQUIRE(out[i].head_len == out[0].head_len);
		payload += result_check(&out[i], accepts);
	}
	/* Every cut frame repeats the same headers in front of its part of the payload. */
	whole = payload + out[0].head_len;
	if (whole != in->len)
		REQUIRE(count > 1 && in->needs & OFFLOAD_UFO && whole - 8 == in->len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct offload *offload;
	static uint8_t bytes[FRAME_LEN_MAX];
	struct frame_seg segs[PIECES];
	struct frame in, *out = NULL;
	struct request r;
	unsigned count = 0, accepts;
	size_t len;
	int checked, error;

	if (!offload && offload_create(&offload))
		abort();
	if (size < sizeof(r) + FRAME_LEN_MIN)
		return 0;
	memcpy(&r, input, sizeof(r));
	len = size - sizeof(r);
	if (len > FRAME_LEN_MAX)
		len = FRAME_LEN_MAX;
	memcpy(bytes, input + sizeof(r), len);
	memset(bytes + len, 0, FRAME_LEN_MAX - len);
	len += little16(r.fill);
	if (len > FRAME_LEN_MAX)
		len = FRAME_LEN_MAX;

	frame_build(&in, segs, &r, bytes, (unsigned)len);
	checked = offload_check(&in);
	REQUIRE(checked == 0 || checked == -EINVAL);
	error = offload_complete(offload, &in, r.accepts, &out, &count);
	REQUIRE(error == 0 || error == -EINVAL || error == -E2BIG);
	/* What the head alone already refutes is not made into anything. */
	REQUIRE(checked == 0 || error);
	accepts = r.accepts & OFFLOAD_CSUM ? r.accepts : 0;
	if (!error)
		results_check(&in, out, count, accepts);
	frame_free(&in);
	return 0;
}
