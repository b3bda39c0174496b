/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of pcapng, read back word by word as draft-ietf-opsawg-pcapng lays them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/pcapng.h"

static struct pcapng file;

static int
setup(void **state)
{
	(void)state;
	pcapng_free(&file);
	return 0;
}

static uint32_t
word(size_t at)
{
	uint32_t w;

	assert_true(at + sizeof(w) <= file.used);
	memcpy(&w, file.bytes + at, sizeof(w));
	return w;
}

/* Checks type and both lengths of the block at *at and goes behind it; returns where it begins. */
static size_t
block(size_t *at, uint32_t type)
{
	size_t begin = *at;
	uint32_t length = word(begin + 4);

	assert_int_equal(word(begin), type);
	assert_int_equal(length % 4, 0);
	assert_int_equal(word(begin + length - 4), length);
	*at += length;
	return begin;
}

/* The value of an option in a block, whose options begin at `at`; NULL when it has none. */
static const uint8_t *
option(size_t at, unsigned code, unsigned *length)
{
	for (;;) {
		uint32_t head = word(at);

		if (!head)
			return NULL;
		*length = head >> 16;
		if ((head & 0xffff) == code)
			return file.bytes + at + 4;
		at += 4 + (*length + 3) / 4 * 4;
	}
}

static void
expect_option(size_t at, unsigned code, const void *value, unsigned size)
{
	unsigned length = 0;
	const uint8_t *found = option(at, code, &length);

	assert_non_null(found);
	assert_int_equal(length, size);
	assert_memory_equal(found, value, size);
}

static void
blocks_are_as_specified(void **state)
{
	static const uint8_t bytes[61] = {1, 2, 3, [60] = 9}, resolution = 9;
	const uint32_t outbound = PCAPNG_OUTBOUND;
	const uint64_t lost = 5, received = 77;
	const struct pcapng_frame frame = {.interface = 1,
		.time_ns = 0x0123456789abcdef,
		.bytes = bytes,
		.captured = 61,
		.len = 1500,
		.direction = PCAPNG_OUTBOUND,
		.lost = lost,
		.comment = "dropped: mtu"};
	size_t at = 0, begin;
	unsigned length;

	(void)state;
	assert_int_equal(pcapng_section(&file, "patchbay"), 0);
	assert_int_equal(pcapng_interface(&file, "vm1", 96, "tcp port 80"), 0);
	assert_int_equal(pcapng_interface(&file, "vm2", 96, NULL), 0);
	assert_int_equal(pcapng_frame(&file, &frame), 0);
	assert_int_equal(pcapng_statistics(&file, 1, 1, received, lost, NULL), 0);

	begin = block(&at, 0x0a0d0d0a);
	assert_int_equal(word(begin + 8), 0x1a2b3c4d);
	assert_int_equal(word(begin + 12), 1);
	expect_option(begin + 24, 4, "patchbay", 8);

	begin = block(&at, 1);
	assert_int_equal(word(begin + 8), 1); /* Ethernet */
	assert_int_equal(word(begin + 12), 96);
	expect_option(begin + 16, 2, "vm1", 3);
	expect_option(begin + 16, 9, &resolution, 1);
	expect_option(begin + 16, 11, "\0tcp port 80", 12);
	begin = block(&at, 1);
	expect_option(begin + 16, 2, "vm2", 3);
	assert_null(option(begin + 16, 11, &length));

	begin = block(&at, 6);
	assert_int_equal(word(begin + 8), 1);
	assert_int_equal(word(begin + 12), 0x01234567);
	assert_int_equal(word(begin + 16), 0x89abcdef);
	assert_int_equal(word(begin + 20), 61);
	assert_int_equal(word(begin + 24), 1500);
	assert_memory_equal(file.bytes + begin + 28, bytes, 61);
	expect_option(begin + 28 + 64, 1, "dropped: mtu", 12);
	expect_option(begin + 28 + 64, 2, &outbound, 4);
	expect_option(begin + 28 + 64, 4, &lost, 8);

	begin = block(&at, 5);
	expect_option(begin + 20, 4, &received, 8);
	expect_option(begin + 20, 5, &lost, 8);
	assert_int_equal(at, file.used);
}

static void
plain_frames_have_no_options(void **state)
{
	static const uint8_t bytes[64];
	const struct pcapng_frame frame = {.bytes = bytes, .captured = 64, .len = 64};
	const struct pcapng_frame empty = {.len = 64, .direction = PCAPNG_INBOUND};
	size_t at = 0, begin;
	unsigned length;

	(void)state;
	assert_int_equal(pcapng_frame(&file, &frame), 0);
	assert_int_equal(pcapng_frame(&file, &empty), 0);
	begin = block(&at, 6);
	assert_int_equal(word(begin + 28 + 64), 0);
	begin = block(&at, 6);
	assert_int_equal(word(begin + 20), 0);
	assert_non_null(option(begin + 28, 2, &length));
	assert_int_equal(at, file.used);
}

/* Memory grows as far as blocks need it, and they stay whole. */
static void
many_blocks(void **state)
{
	static uint8_t bytes[65553];
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct pcapng_frame frame = {
			.bytes = bytes, .captured = i * 218, .len = 65553, .time_ns = i};

		memset(bytes, (int)i, frame.captured);
		assert_int_equal(pcapng_frame(&file, &frame), 0);
	}
	for (unsigned i = 0; i < 300; i++) {
		size_t begin = block(&at, 6);

		assert_int_equal(word(begin + 16), i);
		assert_int_equal(word(begin + 20), i * 218);
		if (i)
			assert_int_equal(file.bytes[begin + 28 + i * 218 - 1], i & 0xff);
	}
	assert_int_equal(at, file.used);
	pcapng_free(&file);
	assert_null(file.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_are_as_specified, setup, setup),
		cmocka_unit_test_setup_teardown(plain_frames_have_no_options, setup, setup),
		cmocka_unit_test_setup_teardown(many_blocks, setup, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
