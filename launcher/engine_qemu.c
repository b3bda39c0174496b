/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: QEMU is confined by its own means (-sandbox) and may yet be taken over by its guest;
 * then it says what it likes by QMP.  Nothing but known events is taken from there, and whatever they
 * claim, the end of the process is what counts.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/engine.h"
#include "launcher/lines.h"
#include "launcher/process.h"
#include "launcher/qemu_arguments.h"
#include "lib/clock.h"
#include "lib/fd.h"

#define STUCK     5                    /* repetitions */
#define RESET_NS  UINT64_C(1000000000) /* no kernel boots in that time */
#define NOT_FOUND 127                  /* exit code of a child that could not execute QEMU */

struct qemu {
	struct engine engine;
	char **arguments;
	struct lines *qmp;
	bool ready, killed;
	bool stuck; /* it says the same again and again, and does not start */
	char last[ERR_TEXT_MAX];
	unsigned repetitions;
	enum vm_end end; /* what QMP said about it */
	bool said_end;
	uint64_t reset_ns; /* of the last reset */
};

/* ---- QMP ---- */

static void
execute(struct qemu *q, const char *verb)
{
	lines_send(q->qmp, json_pack("{s:s}", "execute", verb));
}

/* "SHUTDOWN" with its reason. */
static void
take_shutdown(struct qemu *q, const json_t *data)
{
	const char *reason = json_string_value(json_object_get(data, "reason"));

	q->said_end = true;
	if (!reason)
		q->end = VM_END_CRASH;
	else if (strcmp(reason, "guest-shutdown") == 0)
		q->end = VM_END_SHUTDOWN;
	else if (strcmp(reason, "guest-reset") == 0)
		q->end = VM_END_REBOOT;
	else if (strcmp(reason, "guest-panic") == 0)
		q->end = VM_END_CRASH;
	else
		q->end = VM_END_KILL;
}

/* A kernel tries one way to reset after the other: that is one reboot. */
static void
take_reset(struct qemu *q)
{
	uint64_t now = clock_ns();

	if (now - q->reset_ns > RESET_NS)
		q->engine.events.restarted(q->engine.events.arg);
	q->reset_ns = now;
}

static void
take_event(struct qemu *q, const char *event, const json_t *data)
{
	const struct engine_events *e = &q->engine.events;

	if (strcmp(event, "STOP") == 0)
		e->paused(e->arg);
	else if (strcmp(event, "RESUME") == 0)
		e->running(e->arg);
	else if (strcmp(event, "RESET") == 0)
		take_reset(q);
	else if (strcmp(event, "SHUTDOWN") == 0)
		take_shutdown(q, data);
}

static void
on_message(void *arg, json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));
	struct qemu *q = arg;

	if (json_object_get(message, "QMP")) {
		execute(q, "qmp_capabilities");
	} else if (event && q->ready) {
		take_event(q, event, json_object_get(message, "data"));
	} else if (json_object_get(message, "return") && !q->ready) {
		q->ready = true;
		q->engine.events.running(q->engine.events.arg);
	}
}

static void
on_qmp_end(void *arg)
{
	struct qemu *q = arg;

	lines_destroy(q->qmp);
	q->qmp = NULL;
}

/* ---- the process ---- */

static int
run_qemu(void *arg)
{
	struct qemu *q = arg;

	for (int fd = QEMU_FD_CONSOLE; fd <= QEMU_FD_QMP; fd++)
		fd_set_nonblocking(fd);
	execvp(QEMU_PROGRAM, q->arguments);
	dprintf(STDERR_FILENO, "%s: %s\n", QEMU_PROGRAM, strerror(errno));
	return NOT_FOUND;
}

/* "qemu-system-x86_64: " in front of its words says nothing. */
static const char *
words_of(const struct qemu *q)
{
	const char *words = process_words(q->engine.process);
	size_t n = strlen(QEMU_PROGRAM ": ");

	return strncmp(words, QEMU_PROGRAM ": ", n) == 0 ? words + n : words;
}

/* QEMU asks a back end that lacks something again and again, for ever. */
static void
on_words(void *arg, const char *line)
{
	struct qemu *q = arg;

	if (q->ready || strstr(line, "waiting for connection"))
		return;
	q->repetitions = strcmp(line, q->last) == 0 ? q->repetitions + 1 : 0;
	snprintf(q->last, sizeof(q->last), "%s", line);
	if (q->repetitions < STUCK)
		return;
	q->stuck = true;
	process_kill(q->engine.process);
}

static void
describe_end(struct qemu *q, int status, char *text, size_t size)
{
	text[0] = '\0';
	if (q->killed)
		return;
	if (q->stuck)
		snprintf(text, size, "QEMU does not start: %.400s", words_of(q));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		snprintf(text, size, "QEMU is not installed (%s): apt-get install qemu-system-x86",
			words_of(q));
	else if (WIFSIGNALED(status))
		snprintf(text, size, "QEMU was ended by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (q->said_end && q->end == VM_END_CRASH)
		snprintf(text, size, "the guest panicked");
	else if (WEXITSTATUS(status))
		snprintf(text, size, "QEMU ended with code %d: %.400s", WEXITSTATUS(status),
			words_of(q));
}

static void
on_process_end(void *arg, int status)
{
	struct qemu *q = arg;
	const struct engine_events *e = &q->engine.events;
	char text[ERR_TEXT_MAX];
	enum vm_end end;

	/* What it said last may still wait to be read. */
	lines_read_rest(q->qmp);
	describe_end(q, status, text, sizeof(text));
	if (q->killed)
		end = VM_END_KILL;
	else if (q->said_end && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		end = q->end;
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !q->stuck)
		end = VM_END_KILL;
	else
		end = VM_END_CRASH;
	e->ended(e->arg, end, text);
}

static int
start_process(struct qemu *q, const struct engine_start *start, struct err *err)
{
	const struct lines_handler handler = {on_message, on_qmp_end, q};
	int pair[2] = {-1, -1}, fds[2], r;
	struct process_start child = {.loop = start->loop,
		.body = run_qemu,
		.said = on_words,
		.ended = on_process_end,
		.arg = q,
		.fds = fds,
		.fd_count = 2};

	q->arguments = qemu_arguments(start->def, start->kvm);
	if (!q->arguments)
		return err_set(err, -ENOMEM, "out of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, -errno, "socketpair: %s", strerror(errno));
	fds[0] = start->console;
	fds[1] = pair[1];
	r = process_create(&q->engine.process, &child, err);
	fd_close(&pair[1]);
	if (r) {
		fd_close(&pair[0]);
		return r;
	}
	q->qmp = lines_create(start->loop, pair[0], &handler);
	return q->qmp ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* ---- operations ---- */

static void
qemu_pause(struct engine *engine)
{
	execute((struct qemu *)engine, "stop");
}

static void
qemu_resume(struct engine *engine)
{
	execute((struct qemu *)engine, "cont");
}

static void
qemu_powerdown(struct engine *engine)
{
	execute((struct qemu *)engine, "system_powerdown");
}

static void
qemu_reset(struct engine *engine)
{
	execute((struct qemu *)engine, "system_reset");
}

static void
qemu_kill(struct engine *engine)
{
	((struct qemu *)engine)->killed = true;
	process_kill(engine->process);
}

static void
qemu_destroy(struct engine *engine)
{
	struct qemu *q = (struct qemu *)engine;

	process_destroy(engine->process);
	lines_destroy(q->qmp);
	qemu_arguments_free(q->arguments);
	free(q);
}

static int
qemu_start(struct engine **engine, const struct engine_start *start, struct err *err)
{
	struct qemu *q = calloc(1, sizeof(*q));
	int console = start->console;
	int r;

	if (!q) {
		close(console);
		return err_set(err, -ENOMEM, "out of memory");
	}
	q->engine.ops = &engine_qemu;
	q->engine.events = start->events;
	r = start_process(q, start, err);
	close(console);
	if (r)
		qemu_destroy(&q->engine);
	else
		*engine = &q->engine;
	return r;
}

const struct engine_ops engine_qemu = {
	.name = "qemu",
	.start = qemu_start,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.powerdown = qemu_powerdown,
	.reset = qemu_reset,
	.kill = qemu_kill,
	.destroy = qemu_destroy,
};
