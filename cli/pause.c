/* SPDX-License-Identifier: BSD-3-Clause */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "cli/pause.h"
#include "lib/clock.h"

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
	stopped = 1;
}

const volatile sig_atomic_t *
pause_catch_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = stop;
	action.sa_flags = SA_RESETHAND; /* the second one ends a wait for a daemon that is stuck */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return &stopped;
}

/*
 * The signals are let in by ppoll() alone, so that none can slip in between the question and the
 * wait.
 */
void
pause_until(uint64_t next)
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
