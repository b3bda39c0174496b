/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/roofline.h"

#define STRETCHES     256
#define STRETCH_BYTES (UINT64_C(4) << 20) /* more than a pass over small sets, less than 1 ms */

struct roofline {
	struct guest *const *guests;
	uint32_t length;
	unsigned directions;
	uint16_t cpu;
	double cycles_max;
	unsigned next_frame[2], next_buffer[2];
	double bytes_per_cycle[STRETCHES];
	unsigned stretches;
};

/* One frame as a switch would copy it: piece by piece into the buffers that come next. */
static void
copy_frame(struct roofline *r, unsigned from)
{
	const struct guest *source = r->guests[from], *target = r->guests[!from];
	const uint8_t *at = guest_idle_at(source, r->next_frame[from]++ % source->frames);
	unsigned posted = driver_ring_in_flight(target->rx);

	for (uint32_t left = r->length; left; at += source->pool.stride) {
		uint32_t part = left < source->pool.size ? left : source->pool.size;

		memcpy(guest_buffer(target, r->next_buffer[from]++ % posted), at, part);
		left -= part;
	}
}

static void *
run(void *arg)
{
	struct roofline *r = arg;
	uint64_t begun, now;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(r->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	begun = now = __builtin_ia32_rdtsc();
	while (r->stretches < STRETCHES && (double)(now - begun) < r->cycles_max) {
		uint64_t start = now, bytes = 0;

		while (bytes < STRETCH_BYTES)
			for (unsigned d = 0; d < r->directions; d++, bytes += r->length)
				copy_frame(r, d);
		now = __builtin_ia32_rdtsc();
		r->bytes_per_cycle[r->stretches++] = (double)bytes / (double)(now - start);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
roofline_measure(struct guest *const guests[2], uint32_t length, bool two_way, uint16_t cpu,
	uint64_t tsc_hz, double seconds, double *bits, struct err *err)
{
	struct roofline *r = calloc(1, sizeof(*r));
	pthread_t thread;
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->guests = guests;
	r->length = length;
	r->directions = two_way ? 2 : 1;
	r->cpu = cpu;
	r->cycles_max = seconds * (double)tsc_hz;
	rc = pthread_create(&thread, NULL, run, r);
	if (!rc) {
		pthread_join(thread, NULL);
		qsort(r->bytes_per_cycle, r->stretches, sizeof(double), compare);
		*bits = r->bytes_per_cycle[r->stretches / 2] * 8 * (double)tsc_hz;
	}
	free(r);
	return rc ? err_set(err, -rc, "cannot start a thread: %s", strerror(rc)) : 0;
}
