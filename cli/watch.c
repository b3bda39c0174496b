/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/result.h"
#include "cli/watch.h"
#include "lib/clock.h"

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
	stopped = 1;
}

static void
catch_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = stop;
	action.sa_flags = SA_RESETHAND; /* the second one ends a wait for a daemon that is stuck */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/*
 * Waits until `next`, a time of CLOCK_MONOTONIC.  The signals are let in by ppoll() alone, so that
 * none can slip in between the question and the wait.
 */
static void
wait_until(uint64_t next)
{
	sigset_t blocked, before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!stopped) {
		uint64_t now = clock_ns(), left = next > now ? next - now : 0;
		struct timespec t = {(time_t)(left / 1000000000), (long)(left % 1000000000)};

		if (ppoll(NULL, 0, &t, &before) == 0)
			break;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int
show(const struct command *c, const json_t *result, const json_t *earlier)
{
	char *text = NULL;
	size_t size;
	FILE *out;
	int r;

	if (c->json)
		return result_print_json(result, false, stdout);
	/* Drawn at once: a terminal that is cleared first and filled later flickers. */
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	r = result_print(c->verb, c->params, result, earlier, out);
	if (fclose(out))
		r = -ENOMEM;
	if (r == 0 && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J%s", text);
	else if (r == 0)
		printf("%s\n", text);
	free(text);
	return r;
}

int
watch_run(struct client *client, const struct command *c, struct err *err)
{
	bool rates = !c->json && result_has_rates(c->verb);
	uint64_t next = clock_ns();
	json_t *earlier = NULL;
	char method[64];
	int r = 0;

	verb_method(c->verb, method, sizeof(method));
	client->stopped = &stopped;
	catch_signals();
	while (!stopped) {
		json_t *result;

		r = client_call(client, method, c->params, &result, err);
		if (r)
			break;
		/* A rate needs two answers: the first of them is not shown. */
		if (!rates || earlier)
			r = show(c, result, earlier);
		json_decref(earlier);
		earlier = result;
		if (r == 0 && fflush(stdout))
			r = -errno;
		if (r) {
			err_set(err, r, "cannot write the result: %s", strerror(-r));
			break;
		}
		next += (uint64_t)c->watch_ms * 1000000;
		wait_until(next);
	}
	json_decref(earlier);
	return stopped ? 0 : r;
}
