/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rates of ports: what a frame costs, what a bucket gives, what passes of a burst.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_cycles.h>

#include "datapath/police.h"
#include "tests/unit/check_bench.h"

#define RATE 1000000 /* tokens per second */

static struct rte_meter_srtcm_profile
profile_of(uint64_t rate, uint64_t burst)
{
	struct rte_meter_srtcm_params params = {.cir = rate, .cbs = burst};
	struct rte_meter_srtcm_profile profile;

	assert_int_equal(rte_meter_srtcm_profile_config(&profile, &params), 0);
	return profile;
}

static uint64_t
ms(uint64_t n)
{
	return rte_get_tsc_hz() / 1000 * n;
}

static void
test_bucket(void **state)
{
	struct rte_meter_srtcm_profile p = profile_of(RATE, 5000);
	struct meter m = {.tokens = METER_FULL};
	uint64_t now = ms(100000);

	(void)state;
	/* Full at first, and all or nothing. */
	assert_false(meter_take(&m, &p, now, 5001));
	assert_true(meter_take(&m, &p, now, 4000));
	assert_false(meter_take(&m, &p, now, 1001));
	assert_true(meter_take(&m, &p, now, 1000));
	assert_false(meter_take(&m, &p, now, 1));
	/* Given back is there again; no more than the bucket holds. */
	meter_return(&m, 300);
	assert_true(meter_take(&m, &p, now, 300));
	meter_return(&m, 50000);
	assert_false(meter_take(&m, &p, now, 5001));
	assert_true(meter_take(&m, &p, now, 5000));
	/* It fills at the rate; rte_meter rounds periods down by less than a hundredth. */
	assert_false(meter_take(&m, &p, now + ms(1), 1011));
	assert_true(meter_take(&m, &p, now + ms(1), 985));
	/* A worker whose turn began earlier finds no tokens of the time between, and makes none. */
	assert_false(meter_take(&m, &p, now, 200));
	assert_false(meter_take(&m, &p, now + ms(1), 200));
}

static struct rte_meter_srtcm_profile shared_profile;
static struct meter shared;
static _Atomic uint64_t shared_taken;

static void *
take_some(void *arg)
{
	for (unsigned i = 0; i < 20000; i++)
		if (meter_take(&shared, &shared_profile, ms(1000), 3))
			shared_taken += 3;
	return arg;
}

/* Two threads take no more together than there is, and nothing gets lost. */
static void
test_shared_bucket(void **state)
{
	pthread_t threads[2];

	(void)state;
	shared_profile = profile_of(1, 90000);
	shared = (struct meter){.time = ms(1000), .tokens = 90000};
	for (unsigned t = 0; t < 2; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, take_some, NULL), 0);
	for (unsigned t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(shared_taken + shared.tokens, 90000);
	assert_in_range(shared.tokens, 0, 30000);
}

struct cost_row {
	uint32_t len;
	uint8_t needs, tcp_words;
	uint16_t csum_start, gso_size;
	uint32_t bytes, packets;
};

static const struct cost_row cost_rows[] = {
	{60, 0, 0, 0, 0, 60, 1},
	{1514, OFFLOAD_CSUM, 5, 34, 0, 1514, 1},
	/* 54 and 66 bytes of headers, 1460 and 1448 of payload in each segment */
	{54 + 14600, OFFLOAD_CSUM | OFFLOAD_TSO4, 5, 34, 1460, 10 * 1514, 10},
	{54 + 14601, OFFLOAD_CSUM | OFFLOAD_TSO4, 5, 34, 1460, 10 * 1514 + 55, 11},
	{66 + 2896, OFFLOAD_CSUM | OFFLOAD_TSO4, 8, 34, 1448, 2 * 1514, 2},
	{86 + 2856, OFFLOAD_CSUM | OFFLOAD_TSO6, 8, 54, 1428, 2 * 1514, 2},
	/* one segment only */
	{66 + 100, OFFLOAD_CSUM | OFFLOAD_TSO4, 8, 34, 1448, 166, 1},
	{42 + 3000, OFFLOAD_CSUM | OFFLOAD_USO, 5, 34, 1000, 3 * 1042, 3},
	/* what a guest may say that lies */
	{66, OFFLOAD_CSUM | OFFLOAD_TSO4, 15, 60, 1, 66, 1},
	{1000, OFFLOAD_CSUM | OFFLOAD_TSO4, 5, 34, 1, 946 * 55, 946},
	{65553, OFFLOAD_CSUM | OFFLOAD_TSO4, 5, 34, 1, 65499 * 55, 65499},
	{65553, OFFLOAD_CSUM | OFFLOAD_TSO6, 5, 65535, 1, 65553, 1},
	{65553, OFFLOAD_CSUM | OFFLOAD_TSO6, 0, 65000, 100, 65553 + 5 * 65020, 6},
};

static void
test_cost(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cost_rows) / sizeof(cost_rows[0]); i++) {
		const struct cost_row *r = &cost_rows[i];
		uint32_t head_len = r->len < FRAME_PREFIX ? r->len : FRAME_PREFIX;
		uint8_t head[FRAME_PREFIX] = {0};
		struct police_cost cost;
		struct frame *f;

		if (r->csum_start + 12u < head_len)
			head[r->csum_start + 12] = (uint8_t)(r->tcp_words << 4);
		check_bench_clear(NULL);
		f = check_bench_add(head, head_len, r->len);
		f->needs = r->needs;
		f->csum_start = r->csum_start;
		f->gso_size = r->gso_size;
		cost = police_cost(f);
		assert_int_equal(cost.packets, r->packets);
		assert_int_equal(cost.bytes, r->bytes);
	}
}

static void
add_frames(unsigned count, unsigned len)
{
	uint8_t head[60] = {0};

	while (count--)
		check_bench_add(head, sizeof(head), len);
}

static void
limit(struct snapshot_rate *rate, uint64_t bytes, uint64_t byte_burst, uint64_t packets,
	uint64_t packet_burst)
{
	rate->limit_bytes = bytes != 0;
	rate->limit_packets = packets != 0;
	if (bytes)
		rate->bytes = profile_of(bytes, byte_burst);
	if (packets)
		rate->packets = profile_of(packets, packet_burst);
	check_worker->tsc = ms(100000);
}

static void
test_bytes(void **state)
{
	struct snapshot_port *p = &check_ports[0];

	(void)state;
	limit(&p->in_rate, RATE, 10000, 0, 0);
	add_frames(9, 1000);
	add_frames(2, 600);
	add_frames(1, 300);
	/* Not all of it fits: the first ten do, and the small one at the end. */
	assert_int_equal(police_in(check_worker, p, check_bench_all()), 0xbff);
	assert_int_equal(check_bench_drops(0, DROP_RATE_IN), 1);
	assert_int_equal(police_in(check_worker, p, 0x7), 0);
	assert_int_equal(check_bench_drops(0, DROP_RATE_IN), 4);
	check_worker->tsc += ms(4);
	assert_int_equal(police_in(check_worker, p, 0x7), 0x7);
	/* The other direction, and the other port, have buckets of their own. */
	limit(&p->out_rate, RATE, 10000, 0, 0);
	assert_int_equal(police_out(check_worker, p, 0x1ff), 0x1ff);
	assert_int_equal(check_bench_drops(0, DROP_RATE_OUT), 0);
}

static void
test_packets(void **state)
{
	struct snapshot_port *p = &check_ports[1];

	(void)state;
	limit(&p->out_rate, 0, 0, 1000, 40);
	add_frames(64, 60);
	assert_int_equal(police_out(check_worker, p, UINT64_MAX), (UINT64_C(1) << 40) - 1);
	assert_int_equal(check_bench_drops(1, DROP_RATE_OUT), 24);
}

/* What one limit refuses is no charge to the other. */
static void
test_both(void **state)
{
	struct snapshot_port *p = &check_ports[0];

	(void)state;
	limit(&p->in_rate, RATE, 10000, 1000, 5);
	add_frames(10, 1000);
	assert_int_equal(police_in(check_worker, p, 0x3ff), 0x1f);
	assert_int_equal(p->in_rate.meters->bytes.tokens, 5000);
	assert_int_equal(p->in_rate.meters->packets.tokens, 0);
}

/* Large frames count with the headers of all their segments, in a burst as alone. */
static void
test_large(void **state)
{
	struct snapshot_port *p = &check_ports[0];
	uint8_t head[FRAME_PREFIX] = {[46] = 5 << 4};

	(void)state;
	limit(&p->in_rate, RATE, 10 * 1514 + 60 + 14, 0, 0);
	add_frames(1, 60);
	for (unsigned i = 0; i < 2; i++) {
		struct frame *f = check_bench_add(head, sizeof(head), 54 + 5 * 1460);

		f->needs = OFFLOAD_CSUM | OFFLOAD_TSO4;
		f->csum_start = 34;
		f->gso_size = 1460;
		check_worker->needs |= f->needs;
	}
	assert_int_equal(police_in(check_worker, p, 7), 7);
	assert_int_equal(p->in_rate.meters->bytes.tokens, 14);
}

static void
test_isolate(void **state)
{
	(void)state;
	add_frames(3, 60);
	check_ports[1].isolated = true;
	assert_int_equal(isolate_out(check_worker, &check_ports[1], 7), 7);
	check_ports[0].isolated = true;
	assert_int_equal(isolate_out(check_worker, &check_ports[1], 7), 0);
	assert_int_equal(check_bench_drops(1, DROP_ISOLATED), 3);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, check_bench_clear)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_shared_bucket),
		TEST(test_cost),
		TEST(test_bytes),
		TEST(test_packets),
		TEST(test_both),
		TEST(test_large),
		TEST(test_isolate),
	};

	return cmocka_run_group_tests(tests, check_bench_start, check_bench_stop);
}
