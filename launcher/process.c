/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "launcher/process.h"
#include "lib/fd.h"
#include "lib/log.h"

#define FIRST_FD 3

struct process {
	struct process_start start;
	pid_t pid; /* 0 = gone */
	int pidfd, said;
	struct event *end_event, *said_event;
	char words[ERR_TEXT_MAX]; /* the last whole line */
	char line[ERR_TEXT_MAX];  /* the one that is being said */
	size_t length;
	unsigned lines; /* that were logged */
};

/* ---- in the child ---- */

static void __attribute__((noreturn))
run_child(const struct process_start *start, int said, pid_t parent)
{
	int copies[PROCESS_FDS_MAX];
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	/* Out of the way of the numbers that they shall have. */
	for (unsigned i = 0; i < start->fd_count; i++)
		copies[i] = fcntl(start->fds[i], F_DUPFD, FIRST_FD + PROCESS_FDS_MAX);
	said = fcntl(said, F_DUPFD, FIRST_FD + PROCESS_FDS_MAX);
	dup2(null, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	for (unsigned i = 0; i < start->fd_count; i++)
		dup2(copies[i], FIRST_FD + (int)i);
	syscall(SYS_close_range, FIRST_FD + start->fd_count, ~0u, 0);
	_exit(start->body(start->arg));
}

/* ---- what it says ---- */

static void
take_byte(struct process *p, char c)
{
	if (c != '\n' && p->length < sizeof(p->line) - 1) {
		p->line[p->length++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
		return;
	}
	if (c != '\n')
		return;
	p->line[p->length] = '\0';
	if (p->length > 0) {
		if (strcmp(p->words, p->line) != 0 && p->lines++ < PROCESS_LINES_MAX)
			log_info("%s", p->line);
		memcpy(p->words, p->line, p->length + 1);
		if (p->start.said)
			p->start.said(p->start.arg, p->words);
	}
	p->length = 0;
}

static void
take_words(struct process *p)
{
	char data[1024];
	ssize_t n;

	while ((n = read(p->said, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++)
			take_byte(p, data[i]);
	if (n == 0 && p->said_event)
		event_del(p->said_event);
}

static void
on_words(evutil_socket_t fd, short what, void *arg)
{
	take_words(arg);
}

/* ---- life ---- */

static int
reap(struct process *p)
{
	int status = 0;

	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
	return status;
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;
	int status = reap(p);

	event_del(p->end_event);
	take_words(p);
	take_byte(p, '\n');
	p->start.ended(p->start.arg, status);
}

static int
watch(struct process *p)
{
	p->end_event = event_new(p->start.loop, p->pidfd, EV_READ | EV_PERSIST, on_end, p);
	p->said_event = event_new(p->start.loop, p->said, EV_READ | EV_PERSIST, on_words, p);
	if (!p->end_event || !p->said_event || event_add(p->end_event, NULL) ||
		event_add(p->said_event, NULL))
		return -ENOMEM;
	return 0;
}

int
process_create(struct process **process, const struct process_start *start, struct err *err)
{
	struct process *p = calloc(1, sizeof(*p));
	int pair[2] = {-1, -1};
	pid_t parent = getpid();
	int r = 0;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->start = *start;
	p->pidfd = p->said = -1;
	if (pipe2(pair, O_CLOEXEC) < 0 || fd_set_nonblocking(pair[0]) < 0 ||
		(p->pid = fork()) < 0) {
		r = err_set(err, -errno, "cannot start a process: %s", strerror(errno));
		p->pid = 0;
		fd_close(&pair[0]);
	}
	if (r == 0 && p->pid == 0)
		run_child(start, pair[1], parent);
	fd_close(&pair[1]);
	p->said = pair[0];
	if (r == 0) {
		p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
		if (p->pidfd < 0 || watch(p) < 0)
			r = err_set(err, -ENOMEM, "cannot watch a process: out of memory");
	}
	if (r)
		process_destroy(p);
	else
		*process = p;
	return r;
}

pid_t
process_pid(const struct process *p)
{
	return p->pid;
}

const char *
process_words(const struct process *p)
{
	return p->words;
}

void
process_kill(struct process *p)
{
	if (p->pid)
		kill(p->pid, SIGKILL);
}

void
process_destroy(struct process *p)
{
	if (!p)
		return;
	process_kill(p);
	if (p->pid)
		reap(p);
	if (p->end_event)
		event_free(p->end_event);
	if (p->said_event)
		event_free(p->said_event);
	fd_close(&p->pidfd);
	fd_close(&p->said);
	free(p);
}
