/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/ceiling.h"
#include "bench/machine.h"
#include "bench/roofline.h"
#include "bench/run_case.h"

#define CEILING_S     0.3  /* at most */
#define ROOFLINE_S    0.3  /* at most */
#define ROOFLINE_SIZE 1024 /* shorter frames are no matter of copying */

/* A CPU that the traffic leaves alone; its own when there is no other. */
static uint16_t
other_cpu(const struct bench_options *o)
{
	uint16_t allowed[BENCH_CPUS_MAX];
	unsigned count = machine_cpus(allowed, BENCH_CPUS_MAX);

	for (unsigned i = count; i-- > 0;) {
		bool used = false;

		for (unsigned k = 0; k < o->cpu_count; k++)
			used |= o->cpus[k] == allowed[i];
		if (!used)
			return allowed[i];
	}
	return o->cpus[0];
}

int
case_measure_ceiling(struct bench_case *s)
{
	const struct bench_options *o = s->options;
	struct bench_result *r = s->result;
	struct ceiling_options c = {.pair = s->endpoints,
		.two_way = o->load == BENCH_TWO_WAY,
		.any = s->run->crew.traffic[0].any,
		.cpu = o->cpus[0],
		.device_cpu = other_cpu(o),
		.tsc_hz = s->run->tsc_hz,
		.seconds = o->seconds < CEILING_S ? o->seconds : CEILING_S,
		.stopped = s->run->crew.stopped};
	int rc;

	case_choose_guest(s, &c.guest);
	rc = ceiling_measure(&c, &r->ceiling_cycles, s->err);
	if (rc)
		return err_prefix(s->err, "the traffic side alone");
	if (r->ceiling_cycles > 0)
		r->ceiling = (double)s->run->tsc_hz / r->ceiling_cycles * s->run->crew.count;
	return 0;
}

int
case_measure_roofline(struct bench_case *s)
{
	const struct bench_options *o = s->options;
	struct guest *const guests[2] = {s->endpoints[0].guest, s->endpoints[1].guest};
	uint32_t size = case_longest(s);
	int rc;

	if (size < ROOFLINE_SIZE || s->mix.count > 1)
		return 0;
	rc = roofline_measure(guests, FRAME_AT + size, o->load == BENCH_TWO_WAY, o->cpus[0],
		s->run->tsc_hz, o->seconds < ROOFLINE_S ? o->seconds : ROOFLINE_S,
		&s->result->roofline, s->err);
	s->result->roofline /= 1e9;
	return rc;
}
