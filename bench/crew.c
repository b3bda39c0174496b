/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "bench/crew.h"
#include "lib/clock.h"

#define TICK_NS  UINT64_C(1000000000)
#define CHECK_NS UINT64_C(100000000) /* between two looks at the connections */

struct member {
	struct crew *crew;
	unsigned index;
};

int
crew_init(struct crew *crew, const uint16_t *cpus, unsigned count, struct err *err)
{
	memset(crew, 0, sizeof(*crew));
	if (!count || count > CREW_MAX)
		return err_set(err, -EINVAL, "%u CPUs for the traffic: 1..%d are possible", count,
			CREW_MAX);
	memcpy(crew->cpus, cpus, count * sizeof(cpus[0]));
	crew->count = count;
	if (sem_init(&crew->done, 0, 0))
		return err_set(err, -errno, "sem_init: %s", strerror(errno));
	return 0;
}

void
crew_destroy(struct crew *crew)
{
	sem_destroy(&crew->done);
}

void
crew_assign(struct crew *crew, struct endpoint *endpoints, unsigned pairs, bool any)
{
	unsigned given = 0;

	for (unsigned i = 0; i < crew->count; i++) {
		unsigned share = (pairs - given) / (crew->count - i);

		crew->traffic[i].endpoints = endpoints + 2 * (size_t)given;
		crew->traffic[i].count = 2 * share;
		crew->traffic[i].any = any;
		given += share;
	}
}

static void *
work(void *arg)
{
	struct member *m = arg;
	struct crew *crew = m->crew;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(crew->cpus[m->index], &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	traffic_run(&crew->traffic[m->index]);
	sem_post(&crew->done);
	return NULL;
}

/* Signals are the waiting thread's. */
static int
start_threads(struct crew *crew, struct member *members, unsigned *started, struct err *err)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (*started = 0; *started < crew->count && !rc; ++*started) {
		members[*started] = (struct member){crew, *started};
		rc = pthread_create(&crew->threads[*started], NULL, work, &members[*started]);
		if (rc) {
			err_set(err, -rc, "cannot start a thread: %s", strerror(rc));
			break;
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

static bool
connected(const struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		for (unsigned k = 0; k < crew->traffic[i].count; k++)
			if (!guest_connected(crew->traffic[i].endpoints[k].guest))
				return false;
	return true;
}

static void
tick(const struct crew *crew, uint64_t begun_ns)
{
	uint64_t frames = 0;

	for (unsigned i = 0; i < crew->count; i++)
		frames += atomic_load_explicit(&crew->traffic[i].progress, memory_order_relaxed);
	if (crew->on_tick)
		crew->on_tick(crew->tick_arg, frames, (double)(clock_ns() - begun_ns) / 1e9);
}

/* Waits for one thread to end, until a time; true when one did. */
static bool
wait_until(struct crew *crew, uint64_t ns)
{
	const struct timespec at = {(time_t)(ns / TICK_NS), (long)(ns % TICK_NS)};

	return sem_clockwait(&crew->done, CLOCK_MONOTONIC, &at) == 0;
}

static uint64_t
earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
set_stage(struct crew *crew, enum traffic_stage stage)
{
	for (unsigned i = 0; i < crew->count; i++)
		crew->traffic[i].stage = stage;
}

/* When something is to be done next, in ns of the monotonic clock. */
struct timetable {
	uint64_t begun, begin, end, tick;
};

/* The counting begins and ends. */
static int
change_stage(
	struct crew *crew, struct timetable *at, const struct crew_window *window, struct err *err)
{
	uint64_t now = clock_ns();
	int rc = 0;

	if (now >= at->begin) {
		/* What the window lasts is not shortened by a late start. */
		at->end += now - at->begin;
		at->begin = UINT64_MAX;
		if (window)
			rc = window->begin(window->arg, err);
		set_stage(crew, TRAFFIC_MEASURE);
	} else if (now >= at->end && at->begin == UINT64_MAX) {
		at->end = UINT64_MAX;
		if (window)
			rc = window->end(window->arg, err);
		set_stage(crew, TRAFFIC_DRAIN);
	}
	if (now >= at->tick) {
		at->tick += TICK_NS;
		tick(crew, at->begun);
	}
	return rc;
}

/* Watches over the phase until all threads have ended. */
static int
supervise(struct crew *crew, struct timetable *at, const struct crew_window *window,
	unsigned running, struct err *err)
{
	int rc = 0;

	while (running) {
		uint64_t next = at->begin == UINT64_MAX ? at->end : at->begin;
		int failed;

		if (wait_until(crew, earliest(earliest(next, at->tick), clock_ns() + CHECK_NS)))
			running--;
		failed = running ? change_stage(crew, at, window, rc ? NULL : err) : 0;
		rc = rc ? rc : failed;
		if (!rc && crew->stopped && *crew->stopped)
			rc = err_set(err, -EINTR, "interrupted");
		if (!rc && !connected(crew))
			rc = err_set(err, -EPIPE, "the switch closed a connection");
		if (rc)
			set_stage(crew, TRAFFIC_ABORT);
	}
	return rc;
}

int
crew_run(struct crew *crew, const struct phase *phase, double settle, double measure,
	const struct crew_window *window, struct err *err)
{
	struct member members[CREW_MAX];
	struct timetable at;
	unsigned started;
	int rc, failed;

	for (unsigned i = 0; i < crew->count; i++) {
		crew->traffic[i].phase = *phase;
		crew->traffic[i].progress = 0;
	}
	set_stage(crew, TRAFFIC_SETTLE);
	rc = start_threads(crew, members, &started, err);
	if (rc)
		set_stage(crew, TRAFFIC_ABORT);
	at.begun = clock_ns();
	at.begin = at.end = UINT64_MAX;
	at.tick = at.begun + TICK_NS;
	if (measure > 0 && !rc) {
		at.begin = at.begun + (uint64_t)(settle * 1e9);
		at.end = at.begin + (uint64_t)(measure * 1e9);
	}
	failed = supervise(crew, &at, window, started, rc ? NULL : err);
	for (unsigned i = 0; i < started; i++)
		pthread_join(crew->threads[i], NULL);
	rc = rc ? rc : failed;
	for (unsigned i = 0; !rc && i < crew->count; i++)
		if (crew->traffic[i].broken)
			rc = err_set(
				err, -EPROTO, "the switch gave back a buffer that it did not have");
	return rc;
}

void
crew_tally(const struct crew *crew, struct tally *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < crew->count; i++)
		for (unsigned k = 0; k < crew->traffic[i].count; k++) {
			const struct tally *t = &crew->traffic[i].endpoints[k].tally;

			sum->sent += t->sent;
			sum->received += t->received;
			sum->bytes += t->bytes;
			sum->lost += t->lost;
			sum->duplicates += t->duplicates;
			sum->reordered += t->reordered;
			sum->corrupt += t->corrupt;
			sum->stray += t->stray;
			sum->foreign += t->foreign;
			sum->inspected += t->inspected;
			sum->unsent += t->unsent;
			sum->stuck += t->stuck;
		}
}

void
crew_latency(const struct crew *crew, struct histogram *sum)
{
	histogram_clear(sum);
	for (unsigned i = 0; i < crew->count; i++)
		histogram_merge(sum, &crew->traffic[i].latency);
}
