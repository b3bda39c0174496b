/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/pull.h"

#define LEN  3000
#define HEAD 128

static struct burst *burst;
static struct pull *area;
static uint8_t sender[LEN]; /* the sender's memory */
static uint8_t truth[LEN + 4];

static int
setup(void **state)
{
	(void)state;
	burst = aligned_alloc(64, sizeof(*burst));
	area = malloc(sizeof(*area));
	assert_non_null(burst);
	assert_non_null(area);
	memset(burst, 0, sizeof(*burst));
	memset(area, 0xee, sizeof(*area));
	for (unsigned i = 0; i < LEN; i++)
		sender[i] = truth[i] = (uint8_t)(i * 7 + i / 256);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(burst);
	free(area);
	return 0;
}

/* Frame 3 of the burst: a head, and the rest in pieces of `piece` bytes. */
static struct frame *
make(unsigned piece)
{
	struct frame *f = &burst->frames[3];

	memset(f, 0, sizeof(*f));
	f->data = burst->slots[3].bytes;
	f->len = LEN;
	f->head_len = HEAD;
	f->segs = &burst->segs[burst->segs_used];
	memcpy(f->data, sender, HEAD);
	for (unsigned at = HEAD; at < LEN; at += piece) {
		struct frame_seg *seg = &burst->segs[burst->segs_used++];

		seg->addr = sender + at;
		seg->len = LEN - at < piece ? LEN - at : piece;
		f->seg_count++;
	}
	burst->count = 4;
	return f;
}

/* What a receiver would get. */
static void
expect_whole(const struct frame *f, const uint8_t *expected, uint32_t len)
{
	uint32_t at = f->head_len;

	assert_int_equal(f->len, len);
	assert_memory_equal(f->data, expected, f->head_len);
	for (unsigned s = 0; s < f->seg_count; s++) {
		assert_memory_equal(f->segs[s].addr, expected + at, f->segs[s].len);
		at += f->segs[s].len;
	}
	assert_int_equal(at, len);
}

static void
test_sizes(void **state)
{
	static const unsigned pieces[] = {1, 7, 64, 872, 1436, LEN};
	static const unsigned wants[] = {0, 14, 128, 129, 135, 192, 1000, 2047, 2048, 2049, 9999};

	(void)state;
	for (unsigned p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		for (unsigned n = 0; n < sizeof(wants) / sizeof(wants[0]); n++) {
			unsigned want = wants[n], got = want < PULL_MAX ? want : PULL_MAX;
			struct frame *f;
			const uint8_t *bytes;

			burst->segs_used = 0;
			if (pieces[p] * 500 < LEN)
				continue;
			f = make(pieces[p]);
			bytes = pull(area, burst, f, want);
			assert_non_null(bytes);
			assert_memory_equal(bytes, truth, got);
			expect_whole(f, truth, LEN);
			/* The sender may write what it likes: what was pulled stays. */
			if (got > HEAD) {
				memset(sender + HEAD, 0x55, got - HEAD);
				expect_whole(f, truth, LEN);
				memcpy(sender, truth, LEN);
			}
		}
	}
}

/* Again for more, for less, and with a head that a tag has made longer. */
static void
test_again(void **state)
{
	struct frame *f = make(500);
	uint8_t tagged[LEN + 4];

	(void)state;
	assert_non_null(pull(area, burst, f, 300));
	assert_memory_equal(pull(area, burst, f, 900), truth, 900);
	assert_memory_equal(pull(area, burst, f, 2048), truth, 2048);
	assert_memory_equal(pull(area, burst, f, 200), truth, 200);
	memset(sender + HEAD, 0x55, 2048 - HEAD);
	expect_whole(f, truth, LEN);

	memcpy(tagged, truth, 12);
	memset(tagged + 12, 0x81, 4);
	memcpy(tagged + 16, truth + 12, LEN - 12);
	f->data -= 4;
	f->head_len += 4;
	f->len += 4;
	memcpy(f->data, tagged, f->head_len);
	assert_memory_equal(pull(area, burst, f, 1000), tagged, 1000);
	expect_whole(f, tagged, LEN + 4);
	assert_memory_equal(pull(area, burst, f, 2048), tagged, 2048);
	expect_whole(f, tagged, LEN + 4);
	memcpy(sender, truth, LEN);
}

static void
test_no_room(void **state)
{
	struct frame *f = make(500);

	(void)state;
	burst->segs_used = FRAME_SEGS;
	assert_null(pull(area, burst, f, 129));
	assert_ptr_equal(pull(area, burst, f, 128), f->data);
	expect_whole(f, truth, LEN);
}

/* All of it, however many pieces, until the area is full; what the sender does then is nothing. */
static void
test_rest(void **state)
{
	unsigned most = sizeof(area->rest) / (LEN - HEAD);
	uint32_t used = 0;

	(void)state;
	for (unsigned n = 0; n < most; n++) {
		struct frame *f;

		burst->segs_used = 0;
		f = make(n % 2 ? 100 : 5000);
		pull_rest(area, burst, f, &used);
		assert_int_equal(f->seg_count, 1);
		assert_int_equal(used, (n + 1) * (LEN - HEAD));
		memset(sender, 0, LEN);
		expect_whole(f, truth, LEN);
		memcpy(sender, truth, LEN);
		/* Once more: it is there already, and may only move. */
		assert_memory_equal(pull(area, burst, f, 1000), truth, 1000);
		expect_whole(f, truth, LEN);
	}
	burst->segs_used = 0;
	pull_rest(area, burst, make(100), &used);
	assert_int_equal(burst->frames[3].seg_count, (LEN - HEAD + 99) / 100);
	/* A sender cannot keep its memory in play by the number of its pieces; what is private stays. */
	burst->segs_used = 0;
	used = 0;
	make(100);
	burst->segs_used = FRAME_SEGS;
	for (unsigned n = 0; n < 2; n++) {
		pull_rest(area, burst, &burst->frames[3], &used);
		assert_int_equal(used, LEN - HEAD);
	}
	memset(sender, 0, LEN);
	expect_whole(&burst->frames[3], truth, LEN);
	memcpy(sender, truth, LEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
