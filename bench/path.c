/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * path: what the packet path costs, without control plane, sockets or guests.
 *
 * One worker on one CPU, two vhost ports whose rings this process drives itself from another CPU:
 * every frame received is sent back with its addresses swapped, in place.  Reports the worker's
 * cycles per packet over many short windows: the lowest tenth tells what the code costs when nothing
 * else disturbs it.  For figures against other switches see `patchbay bench`.
 */
#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "bench/pair.h"
#include "datapath/datapath.h"
#include "lib/clock.h"
#include "vhost/vring_level.h"

#define WINDOWS   200
#define WINDOW_US 5000
#define WARM_NS   200000000
#define DIE(...)  (fprintf(stderr, "path: " __VA_ARGS__), fputc('\n', stderr), exit(1))

static struct pair_options options = {.size = 64, .ring = 1024, .flight = 1024};
static bool json;

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The values of all windows, sorted. */
static double cycles[WINDOWS], own[WINDOWS], rate[WINDOWS];

static void
measure(struct pair *pair)
{
	struct worker_stats before, after;

	for (unsigned w = 0; w < WINDOWS; w++) {
		uint64_t end = clock_ns() + WINDOW_US * 1000u, start = __rdtsc(), frames = 0,
			 busy = 0, packets;

		datapath_worker_stats(0, &before);
		while (clock_ns() < end)
			for (unsigned i = 0; i < 16; i++) {
				uint64_t t = __rdtsc();
				unsigned n = pair_turn(pair, 0) + pair_turn(pair, 1);

				frames += n;
				if (n)
					busy += __rdtsc() - t;
			}
		datapath_worker_stats(0, &after);
		packets = after.packets - before.packets;
		/* A window in which one of the threads did not run says nothing. */
		cycles[w] =
			packets ? (double)(after.busy_cycles - before.busy_cycles) / (double)packets
				: INFINITY;
		own[w] = frames ? (double)busy / (double)frames : INFINITY;
		rate[w] = (double)packets / ((double)(__rdtsc() - start) / (double)after.tsc_hz) /
			  1e6;
		datapath_dispatch();
	}
	qsort(cycles, WINDOWS, sizeof(cycles[0]), compare);
	qsort(own, WINDOWS, sizeof(own[0]), compare);
	qsort(rate, WINDOWS, sizeof(rate[0]), compare);
	if (isinf(cycles[WINDOWS / 10]) || isinf(own[WINDOWS / 10]))
		DIE("hardly anything was forwarded: other work keeps CPU 0 and 1 busy");
}

/* What programs read: bench/guard. */
static void
print_json(void)
{
	printf("{\"size\": %u, \"ring\": \"%s\", \"in_order\": %s, \"mergeable\": %s, "
	       "\"switch_cycles\": %.2f, \"switch_cycles_median\": %.2f, "
	       "\"traffic_cycles\": %.2f, \"mpps\": %.4f, \"mpps_best_tenth\": %.4f}\n",
		options.size, options.packed ? "packed" : "split",
		options.in_order ? "true" : "false", options.mergeable ? "true" : "false",
		cycles[WINDOWS / 10], cycles[WINDOWS / 2], own[WINDOWS / 10], rate[WINDOWS / 2],
		rate[WINDOWS * 9 / 10]);
}

static void
print_line(void)
{
	struct worker_stats stats;

	datapath_worker_stats(0, &stats);
	printf("packets %lu frames per turn %.1f  ", (unsigned long)stats.packets,
		(double)stats.packets / (double)(stats.turns + 1));
	printf("%5u B %-6s %s%s switch %6.1f cycles/packet (median %.1f)  traffic side %.1f  "
	       "rate %.2f Mpps (best tenth %.2f)\n",
		options.size, options.packed ? "packed" : "split",
		options.in_order ? "in-order " : "", options.mergeable ? "mrg" : "",
		cycles[WINDOWS / 10], cycles[WINDOWS / 2], own[WINDOWS / 10], rate[WINDOWS / 2],
		rate[WINDOWS * 9 / 10]);
}

static void
print_drops(const struct pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct port *port = &pair->sides[i].device.port;
		struct port_counters c;

		datapath_port_counters(port, &c);
		for (unsigned d = 0; d < DROP_COUNT; d++)
			if (c.drops[d])
				fprintf(json ? stderr : stdout, "%s: %s %llu\n", port->name,
					drop_name((enum drop)d), (unsigned long long)c.drops[d]);
	}
}

static void
parse(int argc, char **argv)
{
	struct err err;
	int c;

	while ((c = getopt(argc, argv, "s:r:f:v:pimbHj")) != -1) {
		switch (c) {
		case 's':
			options.size = (unsigned)atoi(optarg);
			break;
		case 'r':
			options.ring = (unsigned)atoi(optarg);
			break;
		case 'f':
			options.flight = (unsigned)atoi(optarg);
			break;
		case 'v':
			if (vring_level_select(optarg, &err))
				DIE("%s", err.text);
			break;
		case 'p':
			options.packed = true;
			break;
		case 'i':
			options.in_order = true;
			break;
		case 'm':
			options.mergeable = true;
			break;
		case 'H':
			options.huge = true;
			break;
		case 'b':
			options.big = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			DIE("-s SIZE -r RING -f FRAMES_IN_FLIGHT -v(ectors) LEVEL -p(acked) -i(n order) -m(ergeable) -H(ugepages) -b(ig "
			    "buffers) -j(son)");
		}
	}
}

int
main(int argc, char **argv)
{
	struct datapath_options datapath = {.cpus = {0}, .cpu_count = 1, .busy_poll = true};
	struct bridge_settings bridge = {.fdb_capacity = 65536, .ageing_s = 300};
	struct port_settings settings = {
		.mac_limit = 256, .drop_reserved = true, .storm_pps = {1000, 1000, 1000}};
	static struct pair pair;
	unsigned number;
	cpu_set_t cpu;
	struct err err;

	parse(argc, argv);
	if (datapath_start(&datapath, &err) || pair_open(&pair, &options, &err) ||
		datapath_bridge_add(&bridge, &number, &err))
		DIE("%s", err.text);
	CPU_ZERO(&cpu);
	CPU_SET(1, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	settings.bridge = (int)number;
	for (unsigned i = 0; i < 2; i++) {
		const struct mac mac = pair_mac(i, 0);

		if (datapath_port_add(&pair.sides[i].device.port, &settings, &err))
			DIE("%s", err.text);
		fdb_add_static(datapath_bridge_fdb(number), fdb_make_key(mac.b, 0),
			pair.sides[i].device.port.index);
	}
	pair_fill(&pair);
	for (uint64_t end = clock_ns() + WARM_NS; clock_ns() < end;) {
		pair_turn(&pair, 0);
		pair_turn(&pair, 1);
		datapath_dispatch();
	}
	measure(&pair);
	if (json)
		print_json();
	else
		print_line();
	print_drops(&pair);
	return 0;
}
