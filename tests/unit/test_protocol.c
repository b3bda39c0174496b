/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The examples of docs/protocol.md, said to a real datapath in their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <event2/event.h>

#include "control/command.h"
#include "control/rights.h"
#include "lib/clock.h"

#define LINE_BYTES 4096

static struct event_base *loop;
static struct state control;

static int
setup(void **state)
{
	struct datapath_options options = {.hugepages = false};
	struct err err = {0};

	(void)state;
	loop = event_base_new();
	control.started_ns = clock_ns();
	if (datapath_start(&options, &err) < 0)
		fail_msg("%s", err.text);
	return live_create(&control.live, loop, RIGHTS_ALL_TYPES);
}

static int
teardown(void **state)
{
	(void)state;
	state_clear(&control);
	datapath_stop();
	event_base_free(loop);
	return 0;
}

/* Does text consist of the parts of pattern, with anything where that says "..."? */
static bool
matches(const char *text, const char *pattern)
{
	const char *dots = strstr(pattern, "...");
	size_t n = dots ? (size_t)(dots - pattern) : strlen(pattern);

	if (strncmp(text, pattern, n) != 0)
		return false;
	if (!dots)
		return text[n] == '\0';
	for (text += n; *text; text++) {
		if (matches(text, dots + 3))
			return true;
	}
	return matches(text, dots + 3);
}

static bool
says(char *line, const char *mark, const char **rest)
{
	line[strcspn(line, "\n")] = '\0';
	*rest = line + strlen(mark);
	return strncmp(line, mark, strlen(mark)) == 0;
}

static void
examples_are_true(void **state)
{
	struct rpc_handler handler = {command_call, &control};
	struct rpc_peer peer = {.may_change = true};
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol.md", "r");
	char line[LINE_BYTES];
	const char *text;
	unsigned examples = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *answer;
		size_t size;
		bool failed;

		if (!says(line, "--> ", &text))
			continue;
		answer = rpc_answer(&handler, text, strlen(text), &peer, &size, &failed);
		assert_non_null(answer);
		answer[size - 1] = '\0';
		assert_non_null(fgets(line, sizeof(line), file));
		assert_true(says(line, "<-- ", &text));
		if (!matches(answer, text))
			fail_msg("documented: %s\nanswered:   %s", text, answer);
		free(answer);
		examples++;
	}
	fclose(file);
	assert_true(examples >= 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_are_true),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
