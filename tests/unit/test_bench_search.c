/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/search.h"

/* A switch that loses what exceeds its rate, and in some trials more. */
struct device {
	double limit;
	unsigned trials, most;
	double tried[2 * SEARCH_TRIALS_MAX];
	double lucky; /* passes the first trial above the limit up to here */
	int error;    /* of the third trial */
};

static int
try(void *arg, double rate, uint64_t *lost, struct err *err)
{
	struct device *d = arg;

	assert_true(rate > 0);
	assert_true(d->trials < d->most);
	d->tried[d->trials++] = rate;
	if (d->error && d->trials == 3)
		return err_set(err, d->error, "the switch is gone");
	if (rate > d->limit && rate <= d->lucky) {
		d->lucky = 0;
		return 0;
	}
	*lost = rate > d->limit ? (uint64_t)(rate - d->limit) + 1 : 0;
	return 0;
}

static double
find(struct device *d, double maximum, double resolution)
{
	const struct search_options options = {.maximum = maximum, .resolution = resolution};
	double rate = -1;

	d->trials = 0;
	d->most = SEARCH_TRIALS_MAX;
	assert_int_equal(search_run(&options, try, d, &rate, NULL), 0);
	return rate;
}

static void
test_finds_the_limit(void **state)
{
	for (double limit = 1; limit < 1e8; limit *= 3.7) {
		struct device d = {.limit = limit};
		double rate = find(&d, 1e8, limit / 100);

		assert_true(rate <= limit);
		assert_true(rate > limit - limit / 100);
	}
}

static void
test_nothing_is_lost(void **state)
{
	struct device d = {.limit = 1e9};

	assert_true(find(&d, 1e6, 1e4) == 1e6);
	assert_int_equal(d.trials, 2);
}

static void
test_everything_is_lost(void **state)
{
	struct device d = {.limit = 0};

	assert_true(find(&d, 1e6, 1e4) == 0);
}

static void
test_trials_are_few(void **state)
{
	struct device d = {.limit = 333333};

	find(&d, 1e6, 1e4);
	assert_true(d.trials <= 10);
}

/* One trial that passed by luck does not stand. */
static void
test_result_is_confirmed(void **state)
{
	struct device d = {.limit = 400000, .lucky = 600000};
	double rate = find(&d, 1e6, 1e4);

	assert_true(rate <= 400000);
	assert_true(rate > 390000);
	assert_true(d.tried[1] == 500000);
}

static void
test_trials_run_out(void **state)
{
	const struct search_options options = {.maximum = 1e6, .resolution = 1e-3, .trials = 5};
	struct device d = {.limit = 333333, .most = 5};
	double rate;

	assert_int_equal(search_run(&options, try, &d, &rate, NULL), 0);
	assert_int_equal(d.trials, 5);
	/* Not confirmed: no result. */
	assert_true(rate == 0);
}

static void
test_error_ends_it(void **state)
{
	const struct search_options options = {.maximum = 1e6, .resolution = 1e4};
	struct device d = {.limit = 333333, .most = 3, .error = -EPIPE};
	struct err err = {0};
	double rate;

	assert_int_equal(search_run(&options, try, &d, &rate, &err), -EPIPE);
	assert_string_equal(err.text, "the switch is gone");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_the_limit),
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_everything_is_lost),
		cmocka_unit_test(test_trials_are_few),
		cmocka_unit_test(test_result_is_confirmed),
		cmocka_unit_test(test_trials_run_out),
		cmocka_unit_test(test_error_ends_it),
	};

	return cmocka_run_group_tests_name("bench_search", tests, NULL, NULL);
}
