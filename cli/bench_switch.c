/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/machine.h"
#include "cli/bench_switch.h"
#include "cli/up_switch.h"
#include "lib/clock.h"
#include "lib/fd.h"

#define START_MS     15000
#define STOP_MS      5000
#define RETRY_MS     5
#define CALL_MS      30000
#define LOG_TAIL     400
#define CAPACITY_MAX 1048576

/* ---- what it says ---- */

static int
call(struct bench_switch *s, const char *method, json_t *params, json_t **result, struct err *err)
{
	int rc = client_call(&s->client, method, params, result, err);

	json_decref(params);
	return rc ? err_prefix(err, "%s", method) : 0;
}

static int
order(struct bench_switch *s, const char *method, json_t *params, struct err *err)
{
	json_t *result = NULL;
	int rc = call(s, method, params, &result, err);

	json_decref(result);
	return rc;
}

static int
meter_reset(void *arg, struct err *err)
{
	return order(arg, "worker.reset", NULL, err);
}

static int
meter_read(void *arg, struct bench_worker *workers, unsigned *count, struct err *err)
{
	json_t *result = NULL;
	const json_t *row;
	size_t i, rows;
	int rc = call(arg, "worker.show", NULL, &result, err);

	if (rc)
		return rc;
	rows = json_array_size(json_object_get(result, "rows"));
	*count = rows < *count ? (unsigned)rows : *count;
	for (i = 0; i < *count; i++) {
		row = json_array_get(json_object_get(result, "rows"), i);
		workers[i] = (struct bench_worker){
			.worker = (unsigned)json_integer_value(json_object_get(row, "worker")),
			.cpu = (unsigned)json_integer_value(json_object_get(row, "cpu")),
			.busy_percent = json_number_value(json_object_get(row, "busy_percent")),
			.cycles_per_packet =
				json_number_value(json_object_get(row, "cycles_per_packet")),
			.packets = (uint64_t)json_integer_value(json_object_get(row, "packets"))};
	}
	json_decref(result);
	return 0;
}

static int
meter_learnt(void *arg, uint64_t *count, struct err *err)
{
	json_t *result = NULL;
	const json_t *row;
	size_t i;
	int rc = call(arg, "bridge.show", NULL, &result, err);

	if (rc)
		return rc;
	*count = 0;
	json_array_foreach (json_object_get(result, "rows"), i, row)
		*count += (uint64_t)json_integer_value(json_object_get(row, "entries"));
	json_decref(result);
	return 0;
}

static int
meter_drops(void *arg, struct bench_drops *drops, struct err *err)
{
	json_t *result = NULL, *frames;
	const json_t *row;
	const char *reason;
	size_t i;
	int rc = call(arg, "stats.show", NULL, &result, err);

	if (rc)
		return rc;
	drops->count = 0;
	json_array_foreach (json_object_get(result, "rows"), i, row)
		json_object_foreach (json_object_get(row, "drops"), reason, frames) {
			struct bench_drop *d = &drops->list[drops->count];

			if (drops->count == BENCH_DROPS_MAX || !json_integer_value(frames))
				continue;
			snprintf(d->port, sizeof(d->port), "%s",
				json_string_value(json_object_get(row, "name")));
			snprintf(d->reason, sizeof(d->reason), "%s", reason);
			d->frames = (uint64_t)json_integer_value(frames);
			drops->count++;
		}
	json_decref(result);
	return 0;
}

void
bench_switch_meter(struct bench_switch *s, struct bench_meter *meter)
{
	memset(meter, 0, sizeof(*meter));
	if (s->client.fd < 0)
		return;
	meter->reset = meter_reset;
	meter->read = meter_read;
	meter->drops = meter_drops;
	/* A switch of somebody else knows other addresses too. */
	meter->learnt = s->pid ? meter_learnt : NULL;
	meter->arg = s;
}

/* ---- a patchbayd of our own ---- */

static void
run_daemon(
	struct bench_switch *s, const char *program, const char *workers, bool share, pid_t parent)
{
	char socket[PATH_MAX], log[PATH_MAX];
	char *argv[] = {(char *)(uintptr_t) "patchbayd", (char *)(uintptr_t) "--socket", socket,
		(char *)(uintptr_t) "--workers", (char *)(uintptr_t)workers,
		(char *)(uintptr_t)(share ? NULL : "--busy-poll"), NULL};
	sigset_t none;
	int fd;

	/* It does not outlive this process, however that ends; Ctrl-C is for us to pass on. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(socket, sizeof(socket), "%s/control.sock", s->folder);
	snprintf(log, sizeof(log), "%s/log", s->folder);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	execvp(program, argv);
	dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* The last words of the daemon. */
static void
read_log(const struct bench_switch *s, char *text, size_t size)
{
	char path[PATH_MAX];
	long length = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", s->folder);
	f = fopen(path, "re");
	if (f && fseek(f, 0, SEEK_END) == 0) {
		long at = ftell(f) - (long)size + 1;

		fseek(f, at > 0 ? at : 0, SEEK_SET);
		length = (long)fread(text, 1, size - 1, f);
	}
	if (f)
		fclose(f);
	text[length] = '\0';
	for (char *p = text; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
}

static int
connect_own(struct bench_switch *s, const char *program, struct err *err)
{
	uint64_t end = clock_ns() + START_MS * UINT64_C(1000000);
	char socket[PATH_MAX], words[LOG_TAIL];
	struct pollfd exited = {.fd = -1, .events = POLLIN};
	int rc;

	snprintf(socket, sizeof(socket), "%s/control.sock", s->folder);
	exited.fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	do {
		rc = client_open(&s->client, socket, CALL_MS, err);
		/* Nothing tells when the socket is there; the end of the process does. */
	} while (rc && clock_ns() < end && poll(&exited, 1, RETRY_MS) == 0);
	fd_close(&exited.fd);
	if (!rc)
		return 0;
	read_log(s, words, sizeof(words));
	return err_set(err, -EIO, "cannot start %s: %s", program, words);
}

static int
add_ports(struct bench_switch *s, const struct bench_options *o, struct err *err)
{
	uint64_t addresses =
		(uint64_t)(o->macs > o->vlans * 2u * o->pairs ? o->macs : o->vlans * 2u * o->pairs);
	uint64_t capacity = 65536;
	int rc;

	while (capacity < 2 * addresses && capacity < CAPACITY_MAX)
		capacity *= 2;
	rc = order(s, "bridge.add",
		json_pack("{s:s, s:I, s:i}", "name", "bench", "capacity", (json_int_t)capacity,
			"ageing", 0),
		err);
	for (unsigned i = 0; i < 2 * o->pairs && !rc; i++) {
		bool access =
			o->vlan == BENCH_VLAN_ACCESS || (o->vlan == BENCH_VLAN_MIXED && i % 2 == 0);
		char name[16], path[UNIX_SOCKET_PATH_SIZE];
		json_t *params;

		snprintf(name, sizeof(name), "vm%u", i);
		snprintf(path, sizeof(path), "%s/%s.sock", s->folder, name);
		memcpy(s->sockets[i], path, sizeof(path));
		params = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "name", name, "type",
			"vhost-user", "bridge", "bench", "path", s->sockets[i], "profile", "open",
			"mac_limit", CAPACITY_MAX);
		if (access)
			json_object_set_new(params, "tag", json_integer(1));
		rc = order(s, "port.add", params, err);
	}
	return rc;
}

int
bench_switch_start(struct bench_switch *s, const struct bench_options *o, const uint16_t *cpus,
	unsigned cpu_count, struct err *err)
{
	const char *directory = getenv("TMPDIR"), *program;
	char path[PATH_MAX], workers[BENCH_CPUS_MAX * 6] = "";
	uint16_t allowed[BENCH_CPUS_MAX];
	pid_t parent = getpid();
	size_t used = 0;
	int rc;

	memset(s, 0, sizeof(*s));
	s->client.fd = -1;
	snprintf(s->folder, sizeof(s->folder), "%s/patchbay-bench-XXXXXX",
		directory && strlen(directory) < 32 ? directory : "/tmp");
	if (!mkdtemp(s->folder)) {
		rc = err_set(
			err, -errno, "cannot make a folder %s: %s", s->folder, strerror(errno));
		s->folder[0] = '\0';
		return rc;
	}
	program = up_switch_program(o->daemon, path, sizeof(path));
	for (unsigned i = 0; i < cpu_count; i++)
		used += (size_t)snprintf(
			workers + used, sizeof(workers) - used, "%s%u", i ? "," : "", cpus[i]);
	s->pid = fork();
	if (s->pid < 0) {
		s->pid = 0;
		return err_set(err, -errno, "cannot start %s: %s", program, strerror(errno));
	}
	/* With a single CPU a worker that never sleeps would starve the traffic side. */
	if (s->pid == 0)
		run_daemon(s, program, workers, machine_cpus(allowed, BENCH_CPUS_MAX) == 1, parent);
	rc = connect_own(s, program, err);
	if (!rc)
		rc = call(s, "daemon.version", NULL, &s->version, err);
	return rc ? rc : add_ports(s, o, err);
}

/* ---- one that runs already ---- */

/* Is one of its ports at the first of our sockets? */
static int
has_socket(struct bench_switch *s, const char *path, bool *has, struct err *err)
{
	json_t *result = NULL;
	const json_t *row;
	size_t i;
	int rc = call(s, "port.show", NULL, &result, err);

	*has = false;
	json_array_foreach (json_object_get(result, "rows"), i, row) {
		const char *own = json_string_value(json_object_get(row, "path"));

		*has |= own && strcmp(own, path) == 0;
	}
	json_decref(result);
	return rc;
}

int
bench_switch_find(
	struct bench_switch *s, const struct bench_options *o, unsigned timeout_ms, struct err *err)
{
	bool has = false;
	int rc;

	memset(s, 0, sizeof(*s));
	s->client.fd = -1;
	rc = client_open(&s->client, o->control, timeout_ms, err);
	if (rc)
		return o->control ? rc : 0;
	rc = has_socket(s, o->sockets[0], &has, err);
	if (!rc && has)
		rc = call(s, "daemon.version", NULL, &s->version, err);
	if (!rc && has)
		return 0;
	client_close(&s->client);
	if (!o->control)
		return 0; /* another patchbayd than the switch that is measured, if it is one */
	return rc ? rc
		  : err_set(err, -ENOENT, "patchbayd on %s has no port with the socket %s",
			    o->control, o->sockets[0]);
}

/* ---- the end ---- */

static void
end_process(pid_t pid)
{
	struct pollfd exited = {.events = POLLIN};

	exited.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	kill(pid, SIGTERM);
	if (exited.fd < 0 || poll(&exited, 1, STOP_MS) <= 0)
		kill(pid, SIGKILL);
	fd_close(&exited.fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void
remove_folder(const struct bench_switch *s)
{
	static const char *const names[] = {"control.sock", "log"};
	char path[PATH_MAX];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->folder, names[i]);
		unlink(path);
	}
	for (unsigned i = 0; i < BENCH_PORTS_MAX; i++)
		if (s->sockets[i][0])
			unlink(s->sockets[i]);
	rmdir(s->folder);
}

void
bench_switch_stop(struct bench_switch *s)
{
	client_close(&s->client);
	json_decref(s->version);
	s->version = NULL;
	if (s->pid)
		end_process(s->pid);
	s->pid = 0;
	if (s->folder[0])
		remove_folder(s);
	s->folder[0] = '\0';
}
