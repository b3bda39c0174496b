/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "bench/run_case.h"

#define HELLO_RATE   200000 /* frames/s of each guest, while addresses become known */
#define HELLO_ROUNDS 8      /* at most without progress */
#define HELLO_S      2.0    /* longest time of a round, and twice what its frames take */
#define QUIET_S      5.0    /* without any frame: what is on the way then is lost */
#define GRACE_S      0.002  /* for frames that were due at the end, and */
#define GRACE_SHARE  0.002  /* of the time measured */
#define SETTLE_SHARE 0.2    /* of the time measured, and */
#define SETTLE_S     0.5    /* at most */
#define SEARCH_ABOVE 1.1    /* the first rate of a search, in terms of the maximum */

/* ---- phases ---- */

static struct phase
make_phase(struct bench_case *s, enum phase_kind kind)
{
	struct phase phase = {.kind = kind,
		.two_way = s->options->load == BENCH_TWO_WAY,
		.window = s->endpoints[0].guest->frames,
		.quiet = (uint64_t)(QUIET_S * (double)s->run->tsc_hz),
		.run = s->phases++,
		.tsc_hz = s->run->tsc_hz};

	return phase;
}

static int
run_phase(struct bench_case *s, const struct phase *phase, double seconds,
	const struct crew_window *window)
{
	double settle = seconds * SETTLE_SHARE;

	return crew_run(&s->run->crew, phase, settle < SETTLE_S ? settle : SETTLE_S, seconds,
		window, s->err);
}

int
case_make_known(struct bench_case *s)
{
	uint32_t flows = s->endpoints[0].out.flows;
	uint64_t want = (uint64_t)flows * 2 * s->pairs, learnt = 0, before;
	const struct bench_meter *m = &s->run->meter;

	for (unsigned round = 0, idle = 0; idle < HELLO_ROUNDS; round++) {
		struct phase phase = make_phase(s, PHASE_OPEN);
		struct tally tally;
		int rc;

		phase.two_way = true;
		phase.rate = flows < 64 ? 1000 : HELLO_RATE;
		phase.frames = flows;
		rc = run_phase(s, &phase, HELLO_S + 2 * flows / phase.rate, NULL);
		if (rc)
			return rc;
		crew_tally(&s->run->crew, &tally);
		before = learnt;
		if (m->learnt && m->learnt(m->arg, &learnt, s->err) < 0)
			return s->err->code;
		/* A million addresses take a busy machine a while. */
		idle = learnt > before ? 0 : idle + 1;
		/* Floods may be limited, and learning may take a moment. */
		if (round > 0 && !tally.lost && !tally.stray && (!m->learnt || learnt >= want))
			return 0;
	}
	return err_set(s->err, -ENETUNREACH,
		"after %u more rounds of frames from every address not each one reaches the other guest of "
		"its pair%s: are both ports in one bridge, is the number of addresses limited?",
		HELLO_ROUNDS,
		m->learnt && learnt < want ? ", and not every address is learnt" : "");
}

static int
window_begin(void *arg, struct err *err)
{
	const struct bench_meter *m = &((struct bench_case *)arg)->run->meter;

	return m->reset ? m->reset(m->arg, err) : 0;
}

static int
window_end(void *arg, struct err *err)
{
	struct bench_case *s = arg;
	const struct bench_meter *m = &s->run->meter;

	s->result->worker_count = BENCH_WORKERS_MAX;
	if (!m->read)
		s->result->worker_count = 0;
	return m->read ? m->read(m->arg, s->result->workers, &s->result->worker_count, err) : 0;
}

static void
take_window(struct bench_case *s)
{
	struct bench_result *r = s->result;
	struct traffic_window sum = {0};
	const struct crew *crew = &s->run->crew;

	for (unsigned i = 0; i < crew->count; i++) {
		const struct traffic_window *w = &crew->traffic[i].window;

		sum.frames += w->frames;
		sum.bytes += w->bytes;
		sum.busy += w->busy;
		sum.turns += w->turns;
		sum.full += w->full;
		sum.waited_ns += w->waited_ns;
		sum.cycles = w->cycles > sum.cycles ? w->cycles : sum.cycles;
	}
	r->seconds = (double)sum.cycles / (double)s->run->tsc_hz;
	r->pps = (double)sum.frames / r->seconds;
	r->gbps = (double)sum.bytes * 8 / r->seconds / 1e9;
	if (sum.frames) {
		r->traffic_cycles = (double)sum.busy / (double)sum.frames;
		r->traffic_busy = (double)sum.busy / (double)sum.cycles / crew->count;
		r->traffic_full = (double)sum.full / (double)sum.turns;
	}
	r->traffic_waited = (double)sum.waited_ns / 1e9 / r->seconds / crew->count;
	crew_tally(crew, &r->tally);
}

static double
microseconds(const struct bench_case *s, double cycles)
{
	return cycles * 1e6 / (double)s->run->tsc_hz;
}

static int
take_latency(struct bench_case *s, double rate)
{
	struct bench_latency *l = &s->result->latency;
	struct histogram *h = malloc(sizeof(*h));
	uint64_t late = 0;

	if (!h)
		return err_set(s->err, -ENOMEM, "out of memory");
	crew_latency(&s->run->crew, h);
	for (unsigned i = 0; i < s->run->crew.count; i++)
		if (s->run->crew.traffic[i].late > late)
			late = s->run->crew.traffic[i].late;
	*l = (struct bench_latency){.rate = rate, .count = h->count};
	if (h->count) {
		l->min = microseconds(s, (double)h->min);
		l->mean = microseconds(s, h->sum / (double)h->count);
		l->p50 = microseconds(s, (double)histogram_percentile(h, 50));
		l->p90 = microseconds(s, (double)histogram_percentile(h, 90));
		l->p99 = microseconds(s, (double)histogram_percentile(h, 99));
		l->p999 = microseconds(s, (double)histogram_percentile(h, 99.9));
		l->max = microseconds(s, (double)h->max);
	}
	l->late = microseconds(s, (double)late);
	free(h);
	return 0;
}

/* ---- measurements ---- */

static unsigned
senders(const struct bench_case *s)
{
	return s->options->load == BENCH_TWO_WAY ? 2 * s->pairs : s->pairs;
}

static int
measure_maximum(struct bench_case *s)
{
	struct phase phase = make_phase(s, PHASE_CLOSED);
	const struct crew_window window = {window_begin, window_end, s};
	int rc = run_phase(s, &phase, s->options->seconds, &window);

	if (!rc)
		take_window(s);
	return rc;
}

/* What happened to frames beside the main measurement. */
static void
add_faults(struct bench_case *s, const struct tally *tally, bool losses)
{
	struct tally *sum = &s->result->tally;

	if (losses)
		sum->lost += tally->lost;
	sum->corrupt += tally->corrupt;
	sum->duplicates += tally->duplicates;
	sum->reordered += tally->reordered;
}

/* Frames at a rate; latency is recorded. */
static int
send_at(struct bench_case *s, double rate, const struct crew_window *window, struct tally *tally)
{
	struct phase phase = make_phase(s, PHASE_OPEN);
	int rc;

	phase.rate = rate / senders(s);
	phase.latency = true;
	phase.grace =
		(uint64_t)((GRACE_S + GRACE_SHARE * s->options->seconds) * (double)s->run->tsc_hz);
	rc = run_phase(s, &phase, s->options->seconds, window);
	if (rc)
		return rc;
	crew_tally(&s->run->crew, tally);
	return take_latency(s, rate);
}

static int
measure_rate(struct bench_case *s)
{
	const struct crew_window window = {window_begin, window_end, s};
	struct tally tally;
	int rc = send_at(s, s->options->rate, &window, &tally);

	if (!rc)
		take_window(s);
	s->result->offered = s->options->rate;
	return rc;
}

static int
measure_latency(struct bench_case *s, double rate)
{
	struct tally tally;
	int rc = send_at(s, rate, NULL, &tally);

	if (!rc)
		add_faults(s, &tally, true);
	return rc;
}

/* Losses are what a search is about; anything else that happens to a frame is a fault. */
static int
try_rate(void *arg, double rate, uint64_t *lost, struct err *err)
{
	struct bench_case *s = arg;
	struct bench_result *r = s->result;
	struct tally tally;
	int rc = send_at(s, rate, NULL, &tally);

	if (rc)
		return rc;
	add_faults(s, &tally, false);
	*lost = tally.lost + tally.unsent;
	if (r->trial_count < SEARCH_TRIALS_MAX)
		r->trials[r->trial_count++] = (struct bench_trial){rate, tally.received, *lost};
	return 0;
}

static int
search_rate(struct bench_case *s)
{
	const struct search_options search = {.maximum = SEARCH_ABOVE * s->result->pps,
		.resolution = s->options->resolution * s->result->pps};

	if (!(s->result->pps > 0))
		return err_set(s->err, -ETIMEDOUT,
			"no frame arrived while the maximum was measured: no rate to search from");
	return search_run(&search, try_rate, s, &s->result->zero_loss, s->err);
}

int
case_measure(struct bench_case *s)
{
	const struct bench_options *o = s->options;
	double rate;
	int rc;

	if (o->rate > 0)
		return measure_rate(s);
	rc = measure_maximum(s);
	if (!rc && o->search)
		rc = search_rate(s);
	rate = o->search ? s->result->zero_loss : s->result->pps;
	if (!rc && o->latency && rate > 0)
		rc = measure_latency(s, rate * o->latency / 100);
	return rc;
}
