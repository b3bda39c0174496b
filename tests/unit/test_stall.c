/* SPDX-License-Identifier: BSD-3-Clause */
/* When a ring is said to stand still, and when to move again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vhost/stall.h"

#define SECOND UINT64_C(1000000000)

static struct stall stall;
static uint64_t now;

static enum stall_change
look(enum stall_reason reason, uint64_t done)
{
	const struct stall_sample sample = {.reason = reason, .done = done};

	now += SECOND;
	return stall_note(&stall, &sample, now);
}

static int
begin(void **state)
{
	(void)state;
	stall = (struct stall){0};
	now = 5 * SECOND;
	return 0;
}

static void
work_without_progress_is_a_stall(void **state)
{
	(void)state;
	assert_int_equal(look(STALL_NO_BUFFERS, 7), STALL_SAME);
	assert_false(stall.stalled);
	assert_int_equal(look(STALL_NO_BUFFERS, 7), STALL_BEGINS);
	assert_true(stall.stalled);
	assert_int_equal(look(STALL_NO_BUFFERS, 7), STALL_SAME);
	assert_int_equal(look(STALL_NONE, 7), STALL_ENDS);
	assert_false(stall.stalled);
	assert_int_equal(look(STALL_NONE, 7), STALL_SAME);
}

static void
progress_is_none(void **state)
{
	(void)state;
	for (uint64_t done = 0; done < 10; done++)
		assert_int_equal(look(STALL_NOT_TAKEN, done), STALL_SAME);
	/* Back to an earlier count: another ring in its place. */
	assert_int_equal(look(STALL_NOT_TAKEN, 3), STALL_SAME);
	assert_int_equal(look(STALL_NOT_TAKEN, 3), STALL_BEGINS);
	assert_int_equal(look(STALL_NOT_TAKEN, 4), STALL_ENDS);
	assert_int_equal(look(STALL_NOT_TAKEN, 4), STALL_BEGINS);
}

static void
too_early_is_none(void **state)
{
	const struct stall_sample sample = {.reason = STALL_STOPPED};

	(void)state;
	assert_int_equal(stall_note(&stall, &sample, now), STALL_SAME);
	assert_int_equal(stall_note(&stall, &sample, now + STALL_NS - 1), STALL_SAME);
	assert_int_equal(stall_note(&stall, &sample, now + STALL_NS), STALL_BEGINS);
}

static void
another_reason_is_the_same_stall(void **state)
{
	(void)state;
	assert_int_equal(look(STALL_NO_KICK, 1), STALL_SAME);
	assert_int_equal(look(STALL_WORKER, 1), STALL_BEGINS);
	assert_int_equal(look(STALL_BROKEN, 1), STALL_SAME);
	assert_int_equal(stall.reason, STALL_BROKEN);
}

static void
each_reason_has_a_text(void **state)
{
	(void)state;
	for (int r = STALL_NONE; r <= STALL_NOT_TAKEN; r++)
		assert_string_not_equal(stall_text((enum stall_reason)r), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(work_without_progress_is_a_stall, begin),
		cmocka_unit_test_setup(progress_is_none, begin),
		cmocka_unit_test_setup(too_early_is_none, begin),
		cmocka_unit_test_setup(another_reason_is_the_same_stall, begin),
		cmocka_unit_test_setup(each_reason_has_a_text, begin),
	};

	return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
