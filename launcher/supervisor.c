/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a virtual machine, from its ports to its end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "launcher/supervisor_state.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/path_watch.h"

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
		lines_send(s->line, json_pack("{s:{s:i, s:s}}", "failed", "code", s->failure.code,
					    "text", s->failure.text));
	else
		lines_send(s->line, json_pack("{s:o}", "ended", supervisor_describe_end(s)));
	lines_flush(s->line, 1000);
	control_finish(s->control);
	event_base_loopbreak(s->loop);
}

void
supervisor_on_removed(void *arg)
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

void
supervisor_fail(struct supervisor *s, const struct err *err)
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
	supervisor_fail(s, &err);
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

void
supervisor_on_stop_timer(evutil_socket_t fd, short what, void *arg)
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
		supervisor_fail(s, &err);
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
		supervisor_fail(s, &err);
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
		supervisor_fail(s, &err);
}

/* ---- sockets of other back ends ---- */

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
		r = path_watch_add(&s->watch, s->loop, net->path, supervisor_go_on, s);
		if (r) {
			err_set(&err, r, "net %u: cannot wait for the socket %s: %s", i, net->path,
				strerror(-r));
			supervisor_fail(s, &err);
			return false;
		}
		/* It may have appeared before the watch was there. */
		if (stat(net->path, &st) == 0 && S_ISSOCK(st.st_mode))
			continue;
		if (s->waiting_for != net->path)
			supervisor_note(
				s, "waiting for the socket %s of a vhost-user back end", net->path);
		s->waiting_for = net->path;
		return false;
	}
	return true;
}

void
supervisor_go_on(void *arg)
{
	struct supervisor *s = arg;

	if (s->phase != PHASE_STARTING || s->engine || !have_sockets(s))
		return;
	path_watch_del(s->watch);
	s->watch = NULL;
	for (unsigned i = 0; i < s->def.net_count; i++)
		if (s->def.nets[i].set.server)
			supervisor_note(s, "waiting for a vhost-user back end that connects to %s",
				s->def.nets[i].path);
	start_engine(s);
}

void
supervisor_on_ports(void *arg, const struct err *err)
{
	struct supervisor *s = arg;

	if (err->code)
		supervisor_fail(s, err);
	else
		supervisor_go_on(s);
}
