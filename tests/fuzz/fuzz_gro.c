/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames from outside, any bytes: the input is a list of lengths and frames.  A byte between says how
 * much of each is private and whether its sums are vouched for.  What comes out has the bytes that it
 * says it has, and what was joined can be cut again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/gro.h"
#include "datapath/offload.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static struct burst burst;

static void
add(const uint8_t *bytes, uint32_t len, uint8_t how)
{
	struct frame *f = &burst.frames[burst.count];
	uint32_t head = how & 0x7f;

	if (head < FRAME_LEN_MIN)
		head = FRAME_LEN_MIN;
	if (head > len)
		head = len;
	f->segs = &burst.segs[burst.segs_used];
	frame_start(f, burst.slots[burst.count].bytes, len, head, len > head);
	f->verified = how >> 7;
	memcpy(f->data, bytes, head);
	if (len > head)
		burst.segs[burst.segs_used++] =
			(struct frame_seg){.addr = bytes + head, .len = len - head};
	burst.bytes += len;
	burst.count++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct offload *offload;
	unsigned came;
	uint32_t bytes = 0;

	if (!offload)
		REQUIRE(offload_create(&offload) == 0);
	burst.count = 0;
	burst.segs_used = 0;
	burst.bytes = 0;
	while (size >= 3 + FRAME_LEN_MIN && burst.count < FRAME_BURST) {
		uint32_t len = FRAME_LEN_MIN + (input[0] | (input[1] & 7u) << 8);
		uint8_t how = input[2];

		input += 3;
		size -= 3;
		if (len > size)
			len = (uint32_t)size;
		add(input, len, how);
		input += len;
		size -= len;
	}
	came = burst.count;
	REQUIRE(came - gro_join(&burst) == burst.count);
	for (unsigned i = 0; i < burst.count; i++) {
		const struct frame *f = &burst.frames[i];
		uint32_t len = f->head_len;
		struct frame *made;
		unsigned count;

		for (unsigned s = 0; s < f->seg_count; s++)
			len += f->segs[s].len;
		REQUIRE(len == f->len && len <= FRAME_LEN_MAX);
		bytes += len;
		if (f->needs)
			REQUIRE(offload_check(f) == 0 &&
				offload_complete(offload, f, 0, &made, &count) == 0 && count > 1);
	}
	REQUIRE(bytes == burst.bytes);
	return 0;
}
