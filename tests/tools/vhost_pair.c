/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_pair: two guests without guests: attaches a front end of ours to each of two vhost-user
 * sockets of a switch, sends numbered frames, verifies what arrives, and prints one JSON object.
 *
 * Exit status: 0 = everything sent arrived once, whole and in order; 1 = not so; 2 = it could not
 * be tried (the reason is on stderr).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/tools/pair_end.h"

#define SILENCE_NS UINT64_C(2000000000) /* without any arrival: what is under way is lost */
#define RESUME_NS  UINT64_C(200000000)  /* the same with --reconnect, while more is to be sent */
#define FIRST_NS   UINT64_C(20000000)   /* until an unanswered first frame is sent again */

static volatile sig_atomic_t stopped, marked;

static void
stop(int signo)
{
	(void)signo;
	stopped = 1;
}

static void
mark(int signo)
{
	(void)signo;
	marked = 1;
}

/* What a mark prints; both directions in one place: [0] is that from A to B. */
static void
report_mark(struct run *run, uint64_t now)
{
	uint64_t sent[2], received[2], doubled[2] = {0}, gap[2];

	for (unsigned i = 0; i < 2; i++) {
		struct end *from = &run->ends[i], *to = &run->ends[!i];
		uint64_t silent = to->arrival_ns ? now - to->arrival_ns : 0;

		sent[i] = cells_sent(from);
		received[i] = cells_received(from);
		for (unsigned q = 0; q < from->pairs; q++)
			doubled[i] += from->tracks[q].doubled;
		gap[i] = silent > to->mark_gap_ns ? silent : to->mark_gap_ns;
		to->mark_gap_ns = 0;
	}
	printf("{\"mark\": true, \"reconnects\": %llu, \"sent\": [%llu, %llu], "
	       "\"received\": [%llu, %llu], \"doubled\": [%llu, %llu], "
	       "\"gap_ms\": [%.3f, %.3f]}\n",
		(unsigned long long)run->reconnects, (unsigned long long)sent[0],
		(unsigned long long)sent[1], (unsigned long long)received[0],
		(unsigned long long)received[1], (unsigned long long)doubled[0],
		(unsigned long long)doubled[1], (double)gap[0] / 1e6, (double)gap[1] / 1e6);
	fflush(stdout);
}

/* The first frames go out until one arrives: a switch may need its moment to bring a port up. */
static void
first_frame(struct run *run)
{
	uint64_t deadline = clock_ns() + run->options.timeout_ms * 1000000;

	while (!run->first_ns && !stopped) {
		uint64_t now = clock_ns(), again = now + FIRST_NS;

		if (now > deadline)
			die("no frame arrived within %llu ms",
				(unsigned long long)run->options.timeout_ms);
		send_some(run, 0, run->ends[0].sent + 1, UINT64_MAX);
		while (!run->first_ns && clock_ns() < again)
			receive_all(run, 1);
		give_up(&run->ends[0]);
	}
	/* These were not the measurement. */
	receive_all(run, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &run->ends[i];

		for (unsigned q = 0; q < end->pairs; q++) {
			uint64_t next = end->tracks[q].sent;

			memset(&end->tracks[q], 0, sizeof(end->tracks[q]));
			end->tracks[q].sent = end->tracks[q].next = next;
			end->tracks[q].first = next;
		}
		memset(end->latency, 0, sizeof(*end->latency));
		end->sent = end->arrived = end->bytes = end->given_up = 0;
		end->due_ns = end->arrival_ns = end->gap_ns = end->mark_gap_ns = 0;
	}
}

static bool
all_arrived(const struct run *run)
{
	for (unsigned i = 0; i < 2; i++)
		if (cells_received(&run->ends[i]) != cells_sent(&run->ends[i]))
			return false;
	return true;
}

/* A direction in which nothing arrives any more, for what was under way was lost, goes on. */
static void
resume(struct run *run, uint64_t now)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *from = &run->ends[i];
		uint64_t last = run->ends[!i].arrival_ns;

		if (from->resumed_ns > last)
			last = from->resumed_ns;
		if (now - last < RESUME_NS || now < last)
			continue;
		give_up(from);
		from->resumed_ns = now;
	}
}

static void
exchange(struct run *run)
{
	const struct options *o = &run->options;
	uint64_t end_ns =
		o->seconds > 0 ? run->start_ns + (uint64_t)(o->seconds * 1e9) : UINT64_MAX;
	uint64_t limit = o->seconds > 0 ? UINT64_MAX : o->frames, moved_ns = run->start_ns;

	for (;;) {
		uint64_t now = clock_ns();
		unsigned moved = 0;
		bool sending;

		if (now >= end_ns || stopped)
			limit = 0;
		sending = run->ends[0].sent < limit || (!o->one_way && run->ends[1].sent < limit);
		for (unsigned i = 0; i < (o->one_way ? 1u : 2u); i++)
			moved += send_some(run, i, limit, now);
		for (unsigned i = 0; i < 2; i++)
			moved += receive_all(run, i);
		if (moved)
			moved_ns = now;
		if (!sending && all_arrived(run))
			return;
		if (o->reconnect && sending)
			resume(run, now);
		if (now - moved_ns > SILENCE_NS && !all_arrived(run)) {
			give_up(&run->ends[0]);
			give_up(&run->ends[1]);
			moved_ns = now;
			if (!sending)
				return;
		}
		check_connections(run, now);
		if (marked) {
			marked = 0;
			report_mark(run, clock_ns());
		}
		if (!moved && o->wait)
			wait_for_call(run, now);
	}
}

static void
settle(struct run *run)
{
	uint64_t until = clock_ns() + run->options.settle_ms * 1000000;

	while (clock_ns() < until)
		for (unsigned i = 0; i < 2; i++)
			receive_all(run, i);
}

/* ---- the report ---- */

/* Prints one direction; returns whether it was perfect. */
static bool
report_direction(const struct run *run, const char *name, unsigned from, double seconds)
{
	const struct end *a = &run->ends[from], *b = &run->ends[!from];
	struct track sum = {0};
	bool good;

	for (unsigned q = 0; q < a->pairs; q++) {
		sum.sent += a->tracks[q].sent - a->tracks[q].first;
		sum.received += a->tracks[q].received;
		sum.doubled += a->tracks[q].doubled;
		sum.reordered += a->tracks[q].reordered;
		sum.damaged += a->tracks[q].damaged;
	}
	good = sum.sent == sum.received && !sum.doubled && !sum.reordered && !sum.damaged;
	printf(", \"%s\": {\"frames\": %llu, \"sent\": %llu, \"received\": %llu, \"lost\": %llu, "
	       "\"doubled\": %llu, \"reordered\": %llu, \"damaged\": %llu, \"foreign\": %llu, "
	       "\"frames_received\": %llu, \"bytes_received\": %llu, \"pps\": %.0f, "
	       "\"gbps\": %.3f, \"max_gap_ms\": %.3f, ",
		name, (unsigned long long)a->sent, (unsigned long long)sum.sent,
		(unsigned long long)sum.received, (unsigned long long)(sum.sent - sum.received),
		(unsigned long long)sum.doubled, (unsigned long long)sum.reordered,
		(unsigned long long)sum.damaged, (unsigned long long)b->foreign,
		(unsigned long long)b->arrived, (unsigned long long)b->bytes,
		(double)b->arrived / seconds, (double)b->bytes * 8 / seconds / 1e9,
		(double)b->gap_ns / 1e6);
	printf("\"latency_us\": {\"p10\": %.1f, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}",
		(double)histogram_quantile(b->latency, 0.1) / 1e3,
		(double)histogram_quantile(b->latency, 0.5) / 1e3,
		(double)histogram_quantile(b->latency, 0.99) / 1e3,
		(double)histogram_quantile(b->latency, 0.999) / 1e3, (double)b->latency->max / 1e3);
	if (b->damage)
		printf(", \"damage\": \"%s\"", b->damage);
	printf("}");
	return good;
}

static bool
report(const struct run *run, double seconds)
{
	uint64_t kicks = 0, calls = 0;
	bool good;

	for (unsigned i = 0; i < 2; i++)
		for (unsigned q = 0; q < run->ends[i].pairs; q++) {
			struct driver_net_counters c;

			driver_net_counters(run->ends[i].net, q, &c);
			kicks += c.kicks;
			calls += c.calls;
		}
	printf("{\"features_a\": \"0x%llx\", \"features_b\": \"0x%llx\", \"seconds\": %.6f, "
	       "\"first_frame_ms\": %.3f, \"reconnects\": %llu, \"kicks\": %llu, \"calls\": %llu",
		(unsigned long long)frontend_features(run->ends[0].frontend),
		(unsigned long long)frontend_features(run->ends[1].frontend), seconds,
		(double)(run->first_ns - run->options.since_ns) / 1e6,
		(unsigned long long)run->reconnects, (unsigned long long)kicks,
		(unsigned long long)calls);
	good = report_direction(run, "a_to_b", 0, seconds);
	if (!run->options.one_way)
		good &= report_direction(run, "b_to_a", 1, seconds);
	printf(", \"ok\": %s}\n", good ? "true" : "false");
	return good;
}

int
main(int argc, char **argv)
{
	static struct run run;
	struct sigaction action = {.sa_handler = stop}, on_mark = {.sa_handler = mark};
	uint64_t end_ns;
	bool good;

	options_parse(&run.options, argc, argv);
	if (!run.options.since_ns)
		run.options.since_ns = clock_ns();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &on_mark, NULL);
	ends_attach(&run);
	first_frame(&run);
	run.start_ns = clock_ns();
	exchange(&run);
	end_ns = clock_ns();
	settle(&run);
	good = report(&run, (double)(end_ns - run.start_ns) / 1e9);
	ends_detach(&run);
	return good ? 0 : 1;
}
