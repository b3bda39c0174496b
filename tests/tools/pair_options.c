/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/pair_options.h"
#include "vhost/driver_net.h"

static const char usage[] =
	"usage: vhost_pair [options] SOCKET-A SOCKET-B\n"
	"\n"
	"what is sent\n"
	"  --frames N          frames per direction (default 10000)\n"
	"  --seconds S         send for S seconds instead\n"
	"  --sizes N,N,...     frame lengths, in turn (default 64,1500)\n"
	"  --protocol P        plain, udp4, udp6, tcp4, tcp6 (default plain)\n"
	"  --csum              leave TCP and UDP checksums to the switch\n"
	"  --gso N             TSO or USO with N bytes per segment\n"
	"  --one-way           only from A to B\n"
	"  --rate N            frames per second and direction (default: as fast as the window lets)\n"
	"  --window N          most frames under way per direction (default: half of the ring)\n"
	"how it is sent\n"
	"  --packed --in-order --mergeable --event-idx --indirect    ring features to negotiate\n"
	"  --no-offload-b      B accepts no offloads: the switch has to do them\n"
	"  --ring N            entries (default 256)\n"
	"  --queues N          queue pairs (default 1); frames go out on them in turn\n"
	"  --pieces N          descriptors per frame (default 1)\n"
	"  --wait              sleep until the switch calls, instead of polling\n"
	"  --listen            wait for the switch to connect (its ports have mode=client)\n"
	"  --hugepages         guest memory in 2 MiB pages\n"
	"when\n"
	"  --timeout MS        for connecting and for each answer (default 5000)\n"
	"  --reconnect         go on with the same rings when the switch goes away\n"
	"  --inflight          keep the region that tells the next switch where rings stopped\n"
	"  --since NS          CLOCK_MONOTONIC time that first_frame_ms counts from (default: start)\n"
	"  --settle MS         keep receiving after the last frame, for late doubles (default 20)\n"
	"\n"
	"SIGUSR1 prints what was sent and received so far, and the longest time between two arrivals\n"
	"since the last SIGUSR1, as a line of JSON.\n";

void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("vhost_pair: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

static uint64_t
number(const char *name, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || value < least || value > most)
		die("--%s %s: expected a number from %llu to %llu", name, text,
			(unsigned long long)least, (unsigned long long)most);
	return value;
}

static void
parse_sizes(struct options *o, char *text)
{
	for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
		if (o->size_count == SIZES_MAX)
			die("--sizes: at most %d", SIZES_MAX);
		o->sizes[o->size_count++] = (unsigned)number("sizes", part, 14, PROBE_MAX);
	}
}

static enum probe_protocol
parse_protocol(const char *text)
{
	static const char *const names[] = {"plain", "udp4", "udp6", "tcp4", "tcp6"};

	for (unsigned i = 0; i < 5; i++)
		if (!strcmp(names[i], text))
			return (enum probe_protocol)i;
	die("--protocol %s: expected plain, udp4, udp6, tcp4 or tcp6", text);
}

enum option_id {
	O_FRAMES = 1,
	O_SECONDS,
	O_SIZES,
	O_PROTOCOL,
	O_CSUM,
	O_GSO,
	O_ONE_WAY,
	O_RATE,
	O_WINDOW,
	O_PACKED,
	O_IN_ORDER,
	O_MERGEABLE,
	O_EVENT_IDX,
	O_INDIRECT,
	O_NO_OFFLOAD_B,
	O_RING,
	O_QUEUES,
	O_PIECES,
	O_WAIT,
	O_LISTEN,
	O_HUGEPAGES,
	O_TIMEOUT,
	O_RECONNECT,
	O_INFLIGHT,
	O_SINCE,
	O_SETTLE,
	O_HELP,
};

static const struct option long_options[] = {
	{"frames", required_argument, NULL, O_FRAMES},
	{"seconds", required_argument, NULL, O_SECONDS},
	{"sizes", required_argument, NULL, O_SIZES},
	{"protocol", required_argument, NULL, O_PROTOCOL},
	{"csum", no_argument, NULL, O_CSUM},
	{"gso", required_argument, NULL, O_GSO},
	{"one-way", no_argument, NULL, O_ONE_WAY},
	{"rate", required_argument, NULL, O_RATE},
	{"window", required_argument, NULL, O_WINDOW},
	{"packed", no_argument, NULL, O_PACKED},
	{"in-order", no_argument, NULL, O_IN_ORDER},
	{"mergeable", no_argument, NULL, O_MERGEABLE},
	{"event-idx", no_argument, NULL, O_EVENT_IDX},
	{"indirect", no_argument, NULL, O_INDIRECT},
	{"no-offload-b", no_argument, NULL, O_NO_OFFLOAD_B},
	{"ring", required_argument, NULL, O_RING},
	{"queues", required_argument, NULL, O_QUEUES},
	{"pieces", required_argument, NULL, O_PIECES},
	{"wait", no_argument, NULL, O_WAIT},
	{"listen", no_argument, NULL, O_LISTEN},
	{"hugepages", no_argument, NULL, O_HUGEPAGES},
	{"timeout", required_argument, NULL, O_TIMEOUT},
	{"reconnect", no_argument, NULL, O_RECONNECT},
	{"inflight", no_argument, NULL, O_INFLIGHT},
	{"since", required_argument, NULL, O_SINCE},
	{"settle", required_argument, NULL, O_SETTLE},
	{"help", no_argument, NULL, O_HELP},
	{0},
};

/* Options that have a value. */
static bool
set_value(struct options *o, int id, const char *name, char *text)
{
	static const struct {
		int id;
		size_t offset;
		uint64_t least, most;
	} numbers[] = {
		{O_FRAMES, offsetof(struct options, frames), 1, UINT64_MAX},
		{O_GSO, offsetof(struct options, gso), 64, 65000},
		{O_RATE, offsetof(struct options, rate), 1, 1000000000},
		{O_WINDOW, offsetof(struct options, window), 1, 32768},
		{O_RING, offsetof(struct options, ring), 2, 32768},
		{O_QUEUES, offsetof(struct options, queues), 1, DRIVER_NET_PAIRS_MAX},
		{O_PIECES, offsetof(struct options, pieces), 1, 60},
		{O_TIMEOUT, offsetof(struct options, timeout_ms), 1, 3600000},
		{O_SINCE, offsetof(struct options, since_ns), 0, UINT64_MAX},
		{O_SETTLE, offsetof(struct options, settle_ms), 0, 60000},
	};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].id != id)
			continue;
		*(uint64_t *)(void *)((char *)o + numbers[i].offset) =
			number(name, text, numbers[i].least, numbers[i].most);
		return true;
	}
	if (id == O_SECONDS)
		o->seconds = (double)number(name, text, 1, 86400);
	else if (id == O_SIZES)
		parse_sizes(o, text);
	else if (id == O_PROTOCOL)
		o->protocol = parse_protocol(text);
	else
		return false;
	return true;
}

static bool
set_flag(struct options *o, int id)
{
	const struct {
		int id;
		bool *flag;
	} flags[] = {
		{O_CSUM, &o->csum},
		{O_ONE_WAY, &o->one_way},
		{O_NO_OFFLOAD_B, &o->no_offload_b},
		{O_WAIT, &o->wait},
		{O_LISTEN, &o->listen},
		{O_HUGEPAGES, &o->hugepages},
		{O_RECONNECT, &o->reconnect},
		{O_INFLIGHT, &o->inflight},
	};
	static const struct {
		int id;
		unsigned bit;
	} features[] = {
		{O_PACKED, VIRTIO_F_RING_PACKED},
		{O_IN_ORDER, VIRTIO_F_IN_ORDER},
		{O_MERGEABLE, VIRTIO_NET_F_MRG_RXBUF},
		{O_EVENT_IDX, VIRTIO_RING_F_EVENT_IDX},
		{O_INDIRECT, VIRTIO_RING_F_INDIRECT_DESC},
	};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (flags[i].id == id)
			return *flags[i].flag = true;
	}
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (features[i].id != id)
			continue;
		o->ring_features |= VIRTIO_BIT(features[i].bit);
		return true;
	}
	return false;
}

/*
 * Half of one ring, since a switch may send everything to one.  A frame that is merged from several
 * buffers counts as often (driver_net.h makes them of 2,048 bytes).
 */
static uint64_t
default_window(const struct options *o)
{
	uint64_t most = 1, half = o->ring / 2;

	for (unsigned i = 0;
		o->ring_features & VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) && i < o->size_count; i++)
		if ((o->sizes[i] + VIRTIO_NET_HDR_LEN + 2047) / 2048 > most)
			most = (o->sizes[i] + VIRTIO_NET_HDR_LEN + 2047) / 2048;
	return half > most ? half / most : 1;
}

void
options_parse(struct options *o, int argc, char **argv)
{
	int id, index;

	*o = (struct options){.frames = 10000,
		.ring = 256,
		.queues = 1,
		.pieces = 1,
		.timeout_ms = 5000,
		.settle_ms = 20};
	while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (id == O_HELP) {
			fputs(usage, stdout);
			exit(0);
		}
		if (!set_flag(o, id) && !set_value(o, id, long_options[index].name, optarg)) {
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		exit(2);
	}
	o->path[0] = argv[optind];
	o->path[1] = argv[optind + 1];
	if (!o->size_count) {
		o->sizes[0] = 64;
		o->sizes[1] = 1500;
		o->size_count = 2;
	}
	if (!o->window)
		o->window = default_window(o);
	if (o->gso && o->protocol == PROBE_PLAIN)
		die("--gso needs --protocol udp4, udp6, tcp4 or tcp6");
}
