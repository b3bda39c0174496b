/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/capture_clock.h"
#include "cli/capture_file.h"
#include "cli/capture_text.h"
#include "cli/client.h"
#include "cli/pause.h"
#include "cli/result.h"
#include "lib/capture_reader.h"

#define TURN_MS      10   /* the records are looked at this often */
#define TURN_FRAMES  4096 /* taken before anything else is looked at */
#define LAG_MS       2 /* a worker may be as late as that with a record that others are later than */
#define GONE_MS      300 /* from the end of its ports to the end of a daemon that is replaced */
#define SNAPLEN_TEXT 2048
#define SNAPLEN_FILE 262144

enum end { GOES_ON, END_COUNT, END_INTERRUPTED, END_TARGET, END_DAEMON, END_OUTPUT };

static const char *const end_names[] = {
	"", "count", "interrupted", "port gone", "daemon gone", "output"};

struct job {
	const struct command *command;
	struct client client;
	struct capture_reader reader;
	struct capture_clock clock;
	json_t *started; /* what the daemon said; NULL = not begun */
	const char *port, *filter, *path;
	uint64_t most; /* 0 = until something ends it */
	uint64_t captured, drops, missing;
	struct capture_file file;
	struct capture_text text;
	bool to_file, to_text;
	const volatile sig_atomic_t *stopped;
	enum end end;
};

static const char *
text_param(const struct job *job, const char *name)
{
	return json_string_value(json_object_get(job->command->params, name));
}

/* ---- begin ---- */

/* Asks the daemon; the parameters of our own are not for it. */
static int
start(struct job *job, uint32_t snaplen, struct err *err)
{
	json_t *params = json_copy(job->command->params);
	int r;

	if (!params)
		return err_set(err, -ENOMEM, "out of memory");
	json_object_del(params, "count");
	json_object_del(params, "write");
	json_object_set_new(params, "snaplen", json_integer(snaplen));
	r = client_open(&job->client, job->command->socket, job->command->timeout_ms, err);
	if (!r)
		r = client_call(&job->client, "daemon.capture", params, &job->started, err);
	json_decref(params);
	if (r)
		return r;
	if (job->client.fd_count != 2)
		return err_set(err, -EPROTO, "patchbayd has sent no memory to read from");
	job->clock.tsc_hz = (uint64_t)json_integer_value(json_object_get(job->started, "tsc_hz"));
	if (!job->clock.tsc_hz)
		return err_set(err, -EPROTO, "patchbayd does not say how fast its clock is");
	return capture_reader_open(&job->reader, job->client.fds[0], job->client.fds[1], err);
}

static int
open_output(struct job *job, uint32_t snaplen, struct err *err)
{
	int r = 0;

	if (job->path) {
		job->to_file = true;
		r = capture_file_open(
			&job->file, job->path, snaplen, job->filter, job->stopped, err);
	} else if (!job->command->json) {
		job->to_text = true;
		r = capture_text_open(&job->text, err);
	}
	return r;
}

static int
announce(struct job *job, struct err *err)
{
	const char *kind = json_string_value(json_object_get(job->started, "kind"));

	if (!kind)
		return err_set(err, -EPROTO, "patchbayd does not say what it captures");
	fprintf(stderr, "patchbay: capturing on %s %s, until Ctrl-C\n", kind, job->port);
	if (job->to_file && strcmp(kind, "port") == 0)
		return capture_file_port(&job->file, job->port, err);
	return 0;
}

/* ---- frames ---- */

static const char *
reason_member(const struct job *job, unsigned drop, const char *name)
{
	const json_t *reason = json_array_get(json_object_get(job->started, "reasons"), drop);
	const char *text = json_string_value(json_object_get(reason, name));

	return text ? text : "unknown";
}

static int
take(struct job *job, const struct capture_record *record, struct err *err)
{
	struct capture_frame frame = {
		.port = record->port,
		.time_ns = capture_clock_time(&job->clock, record->tsc),
		.bytes = job->reader.bytes,
		.captured = record->captured,
		.len = record->len,
		.direction = record->direction,
		.lost = record->lost,
	};

	if (record->drop != CAPTURE_DELIVERED) {
		frame.reason = reason_member(job, record->drop, "name");
		frame.reason_text = reason_member(job, record->drop, "text");
		job->drops++;
	}
	job->captured++;
	if (job->to_file)
		return capture_file_add(&job->file, &frame, err);
	return job->to_text ? capture_text_add(&job->text, &frame, err) : 0;
}

/* Takes records up to a moment; *more: there may be others. */
static int
take_until(struct job *job, uint64_t until, bool *more, struct err *err)
{
	struct capture_record record;
	int r = 0;

	*more = false;
	for (unsigned n = 0; r == 0; n++) {
		if (job->most && job->captured == job->most) {
			job->end = END_COUNT;
			return 0;
		}
		*more = n == TURN_FRAMES || (job->to_text && !capture_text_takes(&job->text));
		if (*more)
			return 0;
		r = capture_reader_next(&job->reader, until, &record);
		if (r <= 0)
			return r ? err_set(err, r, "the daemon's records cannot be understood") : 0;
		r = take(job, &record, err);
	}
	return r;
}

static int
turn_output(struct job *job, struct err *err)
{
	if (job->to_file)
		return capture_file_flush(&job->file, err);
	return job->to_text ? capture_text_turn(&job->text, err) : 0;
}

/* ---- ends ---- */

/* The daemon says nothing more on the connection: what can be read is its end. */
static bool
has_hung_up(const struct job *job)
{
	char byte;
	ssize_t n = recv(job->client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static enum end
find_end(const struct job *job)
{
	struct pollfd daemon = {.fd = job->client.fd, .events = POLLIN};

	if (*job->stopped)
		return END_INTERRUPTED;
	if (capture_reader_over(&job->reader) == CAPTURE_TARGET_GONE)
		return poll(&daemon, 1, GONE_MS) > 0 ? END_DAEMON : END_TARGET;
	return has_hung_up(job) ? END_DAEMON : GOES_ON;
}

/* Waits for a turn's time, or for what ends it early. */
static void
wait_turn(const struct job *job)
{
	struct pollfd fds[3] = {{.fd = job->client.fd, .events = POLLIN}};
	unsigned n = 1;

	if (job->to_text)
		n += capture_text_poll(&job->text, fds + 1);
	poll(fds, n, TURN_MS);
}

static int
run(struct job *job, struct err *err)
{
	uint64_t lag = job->reader.lanes > 1 ? job->clock.tsc_hz / 1000 * LAG_MS : 0;
	bool more;
	int r = 0;

	while (job->end == GOES_ON) {
		enum end end = find_end(job);
		uint64_t now = capture_clock_sync(&job->clock);

		/* All that was recorded before the end. */
		do {
			r = take_until(job, end == GOES_ON ? now - lag : now, &more, err);
			if (r == 0)
				r = turn_output(job, err);
			if (r == 0 && more && job->to_text)
				wait_turn(job);
		} while (r == 0 && more && end != GOES_ON && job->end == GOES_ON);
		if (r) {
			job->end = END_OUTPUT;
			return r;
		}
		if (job->end == GOES_ON)
			job->end = end;
		if (job->end == GOES_ON && !more)
			wait_turn(job);
	}
	return 0;
}

/* What has ended it, as far as that is an error. */
static int
explain(const struct job *job, struct err *err)
{
	if (job->end == END_TARGET)
		return err_set(err, -ENODEV, "%s \"%s\" was deleted: the capture ends here",
			json_string_value(json_object_get(job->started, "kind")), job->port);
	if (job->end == END_DAEMON)
		return err_set(err, -ECONNRESET,
			"patchbayd has ended or was replaced: the capture ends here");
	return 0;
}

static int
finish(struct job *job, struct err *err)
{
	job->missing = capture_reader_lost(&job->reader);
	if (job->to_file)
		return capture_file_finish(&job->file, job->clock.ns, job->missing, err);
	return job->to_text ? capture_text_finish(&job->text, err) : 0;
}

static void
print_summary(const struct job *job)
{
	json_t *summary;

	if (!job->command->json) {
		fprintf(stderr,
			"patchbay: %llu frames captured, %llu of them dropped by the switch; "
			"%llu lost because they came faster than they were written\n",
			(unsigned long long)job->captured, (unsigned long long)job->drops,
			(unsigned long long)job->missing);
		return;
	}
	summary = json_pack("{s:I, s:I, s:I, s:s}", "captured", (json_int_t)job->captured, "drops",
		(json_int_t)job->drops, "lost", (json_int_t)job->missing, "end",
		end_names[job->end]);
	/* Standard output may be the file. */
	result_print_json(
		summary, false, job->path && strcmp(job->path, "-") == 0 ? stderr : stdout);
	json_decref(summary);
}

/* A later error is a consequence of the first. */
static void
note(struct err *err, int r, const struct err *of)
{
	if (r && !err->code)
		*err = *of;
}

int
capture_run_verb(const struct command *command, struct err *err)
{
	json_t *snaplen = json_object_get(command->params, "snaplen");
	struct job job = {.command = command, .client.fd = -1, .file.fd = -1};
	struct err why = {0};
	uint32_t bytes;
	int r, code = EXIT_OK;

	job.port = text_param(&job, "port");
	job.filter = text_param(&job, "expression");
	job.path = text_param(&job, "write");
	job.most = (uint64_t)json_integer_value(json_object_get(command->params, "count"));
	bytes = snaplen    ? (uint32_t)json_integer_value(snaplen)
		: job.path ? SNAPLEN_FILE
			   : SNAPLEN_TEXT;
	signal(SIGPIPE, SIG_IGN);
	job.stopped = pause_catch_signals();
	r = start(&job, bytes, err);
	if (r == 0)
		r = open_output(&job, bytes, err);
	if (r == 0)
		r = announce(&job, err);
	if (r == 0) {
		note(err, run(&job, &why), &why);
		/* The switch records no more. */
		client_close(&job.client);
		note(err, finish(&job, &why), &why);
		note(err, explain(&job, &why), &why);
		print_summary(&job);
		r = err->code;
	}
	client_close(&job.client);
	capture_reader_close(&job.reader);
	capture_file_close(&job.file);
	capture_text_close(&job.text);
	if (r)
		code = job.started || r == -EREMOTEIO ? EXIT_FAILED : EXIT_UNREACHABLE;
	json_decref(job.started);
	return code;
}
