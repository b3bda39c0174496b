/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/starter.h"
#include "lib/fd.h"

#define ANSWER_MS 1000

struct starter {
	int fd; /* to the process: a byte is a request, an int the answer */
};

/* ---- the process ---- */

struct program {
	char path[PATH_MAX]; /* another version may stand there by then */
	char **words;
};

static bool
has_takeover(char *const *argv)
{
	while (*argv && strcmp(*argv, "--takeover") != 0)
		argv++;
	return *argv != NULL;
}

static int
describe_program(struct program *program, char *const *argv)
{
	static char option[] = "--takeover";
	ssize_t length = readlink("/proc/self/exe", program->path, sizeof(program->path) - 1);
	size_t count = 0;

	if (length < 0)
		return -errno;
	program->path[length] = '\0';
	while (argv[count])
		count++;
	program->words = calloc(count + 2, sizeof(*program->words));
	if (!program->words)
		return -ENOMEM;
	memcpy(program->words, argv, count * sizeof(*argv));
	if (!has_takeover(argv))
		program->words[count] = option;
	return 0;
}

static int
start(const struct program *program)
{
	pid_t pid = fork();

	if (pid == 0) {
		close_range(STDERR_FILENO + 1, UINT_MAX, 0);
		execv(program->path, program->words);
		_exit(127);
	}
	return pid < 0 ? -errno : (int)pid;
}

static _Noreturn void
serve(int fd, const struct program *program)
{
	char request;
	int answer;

	prctl(PR_SET_NAME, "patchbayd-start");
	/* Nobody waits for what it starts: that takes the daemon's place or says why not. */
	signal(SIGCHLD, SIG_IGN);
	while (recv(fd, &request, sizeof(request), 0) == sizeof(request)) {
		answer = start(program);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	_exit(0);
}

/* ---- the daemon's side ---- */

int
starter_create(struct starter **starter, char *const *argv, struct err *err)
{
	struct starter *s = calloc(1, sizeof(*s));
	struct program program;
	int ends[2], rc;
	pid_t pid;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	rc = describe_program(&program, argv);
	if (!rc && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		rc = -errno;
	if (rc) {
		free(s);
		return err_set(err, rc, "the program's own file: %s", strerror(-rc));
	}
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	rc = pid < 0 ? -errno : 0;
	if (pid == 0) {
		fd_close(&ends[0]);
		serve(ends[1], &program);
	}
	free(program.words);
	fd_close(&ends[1]);
	s->fd = ends[0];
	if (rc) {
		starter_destroy(s);
		return err_set(err, rc, "fork: %s", strerror(-rc));
	}
	*starter = s;
	return 0;
}

void
starter_destroy(struct starter *starter)
{
	if (!starter)
		return;
	fd_close(&starter->fd);
	free(starter);
}

int
starter_run(struct starter *starter, struct err *err)
{
	struct pollfd answered = {.fd = starter->fd, .events = POLLIN};
	int answer = -EPIPE;
	char request = 1;

	if (send(starter->fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		answer = -errno;
	else if (poll(&answered, 1, ANSWER_MS) <= 0)
		answer = -ETIMEDOUT;
	else if (recv(starter->fd, &answer, sizeof(answer), MSG_DONTWAIT) != sizeof(answer))
		answer = -EPIPE;
	if (answer == -EPIPE)
		return err_set(err, answer,
			"the process that starts new daemons has ended: start one by hand, with "
			"--takeover");
	return answer < 0 ? err_set(err, answer, "cannot start a new daemon: %s", strerror(-answer))
			  : answer;
}
