/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "datapath/pull.h"
#include "tests/unit/check_bench.h"

struct worker *check_worker;
struct snapshot_port check_ports[2];

static struct port ports[2];
static struct port_counters counters[2];
static struct rate_meters meters[4];

int
check_bench_start(void **state)
{
	struct datapath_options options = {0};
	struct err err;

	(void)state;
	check_worker = aligned_alloc(64, (sizeof(*check_worker) + 63) / 64 * 64);
	if (!check_worker)
		return -1;
	check_worker->pull = NULL;
	return datapath_start(&options, &err);
}

int
check_bench_stop(void **state)
{
	(void)state;
	free(check_worker->pull);
	free(check_worker);
	datapath_stop();
	return 0;
}

int
check_bench_clear(void **state)
{
	(void)state;
	free(check_worker->pull);
	memset(check_worker, 0, sizeof(*check_worker));
	check_worker->pull = malloc(sizeof(*check_worker->pull));
	memset(check_ports, 0, sizeof(check_ports));
	memset(counters, 0, sizeof(counters));
	memset(meters, 0, sizeof(meters));
	for (unsigned m = 0; m < 4; m++)
		meters[m].bytes.tokens = meters[m].packets.tokens = METER_FULL;
	for (unsigned p = 0; p < 2; p++) {
		ports[p].index = (uint16_t)p;
		ports[p].counters = &counters[p];
		check_ports[p].port = &ports[p];
		check_ports[p].generation = p + 1;
		check_ports[p].in_rate.meters = &meters[2 * p];
		check_ports[p].out_rate.meters = &meters[2 * p + 1];
	}
	check_worker->source = &check_ports[0];
	return 0;
}

struct frame *
check_bench_add(const void *head, unsigned head_len, unsigned len)
{
	struct burst *burst = &check_worker->burst;
	struct frame *f = &burst->frames[burst->count];

	frame_clear(f);
	f->data = burst->slots[burst->count++].bytes;
	memcpy(f->data, head, head_len);
	f->head_len = (uint16_t)head_len;
	f->len = len;
	burst->bytes += len;
	return f;
}

struct frame *
check_bench_split(const void *bytes, unsigned head_len, unsigned len)
{
	struct burst *burst = &check_worker->burst;
	struct frame *f = check_bench_add(bytes, head_len, len);
	struct frame_seg *seg = &burst->segs[burst->segs_used++];

	seg->addr = (const uint8_t *)bytes + head_len;
	seg->len = len - head_len;
	f->segs = seg;
	f->seg_count = 1;
	return f;
}

uint64_t
check_bench_all(void)
{
	unsigned n = check_worker->burst.count;

	return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

uint64_t
check_bench_drops(unsigned port, enum drop drop)
{
	return counters[port].drops[drop];
}
