/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/run_case.h"

int
bench_run_case(struct bench_run *run, uint32_t size, struct bench_result *result, struct err *err)
{
	struct bench_case s = {.run = run,
		.options = run->options,
		.result = result,
		.pairs = run->options->pairs,
		.err = err};
	struct bench_drops before;
	int rc;

	memset(result, 0, sizeof(*result));
	result->size = size;
	if (size == BENCH_IMIX)
		traffic_mix_imix(&s.mix);
	else
		traffic_mix_single(&s.mix, size);
	s.endpoints = calloc(2 * s.pairs, sizeof(*s.endpoints));
	if (!s.endpoints)
		return err_set(err, -ENOMEM, "out of memory");
	rc = case_open_guests(&s);
	if (!rc)
		rc = case_measure_ceiling(&s);
	if (!rc)
		rc = case_measure_roofline(&s);
	if (!rc)
		rc = case_make_known(&s);
	if (!rc)
		rc = case_read_drops(&s, &before);
	if (!rc)
		rc = case_measure(&s);
	if (!rc)
		rc = case_read_drops(&s, &result->drops);
	if (!rc)
		bench_drops_since(&result->drops, &before);
	case_close_guests(&s);
	free(s.endpoints);
	return rc;
}

int
bench_result_verdict(const struct bench_result *r, struct err *err)
{
	const struct tally *t = &r->tally;
	char drops[128], stuck[96] = "";

	if (!t->lost && !t->corrupt && !t->duplicates && !t->reordered)
		return 0;
	if (t->stuck)
		snprintf(stuck, sizeof(stuck), " (%llu of them stayed in the sender's ring)",
			(unsigned long long)t->stuck);
	return err_set(err, -EBADMSG,
		"of %llu frames sent %llu were lost%s, %llu corrupted, %llu duplicated, %llu reordered "
		"within their flow%s%s",
		(unsigned long long)t->sent, (unsigned long long)t->lost, stuck,
		(unsigned long long)t->corrupt, (unsigned long long)t->duplicates,
		(unsigned long long)t->reordered, r->drops.count ? "; the switch dropped: " : "",
		bench_drops_text(&r->drops, drops, sizeof(drops)));
}
