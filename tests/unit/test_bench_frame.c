/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/head.h"

static uint8_t flat[FRAME_ROOM + 64] __attribute__((aligned(64)));
static uint8_t other[FRAME_ROOM + 64] __attribute__((aligned(64)));

static struct frame_path
make_path(enum frame_kind kind, bool tagged)
{
	return (struct frame_path){.kind = kind,
		.pair = 3,
		.run = 9,
		.source = 6,
		.target = 7,
		.tagged = tagged,
		.macs = 5,
		.vlans = 3,
		.flows = 5};
}

static const struct {
	enum frame_kind kind;
	uint32_t size;
} cases[] = {{FRAME_UDP, 64}, {FRAME_UDP, 65}, {FRAME_UDP, 127}, {FRAME_UDP, 128}, {FRAME_UDP, 129},
	{FRAME_UDP, 1500}, {FRAME_UDP, 1514}, {FRAME_UDP, 9001}, {FRAME_UDP, 65536},
	{FRAME_TSO, 1515}, {FRAME_TSO, 65535}, {FRAME_TSO, 65536}, {FRAME_USO, 2000},
	{FRAME_USO, 65536}};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* ---- a reading of the frame that shares nothing with what wrote it ---- */

static unsigned
get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static unsigned
ones_sum(const uint8_t *p, size_t n, unsigned sum)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : p[i] * 256u;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void
check_frame(const uint8_t *buffer, const struct frame_path *path, uint32_t size, uint64_t sequence)
{
	const uint8_t *frame = buffer + 12, *ip, *l4;
	unsigned flow = (unsigned)(sequence % path->flows), tcp = path->kind == FRAME_TSO;
	unsigned sum, l4_length;
	struct virtio_net_hdr header;

	assert_memory_equal(frame, ((uint8_t[]){0x52, 0x54, 7, (uint8_t)flow, 0, 0}), 6);
	assert_memory_equal(frame + 6, ((uint8_t[]){0x52, 0x54, 6, (uint8_t)flow, 0, 0}), 6);
	ip = frame + 14;
	if (path->tagged) {
		assert_int_equal(get16(frame + 12), 0x8100);
		assert_int_equal(get16(frame + 14), 1 + flow % path->vlans);
		ip += 4;
	}
	assert_int_equal(get16(ip - 2), 0x0800);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(get16(ip + 2), size - 14);
	assert_int_equal(ip[9], tcp ? 6 : 17);
	assert_int_equal(ones_sum(ip, 20, 0), 0xffff);
	l4 = ip + 20;
	l4_length = size - 34;
	if (!tcp)
		assert_int_equal(get16(l4 + 4), l4_length);
	sum = ones_sum(ip + 12, 8, (tcp ? 6 : 17) + l4_length);
	memcpy(&header, buffer, sizeof(header));
	assert_int_equal(header.num_buffers, 0);
	if (path->kind == FRAME_UDP) {
		assert_memory_equal(&header, &(struct virtio_net_hdr){0}, 12);
		assert_int_not_equal(get16(l4 + 6), 0);
		assert_int_equal(ones_sum(l4, l4_length, sum), 0xffff);
		return;
	}
	assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(
		header.gso_type, tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4);
	assert_int_equal(header.gso_size, 1448);
	assert_int_equal(header.csum_start, l4 - frame);
	assert_int_equal(header.csum_offset, tcp ? 16 : 6);
	assert_int_equal(header.hdr_len, l4 - frame + (tcp ? (l4[12] >> 4) * 4 : 8));
	/* The field holds the sum of the pseudo header, not complemented. */
	assert_int_equal(get16(l4 + header.csum_offset), sum);
}

static void
build(const struct frame_path *path, uint32_t size, uint64_t sequence, struct frame_shape *shape)
{
	struct frame_cursor cursor;

	frame_shape(shape, path, size);
	frame_cursor_set(&cursor, path, sequence);
	memset(flat, 0xa5, sizeof(flat));
	frame_build(flat, shape, path, &cursor);
}

static void
test_frames_are_valid(void **state)
{
	for (unsigned i = 0; i < CASES; i++)
		for (unsigned tagged = 0; tagged < 2; tagged++)
			for (uint64_t sequence = 0; sequence < 20; sequence += 3) {
				struct frame_path path = make_path(cases[i].kind, tagged);
				struct frame_shape s;
				uint64_t told = sequence + 100;

				path.shifted = sequence % 2;
				build(&path, cases[i].size, sequence, &s);
				assert_int_equal(s.length, cases[i].size + (tagged ? 4 : 0));
				check_frame(flat, &path, cases[i].size, sequence);
				assert_int_equal(flat[FRAME_AT + s.length], 0xa5);
				assert_int_equal(
					frame_judge(flat, FRAME_AT + s.length, &path, &told),
					FRAME_GOOD);
				assert_int_equal(told, sequence);
			}
}

/* Stamped anew, as it is done between two journeys, a frame is as if it had been built so. */
static void
test_heads_make_the_same_frames(void **state)
{
	for (unsigned i = 0; i < CASES; i++)
		for (unsigned tagged = 0; tagged < 2; tagged++) {
			struct frame_path path = make_path(cases[i].kind, tagged);
			struct frame_cursor cursor;
			struct frame_shape s;
			struct head head;
			unsigned vectors;

			build(&path, cases[i].size, 0, &s);
			memcpy(other, flat, sizeof(flat));
			vectors = head_vectors(&s);
			frame_cursor_set(&cursor, &path, 0);
			head_init(&head, &s, &path, &cursor);
			for (uint64_t sequence = 0; sequence < 40; sequence++) {
				build(&path, cases[i].size, sequence, &s);
				head_flow(&head, &path, &cursor, tagged);
				head_write(&head, other, vectors);
				if (s.tail)
					store64(other + s.tail, frame_stamp(sequence));
				assert_memory_equal(other, flat, FRAME_AT + s.length);
				assert_true(head_matches(&head, flat, vectors));
				check_frame(other, &path, cases[i].size, sequence);
				frame_cursor_step(&cursor, &path);
				head_step(&head, vectors);
				assert_false(head_matches(&head, flat, vectors));
			}
		}
}

/* Every bit of frame and addresses counts, but for what the switch may change. */
static void
test_heads_notice_every_bit(void **state)
{
	struct frame_path path = make_path(FRAME_UDP, false);
	struct frame_cursor cursor;
	struct frame_shape s;
	struct head head;

	build(&path, 64, 4, &s);
	frame_cursor_set(&cursor, &path, 4);
	head_init(&head, &s, &path, &cursor);
	for (unsigned bit = 0; bit < 64 * 8; bit++) {
		bool free = bit == 1 /* DATA_VALID */ || bit / 16 == 5 /* num_buffers */;

		flat[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(head_matches(&head, flat, 4), free);
		flat[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void
test_judge_notices_every_bit(void **state)
{
	static const uint32_t sizes[] = {64, 200};

	for (unsigned i = 0; i < 2; i++)
		for (unsigned tagged = 0; tagged < 2; tagged++) {
			struct frame_path path = make_path(FRAME_UDP, tagged);
			struct frame_shape s;
			uint64_t told;

			build(&path, sizes[i], 11, &s);
			for (unsigned bit = FRAME_AT * 8; bit < (FRAME_AT + s.length) * 8; bit++) {
				told = 11;
				flat[bit / 8] ^= (uint8_t)(1 << bit % 8);
				assert_int_not_equal(
					frame_judge(flat, FRAME_AT + s.length, &path, &told),
					FRAME_GOOD);
				flat[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
		}
}

static enum frame_verdict
judge(const struct frame_path *path, uint32_t bytes)
{
	uint64_t told = 0;

	return frame_judge(flat, bytes, path, &told);
}

static void
test_verdicts(void **state)
{
	struct frame_path path = make_path(FRAME_UDP, false), wrong = path;
	struct frame_shape s;
	uint32_t bytes;

	build(&path, 200, 1, &s);
	bytes = FRAME_AT + s.length;
	for (uint32_t n = 0; n < bytes; n++)
		assert_int_not_equal(judge(&path, n), FRAME_GOOD);
	assert_int_not_equal(judge(&path, bytes + 1), FRAME_GOOD);
	wrong.run = 8;
	assert_int_equal(judge(&wrong, bytes), FRAME_FOREIGN);
	wrong = path;
	wrong.pair = 2;
	assert_int_equal(judge(&wrong, bytes), FRAME_STRAY);
	wrong = path;
	wrong.target = 5;
	assert_int_equal(judge(&wrong, bytes), FRAME_STRAY);
	memset(flat, 0, sizeof(flat));
	assert_int_equal(judge(&path, bytes), FRAME_FOREIGN);
}

/* What a switch may do for a guest: complete the checksum, or vouch for it. */
static void
test_completed_checksums(void **state)
{
	struct frame_path path = make_path(FRAME_TSO, false);
	struct virtio_net_hdr header;
	struct frame_shape s;
	uint8_t *l4, *field;
	unsigned sum;

	build(&path, 3000, 0, &s);
	l4 = flat + s.l4;
	field = l4 + 16;
	memcpy(&header, flat, sizeof(header));
	header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	memcpy(flat, &header, sizeof(header));
	assert_int_equal(judge(&path, FRAME_AT + s.length), FRAME_GOOD);
	header.flags = 0;
	memcpy(flat, &header, sizeof(header));
	assert_int_equal(judge(&path, FRAME_AT + s.length), FRAME_CORRUPT);
	sum = ~ones_sum(l4, 3000 - 34, 0) & 0xffff;
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
	assert_int_equal(judge(&path, FRAME_AT + s.length), FRAME_GOOD);
	header.gso_size++;
	memcpy(flat, &header, sizeof(header));
	assert_int_equal(judge(&path, FRAME_AT + s.length), FRAME_CORRUPT);
}

static void
test_sequence_numbers_beyond_32_bits(void **state)
{
	struct frame_path path = make_path(FRAME_UDP, true);
	struct frame_shape s;

	for (int d = -3; d <= 3; d++) {
		uint64_t sequence = (UINT64_C(7) << 32) + (uint64_t)(int64_t)d, told;

		build(&path, 64, sequence, &s);
		for (int e = -3; e <= 3; e++) {
			told = (UINT64_C(7) << 32) + (uint64_t)(int64_t)e;
			assert_int_equal(
				frame_judge(flat, FRAME_AT + s.length, &path, &told), FRAME_GOOD);
			assert_true(told == sequence);
		}
	}
}

static void
test_cursor_steps_as_it_is_set(void **state)
{
	static const struct {
		uint32_t macs;
		uint16_t vlans;
	} rows[] = {{1, 0}, {7, 0}, {1, 4094}, {10, 3}, {3, 10}, {500, 4094}, {5000, 4094}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame_path path = make_path(FRAME_UDP, true);
		struct frame_cursor step, set;

		path.macs = rows[i].macs;
		path.vlans = rows[i].vlans;
		path.flows = path.macs > path.vlans ? path.macs : path.vlans;
		frame_cursor_set(&step, &path, 0);
		for (uint64_t n = 0; n < 20000; n++) {
			frame_cursor_set(&set, &path, n);
			assert_true(step.sequence == set.sequence && step.flow == set.flow &&
				    step.mac == set.mac && step.vlan == set.vlan);
			frame_cursor_step(&step, &path);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_valid),
		cmocka_unit_test(test_heads_make_the_same_frames),
		cmocka_unit_test(test_heads_notice_every_bit),
		cmocka_unit_test(test_judge_notices_every_bit),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_completed_checksums),
		cmocka_unit_test(test_sequence_numbers_beyond_32_bits),
		cmocka_unit_test(test_cursor_steps_as_it_is_set),
	};

	return cmocka_run_group_tests_name("bench_frame", tests, NULL, NULL);
}
