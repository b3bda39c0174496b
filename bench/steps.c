/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steps: the packet path between two vhost ports step by step on one thread, for counting its
 * instructions.
 *
 * A worker without a thread forwards bursts of known size, with the settings that ports of virtual
 * machines have and addresses that were learnt; between its turns the driver side gives the frames
 * back.  Nothing depends on time or on another thread: each turn costs the same instructions.  All
 * that is to be counted happens in steps_measured(); bench/instructions runs this under callgrind
 * and collects that function.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "bench/pair.h"
#include "datapath/forward.h"
#include "datapath/topology.h"
#include "lib/parse.h"
#include "vhost/vring_level.h"

#define TURNS_WARM 64 /* every descriptor of a ring of 1024 has been used once with bursts of 32 */
#define TSC_HZ     1000 /* the clock stands still */
#define NOW_S      1
#define DIE(...)   (fprintf(stderr, "steps: " __VA_ARGS__), fputc('\n', stderr), exit(1))

static struct pair pair;
static struct topology topology;
static struct worker worker;
static struct sightings sightings;
static struct rate_meters rate_meters[2][2]; /* in, out */
static struct meter storm_meters[2][STORM_CLASSES];
static struct port_counters counters[2][WORKER_MAX];

/* What ports can ask for beyond plain switching, one at a time. */
static void
ask_mac_lock(struct port_settings *s, unsigned side)
{
	s->mac_lock = true;
	s->mac = pair_mac(side, 0);
	for (unsigned n = 1; n < PAIR_MACS; n++)
		s->macs.macs[s->macs.count++] = pair_mac(side, n);
}

static void
ask_ip_lock(struct port_settings *s, unsigned side)
{
	struct ip_prefix own = {.version = 4, .len = 24, .bytes = {10}};

	(void)side;
	s->ip_lock = true;
	s->addresses.count = 1;
	s->addresses.prefixes[0] = own;
}

static void
ask_guards(struct port_settings *s, unsigned side)
{
	(void)side;
	s->dhcp_guard = true;
	s->ra_guard = true;
}

static void
ask_isolation(struct port_settings *s, unsigned side)
{
	s->isolated = side == 0;
}

/* More than passes: no bucket is ever empty. */
static const struct port_rate never_reached = {
	.bits = UINT64_C(1000000000000), .burst = UINT64_C(1) << 40, .packets = 1000000000};

static void
ask_in_rate(struct port_settings *s, unsigned side)
{
	(void)side;
	s->in_rate = never_reached;
}

static void
ask_out_rate(struct port_settings *s, unsigned side)
{
	(void)side;
	s->out_rate = never_reached;
}

/* Ten rules, none of which matches the frames of this program. */
static const struct filter *
ten_rules(void)
{
	static struct filter *filter;
	struct filter_rule rules[10];
	char texts[10][32];
	struct err err;

	for (unsigned i = 0; i < 10; i++) {
		snprintf(texts[i], sizeof(texts[i]), "tcp dst port %u", i + 1);
		rules[i] = (struct filter_rule){
			.priority = i + 1, .deny = true, .expression = texts[i]};
	}
	if (!filter && filter_create(&filter, rules, 10, false, 1, &err))
		DIE("%s", err.text);
	return filter;
}

static void
ask_in_filter(struct port_settings *s, unsigned side)
{
	(void)side;
	s->filters[FILTER_DIRECTION_IN] = ten_rules();
}

static void
ask_out_filter(struct port_settings *s, unsigned side)
{
	(void)side;
	s->filters[FILTER_DIRECTION_OUT] = ten_rules();
}

static void
ask_vlan(struct port_settings *s, unsigned side)
{
	(void)side;
	s->vlan_mode = VLAN_ACCESS;
	s->tag = 10;
}

/* What goes to the second side gets a tag. */
static void
ask_vlan_tag(struct port_settings *s, unsigned side)
{
	s->vlan_mode = side ? VLAN_NATIVE_TAGGED : VLAN_ACCESS;
	s->tag = 10;
}

static void
ask_loop_guard(struct bridge_settings *s)
{
	s->loop_guard = true;
}

static void
ask_snooping(struct bridge_settings *s)
{
	s->mcast_snooping = true;
}

static const struct feature {
	const char *name;
	void (*ask)(struct port_settings *settings, unsigned side);
	void (*ask_bridge)(struct bridge_settings *settings);
} features[] = {
	{"vlan", ask_vlan},
	{"vlan-tag", ask_vlan_tag},
	{"loop-guard", NULL, ask_loop_guard},
	{"mcast-snooping", NULL, ask_snooping},
	{"mac-lock", ask_mac_lock},
	{"ip-lock", ask_ip_lock},
	{"guards", ask_guards},
	{"isolated", ask_isolation},
	{"in-rate", ask_in_rate},
	{"out-rate", ask_out_rate},
	{"in-filter", ask_in_filter},
	{"out-filter", ask_out_filter},
};

static const struct feature *feature; /* NULL = none */

static void
feature_choose(const char *name)
{
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strcmp(features[i].name, name) == 0)
			feature = &features[i];
	if (!feature)
		DIE("%s: no such feature", name);
}

/* rte_meter asks DPDK's environment, which is not there, for the clock's rate. */
static void
rate_fix(struct snapshot_rate *rate)
{
	rate->bytes.cir_period = rate->packets.cir_period = 100;
	rate->bytes.cir_bytes_per_period = rate->packets.cir_bytes_per_period = 1;
}

/* One bridge, two ports, one worker: what datapath_port_add() would have noted. */
static void
describe(void)
{
	struct bridge_slot *bridge = &topology.bridges[0];
	struct err err;

	topology.workers = 1;
	bridge->used = true;
	bridge->settings.fdb_capacity = FDB_CAPACITY_DEFAULT;
	bridge->settings.ageing_s = FDB_AGEING_DEFAULT_S;
	if (feature && feature->ask_bridge)
		feature->ask_bridge(&bridge->settings);
	if (fdb_create(&bridge->fdb, FDB_CAPACITY_DEFAULT, &err))
		DIE("%s", err.text);
	for (unsigned i = 0; i < 2; i++) {
		struct port_slot *slot = &topology.ports[i];
		slot->port = &pair.sides[i].device.port;
		slot->port->index = (uint16_t)i;
		slot->port->counters = counters[i];
		slot->generation = i + 1;
		slot->settings.drop_reserved = true;
		slot->settings.mac_limit = 256;
		for (unsigned c = 0; c < STORM_CLASSES; c++)
			slot->settings.storm_pps[c] = 1000;
		slot->storm_meters = storm_meters[i];
		slot->meters = rate_meters[i];
		for (unsigned m = 0; m < 2; m++)
			rate_meters[i][m].bytes.tokens = rate_meters[i][m].packets.tokens =
				METER_FULL;
		if (feature && feature->ask)
			feature->ask(&slot->settings, i);
		for (unsigned n = 0; n < PAIR_MACS; n++) {
			const struct mac mac = pair_mac(i, n);

			fdb_learn(bridge->fdb, fdb_make_key(mac.b, slot->settings.tag), i, NOW_S);
		}
	}
}

static void
worker_make(void)
{
	struct snapshot *s = snapshot_build(&topology);

	if (!s || offload_create(&worker.offload))
		DIE("no memory");
	for (unsigned i = 0; i < 2; i++) {
		rate_fix(&s->ports[i].in_rate);
		rate_fix(&s->ports[i].out_rate);
	}
	worker.now = s;
	worker.tsc_hz = TSC_HZ;
	worker.sightings = &sightings;
	worker.now_s = NOW_S;
	for (unsigned i = 0; i < 2; i++)
		worker.ports[i].usual = PORT_MAX;
}

/* What a worker's turn does when it has found work: visits its queues, then notifies. */
static __attribute__((noinline)) unsigned
turn(void)
{
	const struct snapshot_worker *mine = &worker.now->workers[0];
	unsigned frames = 0;

	for (unsigned i = 0; i < mine->poll_count; i++)
		frames += forward_queue(
			&worker, &mine->poll[i], &mine->poll[i + 1 < mine->poll_count ? i + 1 : 0]);
	for (unsigned t = 0; t < worker.touched_count; t++) {
		struct worker_port *notes = &worker.ports[worker.touched[t]];
		struct port *port = worker.now->ports[worker.touched[t]].port;

		if (notes->tx_touched)
			port->ops->tx_flush(port, 0);
		if (notes->rx_touched)
			port->ops->rx_flush(port, 0);
		notes->tx_touched = 0;
		notes->rx_touched = 0;
	}
	worker.touched_count = 0;
	return frames;
}

__attribute__((noinline)) unsigned steps_measured(void);

unsigned
steps_measured(void)
{
	return turn();
}

/* The driver side, until nothing is left to do. */
static void
give_back(unsigned frames)
{
	unsigned back = 0, n;

	do {
		n = pair_turn(&pair, 0) + pair_turn(&pair, 1);
		back += n;
	} while (n);
	if (back != frames)
		DIE("the worker forwarded %u frames, %u came back", frames, back);
}

static unsigned
number(const char *text, unsigned most)
{
	uint64_t value;

	if (parse_u64(text, 1, most, &value))
		DIE("%s: a number from 1 to %u is expected", text, most);
	return (unsigned)value;
}

int
main(int argc, char **argv)
{
	struct pair_options options = {.size = 64, .ring = 1024, .flight = PAIR_BURST};
	unsigned turns = 256;
	uint64_t packets = 0, best = UINT64_MAX;
	bool cycles = false;
	struct err err;
	int c;

	while ((c = getopt(argc, argv, "s:b:n:v:f:pimdc")) != -1) {
		switch (c) {
		case 's':
			options.size = number(optarg, 2000);
			break;
		case 'b':
			options.flight = number(optarg, FRAME_BURST);
			break;
		case 'n':
			turns = number(optarg, 1000000);
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
		case 'd':
			options.mixed = true;
			break;
		case 'f':
			feature_choose(optarg);
			break;
		case 'c':
			cycles = true;
			break;
		default:
			DIE("-f FEATURE -d(ifferent frames) -c(ycles) -s SIZE -b BURST -n TURNS -v(ectors) LEVEL -p(acked) -i(n order) -m(ergeable)");
		}
	}
	if (pair_open(&pair, &options, &err))
		DIE("%s", err.text);
	describe();
	worker_make();
	pair_fill(&pair);
	for (unsigned i = 0; i < TURNS_WARM; i++)
		give_back(turn());
	for (unsigned i = 0; i < turns; i++) {
		uint64_t start = __rdtsc(), spent;
		unsigned n = steps_measured();

		spent = __rdtsc() - start;
		best = spent < best ? spent : best;
		if (n != 2 * options.flight)
			DIE("%u frames in a turn instead of %u", n, 2 * options.flight);
		packets += n;
		give_back(n);
	}
	printf("packets %" PRIu64 "\n", packets);
	if (cycles)
		printf("cycles %.1f\n", (double)best / (2 * options.flight));
	return 0;
}
