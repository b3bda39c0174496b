/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * patchbayd: start, the control thread's event loop, stop.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/schema.h"
#include "control/command.h"
#include "control/cpu.h"
#include "control/giver.h"
#include "control/loop_guard.h"
#include "control/link_follow.h"
#include "control/notify.h"
#include "control/options.h"
#include "control/rejoin.h"
#include "control/rights.h"
#include "control/saver.h"
#include "control/server.h"
#include "control/snooping.h"
#include "control/stall_watch.h"
#include "control/starter.h"
#include "control/state.h"
#include "control/taker.h"
#include "lib/clock.h"
#include "vhost/vring_level.h"

#define RUNTIME_DIR_MODE 0750
#define READ_GROUP_MODE  0666 /* of the control socket; the server looks who connects */

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

struct daemon {
	struct options options;
	struct event_base *loop;
	struct unix_socket socket;
	struct state state;
	struct saver *saver; /* state.saver from when all runs */
	struct server *server;
	struct event *on_signal[SIGNAL_COUNT], *on_datapath, *on_second;
	char *const *argv;
	struct starter *starter;
	struct taker taker;
	bool datapath_runs, given_away;
};

/* ---- events ---- */

static void
reload(struct daemon *d)
{
	struct err err = {0};

	if (!d->options.config)
		log_info("SIGHUP: no --config was given, nothing to apply again");
	else if (state_load(&d->state, d->options.config, &err) < 0)
		log_error("%s: nothing was changed", err.text);
	else
		log_info("%s applied again", d->options.config);
	if (d->saver && !err.text[0])
		saver_set_origin(d->saver, d->options.config);
}

static void
handle_signal(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	if (number == SIGHUP)
		reload(d);
	else
		event_base_loopbreak(d->loop);
}

static void
handle_datapath(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	datapath_dispatch();
}

static void
handle_second(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	datapath_tick();
	link_follow_tick(d->state.live, &d->state.running);
	loop_guard_tick();
	snooping_tick();
	stall_watch_tick(d->state.live);
	rights_tick();
	if (d->state.saver)
		saver_tick(d->saver, d->state.live, &d->state.running);
}

static int
add_event(struct event *event, const struct timeval *interval)
{
	return event && event_add(event, interval) == 0 ? 0 : -ENOMEM;
}

static int
start_events(struct daemon *d, struct err *err)
{
	const struct timeval second = {1, 0};
	int rc = 0;

	for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
		d->on_signal[i] = evsignal_new(d->loop, signals[i], handle_signal, d);
		rc |= add_event(d->on_signal[i], NULL);
	}
	d->on_datapath =
		event_new(d->loop, datapath_event_fd(), EV_READ | EV_PERSIST, handle_datapath, d);
	rc |= add_event(d->on_datapath, NULL);
	d->on_second = event_new(d->loop, -1, EV_PERSIST, handle_second, d);
	rc |= add_event(d->on_second, &second);
	return rc ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static void
stop_event(struct event *event)
{
	if (event)
		event_free(event);
}

/* ---- start and stop ---- */

/* The default place of the socket; its directory is made when it is missing. */
static int
default_socket(struct options *options, struct err *err)
{
	char directory[sizeof(options->socket) - sizeof(API_SOCKET_NAME) - 1];

	if (api_runtime_dir(directory, sizeof(directory)) < 0)
		return err_set(
			err, -ENAMETOOLONG, "$XDG_RUNTIME_DIR is too long: give --socket PATH");
	if (mkdir(directory, RUNTIME_DIR_MODE) == 0) {
		/* Whoever may use the socket has to reach it. */
		if (options->socket_group != (gid_t)-1 &&
			chown(directory, (uid_t)-1, options->socket_group) < 0)
			return err_set(err, -errno, "cannot give %s to the socket's group: %s",
				directory, strerror(errno));
	} else if (errno != EEXIST) {
		return err_set(err, -errno,
			"cannot create %s: %s: give --socket PATH in a directory of "
			"your own",
			directory, strerror(errno));
	}
	snprintf(options->socket, sizeof(options->socket), "%s/%s", directory, API_SOCKET_NAME);
	return 0;
}

static int
start_socket(struct daemon *d, struct err *err)
{
	struct options *o = &d->options;
	struct unix_socket_options options = {
		.path = o->socket,
		.mode = o->socket_mode               ? o->socket_mode
			: o->read_group != (gid_t)-1 ? READ_GROUP_MODE
						     : 0,
		.owner = o->socket_owner,
		.group = o->socket_group,
	};
	int rc = o->socket[0] ? 0 : default_socket(o, err);

	if (rc == 0 && o->takeover) {
		rc = taker_connect(&d->taker, o->socket, err);
		return rc < 0 ? err_prefix(err, "--takeover") : 0;
	}
	if (rc == 0)
		rc = unix_socket_listen(&d->socket, &options, err);
	return rc < 0 ? err_prefix(err, "control socket") : 0;
}

static int
start_server(struct daemon *d, struct err *err)
{
	struct server_options options = {
		.loop = d->loop,
		.listener = &d->socket,
		.handler = {command_call, &d->state},
		.group = d->options.socket_group,
		.read_group = d->options.read_group,
		.line_max = API_LINE_MAX,
	};
	struct stat st;

	if (stat(d->socket.path, &st) == 0)
		options.group = st.st_gid;
	return server_create(&d->server, &options, err);
}

static void
pause_server(void *arg, bool on)
{
	server_pause(((struct daemon *)arg)->server, on);
}

static void
end_given_away(void *arg)
{
	struct daemon *d = arg;

	d->given_away = true;
	event_base_loopbreak(d->loop);
}

static int
start_giver(struct daemon *d, struct err *err)
{
	const struct giver_options options = {
		.loop = d->loop,
		.state = &d->state,
		.socket = &d->socket,
		.pause = pause_server,
		.gone = end_given_away,
		.arg = d,
		.starter = d->starter,
	};

	return giver_create(&d->state.giver, &options, err);
}

static int
start_datapath(struct daemon *d, struct err *err)
{
	sigset_t set;
	int rc;

	/* Workers inherit the mask: signals are the control thread's. */
	sigemptyset(&set);
	for (unsigned i = 0; i < SIGNAL_COUNT; i++)
		sigaddset(&set, signals[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	rc = datapath_start(&d->options.datapath, err);
	d->datapath_runs = rc == 0;
	if (rc == 0)
		rc = start_events(d, err);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return rc;
}

/* Each guest needs a few descriptors per queue. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			log_warning("cannot raise the limit of open files: %s", strerror(errno));
	}
}

/* Begins with what ran before, or with the configuration file. */
static int
start_config(struct daemon *d, struct err *err)
{
	const char *config = d->options.config;
	const char *path = d->saver ? saver_choose(d->saver, config) : config;
	int rc = 0;

	if (path && path != config) {
		rc = state_restore(&d->state, path, err);
		if (rc == 0)
			return 0;
		log_error("what ran is damaged: %s", err->text);
		path = saver_fallback(d->saver);
		if (path && state_restore(&d->state, path, err) == 0) {
			log_warning("went back to %s, the state before the last change", path);
			return 0;
		}
		path = config;
	}
	rc = path ? state_load(&d->state, path, err) : 0;
	if (rc == 0 && path && path == config && d->saver)
		saver_set_origin(d->saver, config);
	return rc;
}

static int
start_state(struct daemon *d, struct err *err)
{
	int rc;

	if (d->options.takeover) {
		rc = taker_run(&d->taker, &d->state, &d->socket, err);
		taker_close(&d->taker);
		if (rc < 0)
			return err_prefix(err, "--takeover");
	} else {
		rc = start_config(d, err);
		if (rc < 0)
			return rc;
		if (d->saver)
			saver_restore_tables(d->saver, d->state.live);
		if (d->saver && rejoin_start(d->state.live) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	d->state.saver = d->saver;
	if (d->saver)
		saver_save_config(d->saver, &d->state.running);
	return 0;
}

static int
start(struct daemon *d, struct err *err)
{
	int rc = command_check_tables(err);

	if (rc == 0)
		rc = starter_create(&d->starter, d->argv, err);
	if (rc == 0)
		rc = start_socket(d, err);
	if (rc == 0 && d->options.state)
		rc = saver_open(&d->saver, d->options.state, d->options.takeover, err);
	if (rc < 0)
		return rc;
	raise_descriptor_limit();
	d->loop = event_base_new();
	if (!d->loop)
		return err_set(err, -ENOMEM, "cannot start the event loop");
	rc = start_datapath(d, err);
	if (rc < 0)
		return rc;
	if (live_create(&d->state.live, d->loop, d->options.port_types) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	rc = start_state(d, err);
	if (rc == 0)
		rc = start_server(d, err);
	if (rc == 0)
		rc = start_giver(d, err);
	if (rc == 0 && !d->options.no_confine) {
		rc = rights_confine(d->options.port_types, err);
		if (rc < 0)
			err_prefix(err, "giving up rights (--no-confine keeps them)");
	}
	return rc;
}

static void
stop(struct daemon *d)
{
	giver_destroy(d->state.giver);
	taker_close(&d->taker);
	server_destroy(d->server);
	rejoin_stop();
	unix_socket_close(&d->socket);
	if (d->state.saver && !d->given_away)
		saver_save_tables(d->saver, d->state.live);
	if (d->state.live)
		state_clear(&d->state);
	saver_close(d->saver);
	for (unsigned i = 0; i < SIGNAL_COUNT; i++)
		stop_event(d->on_signal[i]);
	stop_event(d->on_datapath);
	stop_event(d->on_second);
	if (d->datapath_runs)
		datapath_stop();
	if (d->loop)
		event_base_free(d->loop);
	rights_tick();
	starter_destroy(d->starter);
}

static void
say_ready(const struct daemon *d)
{
	char cpus[WORKER_MAX * 6] = "", ready[48];
	size_t used = 0;

	for (unsigned w = 0; w < datapath_worker_count(); w++) {
		struct worker_stats stats;

		datapath_worker_stats(w, &stats);
		used += (size_t)snprintf(
			cpus + used, sizeof(cpus) - used, "%s%u", w ? "," : "", stats.cpu);
	}
	log_info("ready: socket %s, workers on CPU %s, vectors %s, bridges: %u, ports: %u",
		d->socket.path, cpus, vring_level_name(vring_level()),
		d->state.running.bridge_count, d->state.running.port_count);
	snprintf(ready, sizeof(ready), "READY=1\nMAINPID=%ld", (long)getpid());
	if (notify(ready) < 0)
		log_warning("cannot tell the service manager: $NOTIFY_SOCKET is not usable");
}

static int
run(struct daemon *d)
{
	struct err err = {0};

	if (start(d, &err) < 0) {
		log_error("%s", err.text);
		stop(d);
		return EXIT_FAILURE;
	}
	say_ready(d);
	event_base_dispatch(d->loop);
	/* The service goes on in the other process. */
	if (!d->given_away)
		notify("STOPPING=1");
	stop(d);
	log_info("stopped");
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	static struct daemon daemon = {.socket = {.fd = -1}, .taker = {.peer = -1}};
	struct err err = {0};

	daemon.argv = argv;
	daemon.state.started_ns = clock_ns();
	log_start("patchbayd", LOG_LEVEL_INFO);
	if (cpu_check(cpu_has, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILURE;
	}
	if (options_parse(&daemon.options, argc, argv, &err) < 0) {
		log_error("%s", err.text);
		return 2;
	}
	if (daemon.options.help) {
		options_print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (daemon.options.version) {
		printf("patchbayd %s\n", PATCHBAY_VERSION);
		return EXIT_SUCCESS;
	}
	log_start("patchbayd", daemon.options.log_level);
	signal(SIGPIPE, SIG_IGN);
	return run(&daemon);
}
