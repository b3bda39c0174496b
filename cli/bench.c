/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/machine.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "bench/run.h"
#include "cli/bench.h"
#include "cli/bench_switch.h"

static volatile sig_atomic_t stopped;

static void
stop(int number)
{
	stopped = number;
}

/* The first signal ends the run in order; the second one ends it at once. */
static void
catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND};

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

/* What one verb needs. */
struct job {
	struct bench_options options;
	struct bench_run run;
	struct bench_switch sw;
	struct machine machine;
	uint16_t workers[BENCH_CPUS_MAX];
	unsigned worker_count;
	char *sockets[BENCH_PORTS_MAX]; /* absolute */
	bool progress;
	json_t *report;
};

/* ---- CPUs ---- */

static bool
contains(const uint16_t *cpus, unsigned count, uint16_t cpu)
{
	for (unsigned i = 0; i < count; i++)
		if (cpus[i] == cpu)
			return true;
	return false;
}

/* The switch gets the last CPU, the traffic the first one that is left. */
static int
choose_cpus(struct job *job, struct err *err)
{
	struct bench_options *o = &job->options;
	uint16_t allowed[BENCH_CPUS_MAX];
	unsigned count = machine_cpus(allowed, BENCH_CPUS_MAX);

	job->worker_count = o->worker_count;
	memcpy(job->workers, o->workers, sizeof(job->workers));
	for (unsigned i = count; i-- > 0 && !job->worker_count && !o->socket_count;)
		if (count == 1 || !contains(o->cpus, o->cpu_count, allowed[i]))
			job->workers[job->worker_count++] = allowed[i];
	if (!job->worker_count && !o->socket_count)
		return err_set(err, -EINVAL, "cpus= leaves no CPU for the switch");
	for (unsigned i = 0; i < count && !o->cpu_count; i++)
		if (count == 1 || !contains(job->workers, job->worker_count, allowed[i]))
			o->cpus[o->cpu_count++] = allowed[i];
	if (!o->cpu_count)
		return err_set(err, -EINVAL, "workers= leaves no CPU for the traffic");
	for (unsigned i = 0; i < o->cpu_count; i++)
		if (!contains(allowed, count, o->cpus[i]))
			return err_set(err, -EINVAL, "cpus=%u: this process may not use that CPU",
				o->cpus[i]);
	return 0;
}

/* ---- progress ---- */

static void
show_progress(void *arg, uint64_t frames, double seconds)
{
	const struct job *job = arg;

	if (job->progress)
		fprintf(stderr, "\r%.1f s, %.2f Mpps \033[K", seconds,
			(double)frames / seconds / 1e6);
}

static void
end_progress(const struct job *job)
{
	if (job->progress)
		fputs("\r\033[K", stderr);
}

/* ---- the run ---- */

static json_t *
describe_switch(const struct job *job)
{
	const char *version = json_string_value(json_object_get(job->sw.version, "version"));
	char name[64];
	json_t *workers = json_array();

	if (version)
		snprintf(name, sizeof(name), "patchbayd %s", version);
	else
		snprintf(name, sizeof(name), "at %s", "the sockets given");
	for (unsigned i = 0; i < job->worker_count; i++)
		json_array_append_new(workers, json_integer(job->workers[i]));
	return json_pack("{s:s, s:b, s:o, s:O?}", "name", name, "own", job->sw.pid != 0, "cpus",
		workers, "version", job->sw.version);
}

/* A switch that is not there is said at once, not after the time that one may need to answer. */
static int
check_sockets(const struct bench_options *o, struct err *err)
{
	for (unsigned i = 0; i < o->socket_count && !o->listen; i++)
		if (access(o->sockets[i], F_OK) < 0)
			return err_set(err, -errno,
				"no switch listens on %s: %s (--listen is for one that connects)",
				o->sockets[i], strerror(errno));
	return 0;
}

static int
open_switch(struct job *job, unsigned timeout_ms, struct err *err)
{
	const struct bench_options *o = &job->options;
	int rc;

	rc = check_sockets(o, err);
	if (rc)
		return rc;
	if (o->socket_count)
		rc = bench_switch_find(&job->sw, o, timeout_ms, err);
	else
		rc = bench_switch_start(&job->sw, o, job->workers, job->worker_count, err);
	for (unsigned i = 0; i < 2 * o->pairs; i++)
		job->run.sockets[i] = o->socket_count ? o->sockets[i] : job->sw.sockets[i];
	bench_switch_meter(&job->sw, &job->run.meter);
	return rc;
}

static int
run_cases(struct job *job, struct err *err)
{
	const struct bench_options *o = &job->options;
	struct bench_result *result = malloc(sizeof(*result));
	int rc = result ? 0 : err_set(err, -ENOMEM, "out of memory");
	struct err verdict = {0}; /* of the first size with a fault */

	for (unsigned i = 0; i < o->size_count && !rc; i++) {
		struct err fault;
		char size[16];

		rc = bench_run_case(&job->run, o->sizes[i], result, err);
		if (rc)
			break;
		rc = report_add(job->report, result);
		if (rc)
			err_set(err, rc, "out of memory");
		if (bench_result_verdict(result, &fault) && !verdict.code) {
			verdict = fault;
			err_prefix(&verdict, "size %s",
				bench_size_text(o->sizes[i], size, sizeof(size)));
		}
	}
	free(result);
	if (!rc && verdict.code)
		*err = verdict;
	return rc ? rc : verdict.code;
}

static void
print_report(const struct job *job, bool json)
{
	if (json) {
		json_dumpf(job->report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
		fputc('\n', stdout);
	} else if (job->options.csv) {
		report_print_csv(job->report, stdout);
	} else {
		report_print_table(job->report, stdout);
	}
}

static int
run_job(struct job *job, const struct command *c, struct err *err)
{
	int rc;

	machine_read(&job->machine);
	job->run.tsc_hz = job->machine.tsc_hz;
	job->run.options = &job->options;
	rc = choose_cpus(job, err);
	if (!rc && job->options.plot)
		rc = plot_check(err);
	if (!rc)
		rc = open_switch(job, c->timeout_ms, err);
	if (!rc)
		rc = crew_init(&job->run.crew, job->options.cpus,
			job->options.cpu_count < job->options.pairs ? job->options.cpu_count
								    : job->options.pairs,
			err);
	if (rc)
		return rc;
	job->run.crew.stopped = &stopped;
	job->run.crew.on_tick = show_progress;
	job->run.crew.tick_arg = job;
	job->report = report_create(&job->machine, &job->options, describe_switch(job));
	rc = job->report ? run_cases(job, err) : err_set(err, -ENOMEM, "out of memory");
	end_progress(job);
	if (job->report && json_array_size(json_object_get(job->report, "results")))
		print_report(job, c->json);
	if (!rc && job->options.plot)
		rc = plot_write(job->report, job->options.plot, err);
	crew_destroy(&job->run.crew);
	return rc;
}

/* Paths begin where the user is. */
static int
complete_sockets(struct job *job, struct err *err)
{
	struct bench_options *o = &job->options;
	char here[PATH_MAX];

	if (!getcwd(here, sizeof(here)))
		return err_set(err, -errno, "the current directory: %s", strerror(errno));
	for (unsigned i = 0; i < o->socket_count; i++) {
		bool absolute = o->sockets[i][0] == '/';

		if (asprintf(&job->sockets[i], "%s%s%s", absolute ? "" : here, absolute ? "" : "/",
			    o->sockets[i]) < 0) {
			job->sockets[i] = NULL;
			return err_set(err, -ENOMEM, "out of memory");
		}
		o->sockets[i] = job->sockets[i];
	}
	return 0;
}

static int
exit_code(int rc)
{
	if (rc == -ENOENT || rc == -ECONNREFUSED || rc == -ETIMEDOUT)
		return EXIT_UNREACHABLE;
	if (rc == -EINVAL)
		return EXIT_USAGE;
	return rc ? EXIT_FAILED : EXIT_OK;
}

int
bench_run_verb(const struct command *c, struct err *err)
{
	struct job *job = calloc(1, sizeof(*job));
	int rc;

	if (!job) {
		err_set(err, -ENOMEM, "out of memory");
		return EXIT_FAILED;
	}
	job->sw.client.fd = -1;
	rc = bench_options_read(&job->options, c->params, c->sockets, c->socket_count, err);
	job->progress = job->options.progress || isatty(STDERR_FILENO);
	if (!rc)
		rc = complete_sockets(job, err);
	if (!rc) {
		catch_signals();
		rc = run_job(job, c, err);
		bench_switch_stop(&job->sw);
	}
	for (unsigned i = 0; i < BENCH_PORTS_MAX; i++)
		free(job->sockets[i]);
	json_decref(job->report);
	free(job);
	return exit_code(rc);
}
