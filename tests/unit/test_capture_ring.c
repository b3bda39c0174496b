/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of a capture's rings, in files as the daemon makes them: order, wrapping, loss, and ends
 * that are hostile to each other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/capture_reader.h"

#define LANES 3
#define SIZE  CAPTURE_LANE_MIN

static int records_fd, progress_fd;
static struct capture_area *area;
static struct capture_progress *progress;
static struct capture_lane lanes[LANES];
static struct capture_reader reader;
static struct err err;

static int
setup(void **state)
{
	size_t size = CAPTURE_BYTES_AT + (size_t)LANES * SIZE;

	(void)state;
	records_fd = memfd_create("records", MFD_CLOEXEC);
	progress_fd = memfd_create("progress", MFD_CLOEXEC);
	assert_int_equal(ftruncate(records_fd, (off_t)size), 0);
	assert_int_equal(ftruncate(progress_fd, sizeof(*progress)), 0);
	area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, records_fd, 0);
	progress =
		mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED, progress_fd, 0);
	area->magic = CAPTURE_MAGIC;
	area->version = CAPTURE_VERSION;
	area->lanes = LANES;
	area->lane_size = SIZE;
	for (unsigned l = 0; l < LANES; l++)
		lanes[l] = (struct capture_lane){.state = &area->states[l],
			.progress = &progress->lanes[l].tail,
			.bytes = (uint8_t *)area + CAPTURE_BYTES_AT + (size_t)l * SIZE,
			.size = SIZE};
	return capture_reader_open(&reader, records_fd, progress_fd, &err);
}

static int
teardown(void **state)
{
	(void)state;
	capture_reader_close(&reader);
	capture_reader_close(&reader);
	munmap(area, CAPTURE_BYTES_AT + (size_t)LANES * SIZE);
	munmap(progress, sizeof(*progress));
	close(records_fd);
	close(progress_fd);
	return 0;
}

static bool
put(unsigned lane, uint64_t tsc, uint32_t captured)
{
	struct capture_record r = {.len = captured + 7,
		.captured = captured,
		.size = capture_record_size(captured),
		.tsc = tsc,
		.direction = CAPTURE_OUT,
		.drop = CAPTURE_DELIVERED,
		.port = "p0"};
	uint8_t bytes[CAPTURE_BYTES_MAX];

	for (uint32_t i = 0; i < captured; i++)
		bytes[i] = (uint8_t)(tsc * 31 + i * 7);
	if (!capture_lane_reserve(&lanes[lane], r.size))
		return false;
	capture_lane_put(&lanes[lane], lanes[lane].head + sizeof(r), bytes, captured);
	capture_lane_commit(&lanes[lane], &r);
	return true;
}

static void
expect(uint64_t tsc, uint32_t captured)
{
	struct capture_record r;

	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), 1);
	assert_int_equal(r.tsc, tsc);
	assert_int_equal(r.captured, captured);
	assert_int_equal(r.len, captured + 7);
	assert_string_equal(r.port, "p0");
	for (uint32_t i = 0; i < captured; i++)
		assert_int_equal(reader.bytes[i], (uint8_t)(tsc * 31 + i * 7));
}

static void
lanes_are_one_row_in_order_of_time(void **state)
{
	struct capture_record r;

	(void)state;
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), 0);
	assert_true(put(0, 10, 60) && put(0, 40, 0) && put(1, 20, 1514) && put(2, 5, 64));
	expect(5, 64);
	expect(10, 60);
	/* What is later than asked for stays. */
	assert_int_equal(capture_reader_next(&reader, 19, &r), 0);
	expect(20, 1514);
	expect(40, 0);
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), 0);
}

static void
records_wrap(void **state)
{
	uint64_t tsc = 0;

	(void)state;
	/* Sizes that end at every place of the lane, several times round. */
	for (uint32_t captured = 0; captured <= CAPTURE_BYTES_MAX; captured += 331, tsc++) {
		assert_true(put(0, tsc, captured));
		expect(tsc, captured);
	}
	assert_true(lanes[0].head > 4 * SIZE);
	assert_int_equal(capture_reader_lost(&reader), 0);
}

static void
full_lane_loses_and_counts(void **state)
{
	unsigned written = 0, lost;
	struct capture_record r;

	(void)state;
	while (put(1, written, 1000))
		written++;
	assert_int_equal(written, SIZE / capture_record_size(1000));
	for (lost = 1; lost < 5; lost++)
		assert_false(put(1, 0, 1000));
	assert_int_equal(capture_reader_lost(&reader), 5);
	/* Nothing was overwritten; the next record says what is missing in front of it. */
	for (unsigned i = 0; i < written; i++) {
		expect(i, 1000);
		if (i == 0)
			assert_true(put(1, written, 1000));
	}
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), 1);
	assert_int_equal(r.lost, 5);
	assert_true(put(1, 0, 10));
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), 1);
	assert_int_equal(r.lost, 0);
}

/* A reader that claims anything about its progress: the writer stays in its lane. */
static void
writer_survives_a_hostile_reader(void **state)
{
	static const uint64_t claims[] = {
		UINT64_MAX, 1, SIZE, SIZE - 1, (uint64_t)1 << 63, 0x123456789abcdefULL};
	uint8_t before, after;

	(void)state;
	/* The bytes around the lane are its neighbours'. */
	lanes[1].bytes[-1] = 0xa5;
	lanes[1].bytes[SIZE] = 0x5a;
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t claim = claims[round % (sizeof(claims) / sizeof(claims[0]))];

		atomic_store(&progress->lanes[1].tail, claim + (round % 3 ? lanes[1].head : 0));
		put(1, round, round * 37 % CAPTURE_BYTES_MAX);
	}
	before = lanes[1].bytes[-1];
	after = lanes[1].bytes[SIZE];
	assert_int_equal(before, 0xa5);
	assert_int_equal(after, 0x5a);
	assert_true(atomic_load(&area->states[1].lost) > 0);
	/* An honest one goes on from where the writer is. */
	atomic_store(&progress->lanes[1].tail, lanes[1].head);
	assert_true(put(1, 1, 100));
}

static void
reader_refuses_what_is_no_record(void **state)
{
	static const struct capture_record good = {
		.size = 128, .len = 60, .captured = 60, .direction = CAPTURE_IN};
	struct capture_record bad[] = {good, good, good, good, good, good, good}, r;

	(void)state;
	bad[0].size = 64;
	bad[1].size = 1 << 20;
	bad[2].captured = UINT32_MAX;
	bad[3].captured = 61;
	bad[4].direction = 0;
	memset(bad[5].port, 'x', sizeof(bad[5].port));
	bad[6].len = 59;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(lanes[0].bytes, &bad[i], sizeof(r));
		atomic_store(&area->states[0].head, 128);
		assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), -EPROTO);
	}
	memcpy(lanes[0].bytes, &good, sizeof(r));
	reader.heads[0] = 0;
	atomic_store(&area->states[0].head, SIZE + 128ULL);
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), -EPROTO);
	reader.heads[0] = 0;
	atomic_store(&area->states[0].head, 64);
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), -EPROTO);
	reader.heads[0] = 0;
	atomic_store(&area->states[0].head, 128);
	assert_int_equal(capture_reader_next(&reader, UINT64_MAX, &r), 1);
}

static void
other_files_are_refused(void **state)
{
	struct capture_reader other = {0};

	(void)state;
	area->magic++;
	assert_int_equal(capture_reader_open(&other, records_fd, progress_fd, &err), -EPROTO);
	area->magic--;
	area->lanes = CAPTURE_LANES_MAX + 1;
	assert_int_equal(capture_reader_open(&other, records_fd, progress_fd, &err), -EPROTO);
	area->lanes = LANES + 1;
	assert_int_equal(capture_reader_open(&other, records_fd, progress_fd, &err), -EPROTO);
	area->lanes = LANES;
	assert_int_equal(ftruncate(progress_fd, 100), 0);
	assert_int_equal(capture_reader_open(&other, records_fd, progress_fd, &err), -EPROTO);
	assert_null(other.area);
	assert_int_equal(ftruncate(progress_fd, sizeof(*progress)), 0);
	area->over = CAPTURE_TARGET_GONE;
	assert_int_equal(capture_reader_over(&reader), CAPTURE_TARGET_GONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lanes_are_one_row_in_order_of_time),
		TEST(records_wrap),
		TEST(full_lane_loses_and_counts),
		TEST(writer_survives_a_hostile_reader),
		TEST(reader_refuses_what_is_no_record),
		TEST(other_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
