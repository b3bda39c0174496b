/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run: one case of a benchmark: guests are connected, addresses made known, frames measured, guests
 * taken away.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <signal.h>

#include "bench/crew.h"
#include "bench/options.h"
#include "bench/search.h"

#define BENCH_WORKERS_MAX 64
#define BENCH_DROPS_MAX   128

/* What a worker of the switch says about itself. */
struct bench_worker {
	unsigned worker, cpu;
	double busy_percent, cycles_per_packet;
	uint64_t packets;
};

/* Frames that the switch says it did not deliver, by the name of the reason (docs/drops.md). */
struct bench_drop {
	char port[32], reason[32];
	uint64_t frames;
};

struct bench_drops {
	unsigned count;
	struct bench_drop list[BENCH_DROPS_MAX];
};

/* A switch whose workers can be asked; all NULL when it cannot. */
struct bench_meter {
	int (*reset)(void *arg, struct err *err);
	int (*read)(void *arg, struct bench_worker *workers, unsigned *count, struct err *err);
	/* Addresses it has learnt, all bridges. */
	int (*learnt)(void *arg, uint64_t *count, struct err *err);
	/* Since it was started; reasons that never occurred are left out. */
	int (*drops)(void *arg, struct bench_drops *drops, struct err *err);
	void *arg;
};

struct bench_latency {
	double rate; /* frames/s at which it was measured; 0 = was not */
	uint64_t count;
	double min, mean, p50, p90, p99, p999, max; /* microseconds */
	double late; /* microseconds that frames left after their time, at most */
};

struct bench_trial {
	double rate; /* frames/s of all guests */
	uint64_t received, lost;
};

struct bench_result {
	uint32_t size; /* BENCH_IMIX */
	enum frame_kind kind;
	uint64_t features; /* negotiated */
	uint32_t buffer;
	unsigned in_flight;
	bool hugepages;

	double seconds, pps, gbps; /* of frames received */
	double offered;            /* frames/s; 0 = as many as pass */
	struct tally tally;
	double traffic_cycles;                             /* per frame */
	double traffic_busy, traffic_full, traffic_waited; /* shares */
	double ceiling; /* frames/s that the traffic side does at most */
	double ceiling_cycles;
	double roofline; /* Gbit/s of a plain copy of the same frames; 0 = not measured */

	struct bench_worker workers[BENCH_WORKERS_MAX];
	unsigned worker_count;
	struct bench_drops drops; /* by the switch, while it was measured */

	struct bench_latency latency;
	struct bench_trial trials[SEARCH_TRIALS_MAX];
	unsigned trial_count;
	double zero_loss; /* frames/s found by the search */
};

struct bench_run {
	const struct bench_options *options;
	const char *sockets[BENCH_PORTS_MAX];
	struct bench_meter meter;
	uint64_t tsc_hz;
	struct crew crew;
};

/*
 * Measures frames of a size.  *result is valid when 0 is returned, whatever it says about the frames:
 * see bench_result_verdict().
 */
int bench_run_case(
	struct bench_run *run, uint32_t size, struct bench_result *result, struct err *err);

/* -EBADMSG with a text that names what happened to the frames; 0 when each arrived as it should. */
int bench_result_verdict(const struct bench_result *result, struct err *err);

/* Leaves of the counts what they are above those of before. */
void bench_drops_since(struct bench_drops *drops, const struct bench_drops *before);
/* "no_buffer 32 on port vm0, ..."; returns text. */
const char *bench_drops_text(const struct bench_drops *drops, char *text, size_t size);

#endif
