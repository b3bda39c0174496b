/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crew: the threads that run a phase, each pinned to a CPU of its own with some of the pairs, and the
 * thread that waits for them.
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "bench/traffic.h"
#include "lib/err.h"

#define CREW_MAX 32

struct crew {
	unsigned count;
	uint16_t cpus[CREW_MAX];
	struct traffic traffic[CREW_MAX];
	pthread_t threads[CREW_MAX];
	sem_t done;
	const volatile sig_atomic_t *stopped; /* set by a signal to end a phase; may be NULL */
	/* Called by the waiting thread about once a second; may be NULL. */
	void (*on_tick)(void *arg, uint64_t frames, double seconds);
	void *tick_arg;
};

/* What is called when counting begins and ends, by the waiting thread. */
struct crew_window {
	int (*begin)(void *arg, struct err *err);
	int (*end)(void *arg, struct err *err);
	void *arg;
};

int crew_init(struct crew *crew, const uint16_t *cpus, unsigned count, struct err *err);
void crew_destroy(struct crew *crew);

/* Gives the endpoints to the threads, pair by pair.  They stay the caller's. */
void crew_assign(struct crew *crew, struct endpoint *endpoints, unsigned pairs, bool any);

/*
 * Runs a phase: so many seconds until counting begins, so many while it lasts; a phase of so many
 * frames may end earlier.  window may be NULL.  -EINTR when it was stopped, -EPIPE when a switch went
 * away meanwhile, -EPROTO when a ring was broken, or what the window's functions say.
 */
int crew_run(struct crew *crew, const struct phase *phase, double settle, double measure,
	const struct crew_window *window, struct err *err);

/* Sums over the threads. */
void crew_tally(const struct crew *crew, struct tally *sum);
void crew_latency(const struct crew *crew, struct histogram *sum);

#endif
