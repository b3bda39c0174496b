/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does vhost_pair see what it is there to see?  Frames that were damaged, cut wrongly, lost, doubled
 * or reordered must be told from those that were not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tools/probe_frame.h"
#include "tests/tools/probe_track.h"

static uint8_t frame[PROBE_MAX];

static const struct probe kinds[] = {
	{.protocol = PROBE_PLAIN, .stream = 3},
	{.protocol = PROBE_UDP4, .stream = 1},
	{.protocol = PROBE_UDP6, .csum = true},
	{.protocol = PROBE_TCP4, .csum = true},
	{.protocol = PROBE_TCP6},
	{.protocol = PROBE_TCP4, .gso_size = 500},
	{.protocol = PROBE_TCP6, .gso_size = 333},
	{.protocol = PROBE_UDP4, .gso_size = 100},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void
test_intact(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		unsigned least = probe_min(&kinds[k]);

		for (unsigned len = least; len < 3000; len += 37) {
			struct virtio_net_hdr header;
			struct probe_found found;
			const char *why = "";

			probe_build(&kinds[k], 1000, 77, frame, len, &header);
			if (probe_read(frame, len, &header, &found, &why) != 1)
				fail_msg("kind %u, %u bytes: %s", k, len, why);
			assert_int_equal(found.number, 1000);
			assert_int_equal(found.time_ns, 77);
			assert_int_equal(found.stream, kinds[k].stream);
			assert_int_equal(found.cells, probe_cells(&kinds[k], len));
		}
	}
}

/* Any byte behind the addresses. */
static void
test_damaged(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		const unsigned len = 1200;
		struct virtio_net_hdr header;
		unsigned missed = 0;

		probe_build(&kinds[k], 5, 77, frame, len, &header);
		for (unsigned at = 2 * MAC_LEN; at < len; at++) {
			struct probe_found found;
			const char *why;

			frame[at] ^= 0x10;
			missed += probe_read(frame, len, &header, &found, &why) == 1;
			frame[at] ^= 0x10;
		}
		/*
		 * No sum covers class, flow label and hop limit of IPv6; with an offload request,
		 * the TCP or UDP header but its length, checksum and destination port.
		 */
		if (missed > (header.flags ? 18u : 0) + 6)
			fail_msg("kind %u: %u bytes may change", k, missed);
		if (kinds[k].protocol == PROBE_PLAIN)
			assert_int_equal(missed, 0);
	}
}

static void
test_wrong_length(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct virtio_net_hdr header;
		struct probe_found found;
		const char *why;

		probe_build(&kinds[k], 5, 77, frame, 1000, &header);
		assert_int_equal(probe_read(frame, 999, &header, &found, &why), -EBADMSG);
		assert_int_equal(probe_read(frame, 1001, &header, &found, &why), -EBADMSG);
	}
}

static void
test_foreign(void **state)
{
	struct virtio_net_hdr header = {0};
	struct probe_found found;
	const char *why;

	(void)state;
	memset(frame, 0xff, 64);
	memcpy(frame + 12, "\x08\x06", 2);
	for (unsigned len = 0; len <= 64; len++)
		assert_int_equal(probe_read(frame, len, &header, &found, &why), 0);
}

/* A frame that is cut where it should be reads like several; its numbers go on. */
static void
test_cells(void **state)
{
	const struct probe probe = {.protocol = PROBE_TCP4, .gso_size = 500};
	struct virtio_net_hdr header;
	struct probe_found found;
	const char *why;

	(void)state;
	probe_build(&probe, 10, 77, frame, 54 + 500 * 3, &header);
	assert_int_equal(header.gso_size, 500);
	assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(probe_read(frame, 54 + 500 * 3, &header, &found, &why), 1);
	assert_int_equal(found.cells, 3);
	/* Two cells changed places. */
	memcpy(frame + 3000, frame + 54, 500);
	memcpy(frame + 54, frame + 554, 500);
	memcpy(frame + 554, frame + 3000, 500);
	assert_int_equal(probe_read(frame, 54 + 500 * 3, &header, &found, &why), -EBADMSG);
}

static void
test_track(void **state)
{
	struct track *t = calloc(1, sizeof(*t));

	(void)state;
	assert_non_null(t);
	t->sent = 10;
	track_note(t, 0, 3);
	track_note(t, 5, 1);
	assert_int_equal(t->received, 4);
	track_note(t, 5, 1);
	assert_int_equal(t->doubled, 1);
	track_note(t, 4, 1);
	assert_int_equal(t->reordered, 1);
	assert_int_equal(t->received, 5);
	track_note(t, 4, 1);
	assert_int_equal(t->doubled, 2);
	track_note(t, 10, 1);
	assert_int_equal(t->damaged, 1);
	/* 3 never came: 10 sent, 0 1 2 4 5 received, 6 to 9 on the way. */
	track_note(t, 6, 4);
	assert_int_equal(t->sent - t->received, 1);
	/* Far ahead and back. */
	t->sent = UINT64_C(1) << 40;
	track_note(t, UINT64_C(1) << 30, 1);
	track_note(t, 9, 1);
	assert_int_equal(t->reordered, 2);
	assert_int_equal(t->received, 10);
	track_note(t, (UINT64_C(1) << 30) - 1000, 1);
	assert_int_equal(t->received, 11);
	free(t);
}

static void
test_histogram(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	assert_int_equal(histogram_quantile(h, 0.5), 0);
	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(h, i);
	assert_in_range(histogram_quantile(h, 0.5), 48000, 50100);
	assert_in_range(histogram_quantile(h, 0.99), 95000, 99100);
	assert_in_range(histogram_quantile(h, 0.0001), 9, 11);
	assert_int_equal(h->max, 100000);
	histogram_add(h, UINT64_MAX);
	assert_int_equal(h->max, UINT64_MAX);
	free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intact),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_wrong_length),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_track),
		cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
