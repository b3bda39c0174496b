/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "launcher/terminal.h"

static struct termios saved;
static bool is_raw;
static int signal_fd = -1;

enum escape_action
escape_take(struct escape *e, uint8_t key, struct escape_output *out)
{
	out->count = 0;
	if (!e->armed && key == ESCAPE_KEY) {
		e->armed = true;
		return ESCAPE_NONE;
	}
	if (!e->armed) {
		out->bytes[out->count++] = key;
		return ESCAPE_PASS;
	}
	e->armed = false;
	switch (key) {
	case 'd':
	case '.':
		return ESCAPE_LEAVE;
	case 'p':
		return ESCAPE_STOP;
	case 'k':
		return ESCAPE_KILL;
	case '?':
	case 'h':
		return ESCAPE_HELP;
	case ESCAPE_KEY:
		break;
	default:
		out->bytes[out->count++] = ESCAPE_KEY;
	}
	out->bytes[out->count++] = key;
	return ESCAPE_PASS;
}

bool
terminal_raw(void)
{
	struct termios raw;

	if (is_raw)
		return true;
	/* In the background it belongs to somebody else; changing it would stop us. */
	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
		tcgetattr(STDIN_FILENO, &saved) < 0)
		return false;
	raw = saved;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	return is_raw;
}

void
terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}

int
terminal_catch_signals(void)
{
	sigset_t set;

	if (signal_fd >= 0)
		return signal_fd;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signal_fd < 0 ? -errno : signal_fd;
}

int
terminal_signal(void)
{
	struct signalfd_siginfo info;

	return read(signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}
