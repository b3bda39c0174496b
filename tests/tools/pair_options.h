/* SPDX-License-Identifier: BSD-3-Clause */
/* pair_options: the command line of vhost_pair. */
#ifndef TESTS_TOOLS_PAIR_OPTIONS_H
#define TESTS_TOOLS_PAIR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/tools/probe_frame.h"

#define SIZES_MAX 64

struct options {
	const char *path[2];
	uint64_t frames, rate, window, since_ns, gso;
	double seconds;
	unsigned sizes[SIZES_MAX], size_count;
	enum probe_protocol protocol;
	bool csum, one_way, no_offload_b, wait, listen, hugepages, reconnect, inflight;
	uint64_t ring_features;
	uint64_t ring, queues, pieces, timeout_ms, settle_ms;
};

/* Exits with a reason when the command line makes no sense. */
void options_parse(struct options *o, int argc, char **argv);

/* Prints a reason and exits with 2. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
