/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the monitor's process has met the guest and may be taken over by it.  From its control
 * socket nothing but whole messages of the right size are taken, and whatever they claim, the end of the
 * process is what counts.
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

#include <event2/event.h>

#include "launcher/engine.h"
#include "launcher/machine.h"
#include "launcher/process.h"
#include "lib/fd.h"
#include "lib/log.h"

enum { FD_CONSOLE = 3, FD_CONTROL };

struct monitor {
	struct engine engine;
	struct vm_config config;
	int control;
	struct event *on_event;
	enum machine_state state;
	uint32_t reboots;
	bool killed;
};

/* ---- in the child ---- */

static int
run_machine(void *arg)
{
	struct monitor *m = arg;
	const struct machine_io io = {.serial_in = FD_CONSOLE,
		.serial_out = FD_CONSOLE,
		.console_in = -1,
		.console_out = -1,
		.control_fd = FD_CONTROL};
	struct err err = {0};
	int end;

	log_start("kvm", LOG_LEVEL_INFO);
	end = machine_run(&m->config, &io, &err);
	if (err.code) { /* not by dprintf(), which seeks: the filter of system calls is in force */
		char line[ERR_TEXT_MAX + 1];
		int length = snprintf(line, sizeof(line), "%s\n", err.text);
		ssize_t n = write(STDERR_FILENO, line, (size_t)length);

		(void)n; /* the exit code still tells */
	}
	return end;
}

/* ---- what it says ---- */

static void
take_event(struct monitor *m, const struct machine_event *event)
{
	const struct engine_events *e = &m->engine.events;

	if (event->reboots > m->reboots)
		e->restarted(e->arg);
	m->reboots = event->reboots;
	if (event->state == m->state)
		return;
	m->state = event->state;
	if (m->state == MACHINE_RUNNING)
		e->running(e->arg);
	else if (m->state == MACHINE_PAUSED)
		e->paused(e->arg);
}

static void
on_control(evutil_socket_t fd, short what, void *arg)
{
	struct machine_event event;
	struct monitor *m = arg;
	ssize_t n;

	while ((n = recv(m->control, &event, sizeof(event), MSG_DONTWAIT)) == sizeof(event))
		take_event(m, &event);
	if (n == 0)
		event_del(m->on_event);
}

static void
on_process_end(void *arg, int status)
{
	struct monitor *m = arg;
	const struct engine_events *e = &m->engine.events;
	enum vm_end end = VM_END_CRASH;
	char text[ERR_TEXT_MAX] = "";

	if (WIFSIGNALED(status) && !m->killed)
		snprintf(text, sizeof(text), "its monitor was ended by signal %d (%s)",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) &&
		 (WEXITSTATUS(status) == MACHINE_ERROR || WEXITSTATUS(status) == MACHINE_CRASH))
		snprintf(text, sizeof(text), "%s", process_words(m->engine.process));
	if (m->killed || (WIFEXITED(status) && WEXITSTATUS(status) == MACHINE_KILLED) ||
		(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		end = VM_END_KILL;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == MACHINE_SHUTDOWN)
		end = VM_END_SHUTDOWN;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == MACHINE_REBOOT)
		end = VM_END_REBOOT;
	e->ended(e->arg, end, text);
}

/* ---- start ---- */

static void
fill_config(struct vm_config *config, const struct vm_definition *def)
{
	const struct vm_settings *vm = &def->vm;

	vm_config_init(config);
	snprintf(config->name, sizeof(config->name), "%s", vm->name);
	snprintf(config->kernel, sizeof(config->kernel), "%s", vm->kernel);
	snprintf(config->initrd, sizeof(config->initrd), "%s", vm->initrd);
	snprintf(config->cmdline, sizeof(config->cmdline), "%s", vm->append);
	config->cpus = vm->cpus;
	config->memory = vm->memory;
	config->hugepages = vm->hugepages;
	config->prefault = vm->prefault;
	config->no_reboot = vm->on_reboot == ON_REBOOT_STOP;
	config->net_count = def->net_count;
	for (unsigned i = 0; i < def->net_count; i++) {
		struct vm_net *net = &config->nets[i];

		memcpy(net->socket, def->nets[i].path, sizeof(net->socket));
		net->listen = def->nets[i].set.server;
		net->mac = def->nets[i].set.mac;
		net->queues = def->nets[i].set.queues;
		net->mtu = def->nets[i].set.mtu;
	}
	config->disk_count = def->disk_count;
	for (unsigned i = 0; i < def->disk_count; i++) {
		snprintf(config->disks[i].path, sizeof(config->disks[i].path), "%s",
			def->disks[i].file);
		config->disks[i].readonly = def->disks[i].ro;
	}
}

static int
start_process(struct monitor *m, const struct engine_start *start, struct err *err)
{
	int pair[2] = {-1, -1}, fds[2], r;
	struct process_start child = {.loop = start->loop,
		.body = run_machine,
		.ended = on_process_end,
		.arg = m,
		.fds = fds,
		.fd_count = 2};

	fill_config(&m->config, start->def);
	r = vm_config_check(&m->config, err);
	if (r)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_set(err, -errno, "socketpair: %s", strerror(errno));
	m->control = pair[0];
	fds[0] = start->console;
	fds[1] = pair[1];
	m->on_event = event_new(start->loop, m->control, EV_READ | EV_PERSIST, on_control, m);
	if (!m->on_event || event_add(m->on_event, NULL))
		r = err_set(err, -ENOMEM, "out of memory");
	else
		r = process_create(&m->engine.process, &child, err);
	close(pair[1]);
	return r;
}

/* ---- operations ---- */

static void
command(struct engine *engine, enum machine_command what)
{
	struct monitor *m = (struct monitor *)engine;
	char byte = (char)what;

	/* A monitor that reads nothing is ended by kill, which does not ask it. */
	if (send(m->control, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warning("the monitor takes no command: %s", strerror(errno));
}

static void
kvm_pause(struct engine *engine)
{
	command(engine, MACHINE_CMD_PAUSE);
}

static void
kvm_resume(struct engine *engine)
{
	command(engine, MACHINE_CMD_RESUME);
}

static void
kvm_powerdown(struct engine *engine)
{
	command(engine, MACHINE_CMD_BUTTON);
}

static void
kvm_reset(struct engine *engine)
{
	command(engine, MACHINE_CMD_RESET);
}

static void
kvm_kill(struct engine *engine)
{
	((struct monitor *)engine)->killed = true;
	process_kill(engine->process);
}

static void
kvm_destroy(struct engine *engine)
{
	struct monitor *m = (struct monitor *)engine;

	process_destroy(engine->process);
	if (m->on_event)
		event_free(m->on_event);
	fd_close(&m->control);
	free(m);
}

static int
kvm_start(struct engine **engine, const struct engine_start *start, struct err *err)
{
	struct monitor *m = calloc(1, sizeof(*m));
	int console = start->console;
	int r;

	if (!m) {
		close(console);
		return err_set(err, -ENOMEM, "out of memory");
	}
	m->engine.ops = &engine_kvm;
	m->engine.events = start->events;
	m->control = -1;
	r = start_process(m, start, err);
	close(console);
	if (r)
		kvm_destroy(&m->engine);
	else
		*engine = &m->engine;
	return r;
}

const struct engine_ops engine_kvm = {
	.name = "kvm",
	.start = kvm_start,
	.pause = kvm_pause,
	.resume = kvm_resume,
	.powerdown = kvm_powerdown,
	.reset = kvm_reset,
	.kill = kvm_kill,
	.destroy = kvm_destroy,
};
