/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/schema.h"
#include "launcher/kernel_file.h"
#include "launcher/process.h"
#include "launcher/supervisor_state.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "vhost/path_watch.h"

/* ---- what it says ---- */

static void __attribute__((format(printf, 2, 3)))
note(struct supervisor *s, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_info("%s", text);
	lines_send(s->line, json_pack("{s:s}", "note", text));
}

static json_t *
describe_nets(const struct vm_definition *def)
{
	json_t *nets = json_array();

	for (unsigned i = 0; i < def->net_count; i++) {
		const struct definition_net *net = &def->nets[i];
		char mac[MAC_TEXT_SIZE];
		json_t *row = json_pack("{s:s, s:i, s:s}", "mac", mac_format(&net->set.mac, mac),
			"queues", (int)net->set.queues, "socket", net->path);

		if (net->port[0]) {
			json_object_set_new(row, "bridge", json_string(net->set.bridge));
			json_object_set_new(row, "port", json_string(net->port));
		}
		json_array_append_new(nets, row);
	}
	return nets;
}

json_t *
supervisor_describe(const struct supervisor *s)
{
	static const char *const names[] = {"starting", "running", "paused", "stopping", "stopping"};
	char console[PATH_MAX], log[PATH_MAX];
	json_t *disks = json_array();

	for (unsigned i = 0; i < s->def.disk_count; i++)
		json_array_append_new(
			disks, schema_store(&noun_disk, &s->def.disks[i], true, true));
	snprintf(log, sizeof(log), "%s.console", s->dir.log);
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:i, s:I, s:i, s:i, s:s, s:o, s:o, s:s, s:s}",
		"name", s->def.vm.name, "state", names[s->phase], "engine",
		s->ops ? s->ops->name : "none", "cpus", (int)s->def.vm.cpus, "memory",
		(json_int_t)s->def.vm.memory, "pid",
		s->engine ? (int)process_pid(s->engine->process) : 0, "uptime",
		(json_int_t)((clock_ns() - s->started_ns) / 1000000000), "restarts",
		(int)s->restarts, "supervisor", (int)getpid(), "kernel", s->def.vm.kernel, "nets",
		describe_nets(&s->def), "disks", disks, "console",
		vm_dir_file(&s->dir, "console.sock", console, sizeof(console)), "log", log);
}

json_t *
supervisor_describe_end(const struct supervisor *s)
{
	return json_pack("{s:s, s:s}", "how", vm_end_names[s->end], "text", s->end_text);
}

/* ---- the end ---- */

static void
set_phase(struct supervisor *s, enum supervisor_phase phase)
{
	if (s->phase == PHASE_ENDING || s->phase == phase)
		return;
	s->phase = phase;
	control_tell(s->control);
}

/* Nothing runs any more and the switch has its ports back. */
static void
conclude(struct supervisor *s)
{
	if (s->engine)
		s->ops->destroy(s->engine);
	s->engine = NULL;
	console_hub_destroy(s->hub);
	s->hub = NULL;
	fds_close(s->disks, CONFIG_VM_DISKS_MAX);
	vm_dir_release(&s->dir);
	if (s->failure.code)
		lines_send(s->line, json_pack("{s:{s:i, s:s}}", "failed", "code",
					    s->failure.code, "text", s->failure.text));
	else
		lines_send(s->line, json_pack("{s:o}", "ended", supervisor_describe_end(s)));
	lines_flush(s->line, 1000);
	control_finish(s->control);
	event_base_loopbreak(s->loop);
}

static void
on_removed(void *arg)
{
	conclude(arg);
}

/* Gives back what is not the engine's, once. */
static void
wind_up(struct supervisor *s)
{
	if (s->phase == PHASE_ENDING)
		return;
	set_phase(s, PHASE_ENDING);
	event_del(s->stop_timer);
	path_watch_del(s->watch);
	s->watch = NULL;
	if (s->hub)
		console_hub_finish(s->hub);
	if (s->ports)
		switch_ports_remove(s->ports);
	else
		conclude(s);
}

static void
fail(struct supervisor *s, const struct err *err)
{
	if (s->phase == PHASE_ENDING)
		return;
	log_error("%s", err->text);
	s->failure = *err;
	s->end = VM_END_CRASH;
	snprintf(s->end_text, sizeof(s->end_text), "%s", err->text);
	wind_up(s);
}

void
supervisor_kill(struct supervisor *s)
{
	struct err err;

	if (s->phase == PHASE_ENDING)
		return;
	if (s->engine) {
		set_phase(s, PHASE_STOPPING);
		s->ops->kill(s->engine);
		return;
	}
	err_set(&err, -EINTR, "interrupted before it ran");
	fail(s, &err);
	s->end = VM_END_KILL;
}

void
supervisor_stop(struct supervisor *s, unsigned seconds)
{
	const struct timeval time = {.tv_sec = seconds};

	if (s->phase == PHASE_STARTING || seconds == 0) {
		supervisor_kill(s);
		return;
	}
	if (s->phase == PHASE_ENDING)
		return;
	if (s->phase == PHASE_PAUSED)
		s->ops->resume(s->engine);
	set_phase(s, PHASE_STOPPING);
	s->stop_seconds = seconds;
	s->ops->powerdown(s->engine);
	event_add(s->stop_timer, &time);
}

static void
on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *s = arg;

	snprintf(s->end_text, sizeof(s->end_text),
		"killed: it did not shut down within %u s of the power button", s->stop_seconds);
	supervisor_kill(s);
}

/* ---- the engine ---- */

static void
on_running(void *arg)
{
	struct supervisor *s = arg;

	if (s->phase == PHASE_STARTING || s->phase == PHASE_PAUSED)
		set_phase(s, PHASE_RUNNING);
	if (!s->was_running)
		lines_send(s->line, json_pack("{s:o}", "running", supervisor_describe(s)));
	s->was_running = true;
}

static void
on_paused(void *arg)
{
	struct supervisor *s = arg;

	if (s->phase == PHASE_RUNNING)
		set_phase(s, PHASE_PAUSED);
}

static void
on_restarted(void *arg)
{
	struct supervisor *s = arg;

	s->restarts++;
	log_info("the guest has rebooted");
}

static void
on_ended(void *arg, enum vm_end end, const char *text)
{
	static const char *const words[] = {[VM_END_SHUTDOWN] = "the guest has shut down",
		[VM_END_REBOOT] = "the guest wanted to reboot",
		[VM_END_CRASH] = "its monitor has failed",
		[VM_END_KILL] = "killed"};
	struct supervisor *s = arg;
	struct err err;

	if (!s->was_running && end != VM_END_KILL) {
		err_set(&err, -EIO, "%s", text && *text ? text : "its monitor ended at once");
		fail(s, &err);
		return;
	}
	s->end = end;
	if (text && *text)
		snprintf(s->end_text, sizeof(s->end_text), "%s", text);
	else if (!s->end_text[0] || end != VM_END_KILL)
		snprintf(s->end_text, sizeof(s->end_text), "%s", words[end]);
	log_info("%s: %s", vm_end_names[end], s->end_text);
	wind_up(s);
}

static void
start_engine(struct supervisor *s)
{
	struct engine_start start = {.loop = s->loop,
		.def = &s->def,
		.kvm = s->kvm,
		.events = {on_running, on_paused, on_restarted, on_ended, s}};
	int pair[2], r;
	struct err err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		err_set(&err, -errno, "socketpair: %s", strerror(errno));
		fail(s, &err);
		return;
	}
	r = console_hub_attach(s->hub, pair[0]);
	start.console = pair[1];
	if (r) {
		close(pair[1]);
		err_set(&err, r, "out of memory");
	} else {
		s->started_ns = clock_ns();
		r = s->ops->start(&s->engine, &start, &err);
	}
	if (r)
		fail(s, &err);
}

/* ---- sockets of other back ends ---- */

static void go_on(void *arg);

/* False while one is not there. */
static bool
have_sockets(struct supervisor *s)
{
	for (unsigned i = 0; i < s->def.net_count; i++) {
		const struct definition_net *net = &s->def.nets[i];
		struct stat st;
		struct err err;
		int r;

		if (net->port[0] || net->set.server ||
			(stat(net->path, &st) == 0 && S_ISSOCK(st.st_mode)))
			continue;
		path_watch_del(s->watch);
		s->watch = NULL;
		r = path_watch_add(&s->watch, s->loop, net->path, go_on, s);
		if (r) {
			err_set(&err, r, "net %u: cannot wait for the socket %s: %s", i, net->path,
				strerror(-r));
			fail(s, &err);
			return false;
		}
		/* It may have appeared before the watch was there. */
		if (stat(net->path, &st) == 0 && S_ISSOCK(st.st_mode))
			continue;
		if (s->waiting_for != net->path)
			note(s, "waiting for the socket %s of a vhost-user back end", net->path);
		s->waiting_for = net->path;
		return false;
	}
	return true;
}

static void
go_on(void *arg)
{
	struct supervisor *s = arg;

	if (s->phase != PHASE_STARTING || s->engine || !have_sockets(s))
		return;
	path_watch_del(s->watch);
	s->watch = NULL;
	for (unsigned i = 0; i < s->def.net_count; i++)
		if (s->def.nets[i].set.server)
			note(s, "waiting for a vhost-user back end that connects to %s",
				s->def.nets[i].path);
	start_engine(s);
}

static void
on_ports(void *arg, const struct err *err)
{
	struct supervisor *s = arg;

	if (err->code)
		fail(s, err);
	else
		go_on(s);
}

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
	s->stop_timer = evtimer_new(s->loop, on_stop_timer, s);
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
	const struct switch_ports_handler handler = {on_ports, on_removed, s};
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
	note(s, "%s", why);
	if (!definition_has_ports(&s->def)) {
		go_on(s);
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
			fail(s, &err);
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
		(!console ||
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, consoles) == 0))
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
