/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process: its beginning, signals, and the line to who started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "launcher/kernel_file.h"
#include "launcher/supervisor_state.h"
#include "lib/fd.h"
#include "lib/log.h"

/* ---- the line to who started it ---- */

static void
on_line(void *arg, json_t *message)
{
	struct supervisor *s = arg;
	json_t *stop = json_object_get(message, "stop");

	if (json_object_get(message, "release")) {
		lines_destroy(s->line);
		s->line = NULL;
	} else if (json_object_get(message, "kill")) {
		supervisor_kill(s);
	} else if (stop) {
		supervisor_stop(s, (unsigned)json_integer_value(stop));
	}
}

static void
on_line_end(void *arg)
{
	struct supervisor *s = arg;

	lines_destroy(s->line);
	s->line = NULL;
	supervisor_kill(s);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	supervisor_kill(arg);
}

/* ---- the beginning ---- */

static int
prepare_loop(struct supervisor *s, int line)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	const struct lines_handler handler = {on_line, on_line_end, s};

	s->loop = event_base_new();
	if (!s->loop) {
		close(line);
		return -ENOMEM;
	}
	s->line = lines_create(s->loop, line, &handler);
	s->stop_timer = evtimer_new(s->loop, supervisor_on_stop_timer, s);
	if (!s->line || !s->stop_timer)
		return -ENOMEM;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		s->signals[i] = evsignal_new(s->loop, numbers[i], on_signal, s);
		if (!s->signals[i] || event_add(s->signals[i], NULL))
			return -ENOMEM;
	}
	return 0;
}

/* Standard error is the log from here on. */
static void
open_log(struct supervisor *s)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s.log", s->dir.log);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	fd_close(&fd);
}

static void
write_pid(const struct supervisor *s)
{
	char path[PATH_MAX];
	FILE *file = fopen(vm_dir_file(&s->dir, "pid", path, sizeof(path)), "we");

	if (file) {
		fprintf(file, "%d\n", (int)getpid());
		fclose(file);
	}
}

static int
prepare_console(struct supervisor *s, struct err *err)
{
	char path[PATH_MAX], log[PATH_MAX];
	int console = s->console, r;

	vm_dir_file(&s->dir, "console.sock", path, sizeof(path));
	snprintf(log, sizeof(log), "%s.console", s->dir.log);
	r = console_hub_create(&s->hub, s->loop, path, log, err);
	if (r || console < 0)
		return r;
	s->console = -1;
	r = console_hub_add(s->hub, console);
	return r ? err_set(err, r, "out of memory") : 0;
}

static int
prepare(struct supervisor *s, struct err *err)
{
	const struct switch_ports_handler handler = {supervisor_on_ports, supervisor_on_removed, s};
	char why[ERR_TEXT_MAX];
	int r = kernel_file_check(&s->def.vm, err);

	if (r == 0)
		r = vm_dir_claim(&s->dir, &s->def, err);
	if (r)
		return r;
	open_log(s);
	write_pid(s);
	r = disks_lock(s, err);
	if (r == 0)
		r = prepare_console(s, err);
	if (r == 0)
		r = control_create(&s->control, s, err);
	if (r == 0)
		r = engine_choose(s->def.vm.engine, &s->ops, &s->kvm, why, sizeof(why), err);
	if (r)
		return r;
	supervisor_note(s, "%s", why);
	if (!definition_has_ports(&s->def)) {
		supervisor_go_on(s);
		return 0;
	}
	return switch_ports_create(&s->ports, s->loop, &s->def, s->socket, &handler, err);
}

static void
release(struct supervisor *s)
{
	switch_ports_destroy(s->ports);
	control_destroy(s->control);
	lines_destroy(s->line);
	for (unsigned i = 0; i < 2; i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	if (s->stop_timer)
		event_free(s->stop_timer);
	if (s->loop)
		event_base_free(s->loop);
	fd_close(&s->console);
	free(s);
}

int
supervisor_run(const struct supervisor_options *options)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	struct err err = {0};
	int r;

	if (!s)
		return 1;
	s->def = *options->def;
	s->socket = options->socket;
	s->console = options->console;
	s->dir.lock = -1;
	memset(s->disks, 0xff, sizeof(s->disks));
	prctl(PR_SET_NAME, "patchbay-vm");
	/* Neither it nor QEMU ever gains rights by executing something. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	log_start(s->def.vm.name, LOG_LEVEL_INFO);
	r = prepare_loop(s, options->line);
	if (r == 0) {
		r = prepare(s, &err);
		if (r)
			supervisor_fail(s, &err);
		if (s->phase != PHASE_ENDING || s->ports)
			event_base_dispatch(s->loop);
	}
	r = s->failure.code || r ? 1 : 0;
	release(s);
	return r;
}

int
supervisor_start(const struct vm_definition *def, const char *socket, int *line, int *console,
	struct err *err)
{
	int lines[2] = {-1, -1}, consoles[2] = {-1, -1};
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lines) == 0 &&
		(!console || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, consoles) == 0))
		pid = fork();
	if (pid < 0) {
		err_set(err, -errno, "cannot start the supervisor: %s", strerror(errno));
		fds_close(lines, 2);
		fds_close(consoles, 2);
		return err->code;
	}
	if (pid == 0) {
		const struct supervisor_options options = {
			.def = def, .socket = socket, .line = lines[1], .console = consoles[1]};
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		sigset_t none;

		/* The command may have blocked some. */
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* Keys and hang-ups of the terminal are for the command; it decides. */
		setsid();
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		close(lines[0]);
		fd_close(&consoles[0]);
		_exit(supervisor_run(&options));
	}
	close(lines[1]);
	fd_close(&consoles[1]);
	*line = lines[0];
	if (console)
		*console = consoles[0];
	return 0;
}
