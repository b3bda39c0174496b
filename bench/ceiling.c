/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/ceiling.h"
#include "bench/loopback.h"

#define QUIET_S 0.2

struct cable {
	struct loopback loopback;
	unsigned batch; /* frames that are moved at once */
	uint16_t cpu;
	_Atomic bool stop;
	pthread_t thread;
};

static void *
run_cable(void *arg)
{
	struct cable *cable = arg;
	unsigned idle = 0;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(cable->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	while (!cable->stop) {
		if (loopback_poll(&cable->loopback)) {
			idle = 0;
		} else if (++idle > 1000) {
			/* What is left when a phase ends is less than a batch. */
			cable->loopback.batch = 0;
			loopback_poll(&cable->loopback);
			cable->loopback.batch = cable->batch;
			sched_yield();
			idle = 0;
		}
	}
	return NULL;
}

static int
open_pair(const struct ceiling_options *o, struct endpoint *pair, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < 2 && !rc; i++) {
		struct guest_options options = o->guest;

		options.features = o->pair[i].guest->features;
		options.hugepages = false;
		pair[i] = o->pair[i];
		pair[i].peer = &pair[!i];
		pair[i].guest = NULL;
		/* A cable neither adds nor removes tags. */
		pair[i].in.tagged = pair[i].out.tagged = o->pair[1].in.tagged;
		rc = guest_create_alone(&pair[i].guest, &options, err);
	}
	return rc;
}

static int
run_crew(const struct ceiling_options *o, struct endpoint *pair, double *cycles, struct err *err)
{
	struct phase phase = {.kind = PHASE_CLOSED,
		.two_way = o->two_way,
		.window = pair[0].guest->frames,
		.quiet = (uint64_t)(QUIET_S * (double)o->tsc_hz),
		.full_rounds = true,
		.tsc_hz = o->tsc_hz};
	struct crew *crew = malloc(sizeof(*crew));
	int rc = crew ? crew_init(crew, &o->cpu, 1, err) : err_set(err, -ENOMEM, "out of memory");

	if (!rc) {
		crew->stopped = o->stopped;
		crew_assign(crew, pair, 1, o->any);
		rc = crew_run(crew, &phase, o->seconds / 4, o->seconds, NULL, err);
		*cycles = (double)histogram_percentile(&crew->traffic[0].rounds, 50) /
			  TRAFFIC_ROUND_SCALE;
		crew_destroy(crew);
	}
	free(crew);
	return rc;
}

int
ceiling_measure(const struct ceiling_options *o, double *cycles, struct err *err)
{
	struct cable *cable = calloc(1, sizeof(*cable));
	struct endpoint *pair = calloc(2, sizeof(*pair));
	int rc = cable && pair ? open_pair(o, pair, err) : err_set(err, -ENOMEM, "out of memory");

	*cycles = 0;
	if (!rc) {
		loopback_init(
			&cable->loopback, (struct guest *const[]){pair[0].guest, pair[1].guest});
		cable->batch = pair[0].guest->frames < TRAFFIC_BURST_MAX ? pair[0].guest->frames
									 : TRAFFIC_BURST_MAX;
		cable->loopback.batch = cable->batch;
		cable->cpu = o->device_cpu;
		rc = pthread_create(&cable->thread, NULL, run_cable, cable);
		if (rc)
			rc = err_set(err, -rc, "cannot start a thread: %s", strerror(rc));
		if (!rc) {
			rc = run_crew(o, pair, cycles, err);
			cable->stop = true;
			pthread_join(cable->thread, NULL);
		}
	}
	for (unsigned i = 0; i < 2 && pair; i++)
		guest_destroy(pair[i].guest);
	free(pair);
	free(cable);
	return rc;
}
