/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The work on rings is compiled for several levels of vectors: the same traffic must leave the same
 * bytes in the memory of both guests, rings included, and the same counts, whatever the level.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/unit/vring_side.h"
#include "vhost/vring_level.h"

#define MEMORY (UINT64_C(2) << 20)
#define ROUNDS 80
#define BATCH  70 /* more than a burst */

static struct burst burst;
static uint8_t frame[DRIVER_NET_FRAME_MAX], received[DRIVER_NET_FRAME_MAX];
static uint64_t random_state;

static uint32_t
random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

/* All that a level may change. */
struct result {
	uint8_t *memory[2];
	uint64_t size[2];
	struct port_counters counters[2];
	uint32_t received; /* sum of lengths, headers and first bytes */
};

static uint64_t
features_of(unsigned bits)
{
	static const unsigned each[] = {VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER,
		VIRTIO_NET_F_MRG_RXBUF, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX};
	uint64_t features = VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_NET_F_CSUM) |
			    VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM);

	for (unsigned i = 0; i < 5; i++)
		if (bits >> i & 1)
			features |= VIRTIO_BIT(each[i]);
	return features;
}

static void
send_some(struct side *from)
{
	const struct virtio_net_hdr csum = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
	unsigned count = 1 + random_below(BATCH);

	for (unsigned i = 0; i < count; i++) {
		/* Each way to copy: every short length, and some long ones. */
		uint32_t len = 14 + random_below(random_below(4) ? 300 : 4000);
		bool asks = len > 60 && !random_below(8);

		for (unsigned k = 0; k < len; k += 4) {
			uint32_t word = random_below(UINT32_MAX);

			memcpy(frame + k, &word, 4);
		}
		if (driver_net_send(from->net, 0, asks ? &csum : NULL, frame, len))
			break;
	}
	driver_net_flush(from->net, 0);
}

static void
receive_all(struct side *to, struct result *result)
{
	struct virtio_net_hdr header;
	int len;

	while ((len = driver_net_receive(to->net, 0, &header, received, sizeof(received)))) {
		assert_true(len > 0);
		result->received = result->received * 31 + (uint32_t)len + header.flags +
				   received[0] + received[len - 1];
	}
	driver_net_flush(to->net, 0);
}

static void
keep(struct result *result, unsigned i, const struct side *side)
{
	result->size[i] = side->memory->size;
	result->memory[i] = malloc(result->size[i]);
	assert_non_null(result->memory[i]);
	memcpy(result->memory[i], side->memory->host, result->size[i]);
	result->counters[i] = side->counters;
}

static void
run(unsigned bits, bool chains, unsigned regions, struct result *result)
{
	const struct driver_net_options options = {
		.features = features_of(bits),
		.rx_size = 128,
		.tx_size = 128,
		.start_set = true,
		.start = bits & 1 ? DRIVER_RING_START(true) : 65500,
		.rx_buffer = bits & 4 ? 1024 : 4200,
		.tx_buffer = 4096,
		.rx_pieces = chains ? 2 : 1,
		.tx_pieces = chains ? 3 : 1,
		.tx_header_apart = chains,
		.indirect = bits & 8,
	};
	struct side a, b;

	memset(result, 0, sizeof(*result));
	random_state = 0x2545f4914f6cdd1dull;
	side_open(&a, &options, MEMORY, regions);
	side_open(&b, &options, MEMORY, regions);
	driver_net_fill(a.net, 0);
	driver_net_fill(b.net, 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool turned = random_below(2);
		struct side *from = turned ? &a : &b, *to = turned ? &b : &a;

		send_some(from);
		/* Sometimes the receiver is not given its buffers back, and runs dry. */
		while (side_forward(from, to, &burst))
			;
		driver_net_reclaim(from->net, 0);
		if (random_below(3))
			receive_all(to, result);
	}
	keep(result, 0, &a);
	keep(result, 1, &b);
	side_close(&a);
	side_close(&b);
	/* The next level begins with the same memory. */
	side_forget(NULL);
}

static void
compare(const struct result *want, const struct result *got, const char *text)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(want->size[i], got->size[i]);
		if (memcmp(want->memory[i], got->memory[i], want->size[i]) == 0)
			continue;
		for (uint64_t at = 0; at < want->size[i]; at++)
			if (want->memory[i][at] != got->memory[i][at])
				fail_msg("%s: guest %u differs at byte %llu", text, i,
					(unsigned long long)at);
		assert_memory_equal(
			&want->counters[i], &got->counters[i], sizeof(want->counters[i]));
	}
	assert_int_equal(want->received, got->received);
}

static void
forget(struct result *result)
{
	free(result->memory[0]);
	free(result->memory[1]);
}

static void
test_same_bytes(void **state)
{
	struct err err;

	(void)state;
	if (vring_level_best() == VRING_LEVEL_V2) {
		print_message("this processor has one level only\n");
		skip();
	}
	for (unsigned bits = 0; bits < 128; bits++) {
		unsigned regions = bits & 64 ? 50 : 1;
		struct result want, got;

		assert_int_equal(vring_level_select("x86-64-v2", &err), 0);
		run(bits & 31, bits & 32, regions, &want);
		assert_true(want.counters[0].tx_packets > 300);
		assert_true(want.counters[0].tx_packets + want.counters[1].tx_packets <
			    want.counters[0].rx_packets + want.counters[1].rx_packets);
		for (unsigned level = VRING_LEVEL_V3; level <= vring_level_best(); level++) {
			const char *name = vring_level_name((enum vring_level)level);
			char text[100];

			snprintf(text, sizeof(text), "%s, features %u, chains %d, regions %u", name,
				bits & 31, !!(bits & 32), regions);
			assert_int_equal(vring_level_select(name, &err), 0);
			run(bits & 31, bits & 32, regions, &got);
			compare(&want, &got, text);
			forget(&got);
		}
		forget(&want);
	}
	assert_int_equal(vring_level_select("auto", &err), 0);
}

static void
test_select(void **state)
{
	enum vring_level best = vring_level_best();
	struct err err;

	(void)state;
	assert_int_equal(vring_level(), best);
	assert_int_equal(vring_level_select("x86-64-v5", &err), -EINVAL);
	assert_non_null(strstr(err.text, "x86-64-v5"));
	assert_int_equal(vring_level(), best);
	for (unsigned level = 0; level < VRING_LEVEL_COUNT; level++) {
		const char *name = vring_level_name((enum vring_level)level);

		if (level > best) {
			assert_int_equal(vring_level_select(name, &err), -ENOTSUP);
			assert_non_null(strstr(err.text, vring_level_name(best)));
			continue;
		}
		assert_int_equal(vring_level_select(name, &err), 0);
		assert_int_equal(vring_level(), level);
	}
	assert_int_equal(vring_level_select("auto", &err), 0);
	assert_int_equal(vring_level(), best);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_same_bytes),
	};

	return cmocka_run_group_tests_name("vring_levels", tests, NULL, side_forget);
}
