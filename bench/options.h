/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: what a benchmark is to do.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/err.h"

#define BENCH_PAIRS_MAX 32
#define BENCH_PORTS_MAX (2 * BENCH_PAIRS_MAX)
#define BENCH_SIZES_MAX 16
#define BENCH_CPUS_MAX  32
#define BENCH_IMIX      0 /* as a size */

enum bench_load { BENCH_TWO_WAY, BENCH_ONE_WAY };
enum bench_choice { BENCH_AUTO, BENCH_YES, BENCH_NO };
enum bench_offload { BENCH_OFFLOAD_AUTO, BENCH_OFFLOAD_NONE, BENCH_OFFLOAD_TSO, BENCH_OFFLOAD_USO };
/* Untagged; tagged everywhere; untagged in a VLAN that the switch adds; first guest of a pair
 * untagged, second tagged. */
enum bench_vlan { BENCH_VLAN_NONE, BENCH_VLAN_TRUNK, BENCH_VLAN_ACCESS, BENCH_VLAN_MIXED };

struct bench_options {
	/* The switch. */
	const char *sockets[BENCH_PORTS_MAX]; /* none = a patchbayd of our own */
	unsigned socket_count;
	bool listen;
	const char *control; /* its control socket, NULL = look for it */
	const char *daemon;  /* program to start, NULL = look for it */
	uint16_t cpus[BENCH_CPUS_MAX], workers[BENCH_CPUS_MAX]; /* of the traffic, of our switch */
	unsigned cpu_count, worker_count;                       /* 0 = choose */

	/* The load. */
	enum bench_load load;
	unsigned pairs;
	uint32_t sizes[BENCH_SIZES_MAX];
	unsigned size_count;
	uint32_t macs; /* of all guests together */
	uint16_t vlans;
	enum bench_vlan vlan;
	double rate; /* frames/s of all guests together; 0 = as many as pass */
	bool search;
	double resolution; /* of the search: share of the rate */
	unsigned latency;  /* per cent of the maximum at which latency is measured; 0 = not */
	double seconds;
	unsigned in_flight; /* frames of a guest on the way; 0 = 7/16 of a ring */
	unsigned burst;
	bool verify_full;

	/* The guests. */
	bool packed, indirect, event_idx;
	enum bench_choice in_order, mergeable, hugepages;
	enum bench_offload offload;
	uint16_t ring_size;
	uint32_t buffer; /* bytes of a receive buffer; 0 = choose */

	/* The output. */
	bool csv, progress;
	const char *plot;
};

/*
 * Reads the parameters of the verb (api/verbs.c), checked there one by one, and checks them together.
 * Strings stay those of params and sockets.  -EINVAL.
 */
int bench_options_read(struct bench_options *options, const json_t *params,
	const char *const *sockets, unsigned socket_count, struct err *err);

/* The options as a member of a report (a new reference). */
json_t *bench_options_json(const struct bench_options *options);

/* "64", "imix"; returns buffer. */
char *bench_size_text(uint32_t size, char *buffer, size_t length);

#endif
