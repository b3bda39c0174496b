/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "bench/run_case.h"

int
case_read_drops(const struct bench_case *s, struct bench_drops *drops)
{
	const struct bench_meter *m = &s->run->meter;

	memset(drops, 0, sizeof(*drops));
	return m->drops ? m->drops(m->arg, drops, s->err) : 0;
}

void
bench_drops_since(struct bench_drops *drops, const struct bench_drops *before)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < drops->count; i++) {
		struct bench_drop d = drops->list[i];

		for (unsigned k = 0; k < before->count; k++)
			if (strcmp(d.port, before->list[k].port) == 0 &&
				strcmp(d.reason, before->list[k].reason) == 0)
				d.frames -= before->list[k].frames;
		if (d.frames)
			drops->list[kept++] = d;
	}
	drops->count = kept;
}

const char *
bench_drops_text(const struct bench_drops *drops, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < drops->count && used < size; i++) {
		const struct bench_drop *d = &drops->list[i];

		used += (size_t)snprintf(text + used, size - used, "%s%s %llu on port %s",
			i ? ", " : "", d->reason, (unsigned long long)d->frames, d->port);
	}
	return text;
}
