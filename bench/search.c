/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/search.h"

struct search {
	const struct search_options *options;
	search_trial trial;
	void *arg;
	struct err *err;
	unsigned left;                    /* trials */
	double passed[SEARCH_TRIALS_MAX]; /* ascending; the first one is 0 */
	unsigned count;
	double failed; /* the lowest rate that did */
};

/* Tries a rate and notes how it went. */
static int
try_rate(struct search *s, double rate)
{
	uint64_t lost = 0;
	int rc = s->trial(s->arg, rate, &lost, s->err);

	s->left--;
	if (rc < 0)
		return rc;
	if (!lost && s->count < SEARCH_TRIALS_MAX)
		s->passed[s->count++] = rate;
	if (lost)
		s->failed = rate;
	return lost ? 0 : 1;
}

/* Between the highest rate that passed and the lowest that failed. */
static int
bisect(struct search *s)
{
	while (s->left && s->failed - s->passed[s->count - 1] > s->options->resolution) {
		int rc = try_rate(s, (s->passed[s->count - 1] + s->failed) / 2);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The best rate again: luck in one short trial is no result. */
static int
confirm(struct search *s)
{
	while (s->count > 1) {
		double best = s->passed[s->count - 1];
		uint64_t lost = 0;
		int rc;

		if (!s->left)
			return 0;
		s->left--;
		rc = s->trial(s->arg, best, &lost, s->err);
		if (rc < 0)
			return rc;
		if (!lost)
			return 1;
		s->count--;
		s->failed = best;
		rc = bisect(s);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
search_run(const struct search_options *options, search_trial trial, void *arg, double *rate,
	struct err *err)
{
	struct search s = {.options = options,
		.trial = trial,
		.arg = arg,
		.err = err,
		.left = options->trials ? options->trials : SEARCH_TRIALS_MAX,
		.count = 1};
	int rc;

	*rate = 0;
	rc = try_rate(&s, options->maximum);
	if (!rc)
		rc = bisect(&s);
	if (rc >= 0)
		rc = confirm(&s);
	if (rc > 0)
		*rate = s.passed[s.count - 1];
	return rc < 0 ? rc : 0;
}
