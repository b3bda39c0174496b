/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/ceiling.h"
#include "bench/machine.h"
#include "bench/roofline.h"
#include "bench/run.h"

#define HELLO_RATE    200000 /* frames/s of each guest, while addresses become known */
#define HELLO_ROUNDS  8      /* at most */
#define HELLO_S       2.0    /* longest time of a round, and twice what its frames take */
#define QUIET_S       0.5
#define GRACE_S       0.002 /* for frames that were due at the end, and */
#define GRACE_SHARE   0.002 /* of the time measured */
#define SETTLE_SHARE  0.2   /* of the time measured, and */
#define SETTLE_S      0.5   /* at most */
#define CONNECT_MS    10000
#define CEILING_S     0.3  /* at most */
#define ROOFLINE_S    0.3  /* at most */
#define ROOFLINE_SIZE 1024 /* shorter frames are no matter of copying */
#define SEARCH_ABOVE  1.1  /* the first rate of a search, in terms of the maximum */
#define OFFLOAD_ABOVE 1518 /* bytes of a frame that no segmentation is needed for, tag included */

/* One case while it runs. */
struct stage {
	struct bench_run *run;
	const struct bench_options *options;
	struct bench_result *result;
	struct traffic_mix mix;
	unsigned pairs;
	struct endpoint *endpoints; /* [2 * pairs] */
	uint8_t phases;             /* run so far: marks of frames */
	struct err *err;
};

/* ---- guests ---- */

static enum frame_kind
choose_kind(const struct bench_options *o, uint32_t size)
{
	switch (o->offload) {
	case BENCH_OFFLOAD_TSO:
		return FRAME_TSO;
	case BENCH_OFFLOAD_USO:
		return FRAME_USO;
	case BENCH_OFFLOAD_NONE:
		return FRAME_UDP;
	default:
		return size > OFFLOAD_ABOVE ? FRAME_TSO : FRAME_UDP;
	}
}

static void
add_feature(enum bench_choice choice, unsigned bit, struct guest_options *g)
{
	if (choice != BENCH_NO)
		g->features |= VIRTIO_BIT(bit);
	if (choice == BENCH_YES)
		g->required |= VIRTIO_BIT(bit);
}

static void
choose_features(const struct bench_options *o, enum frame_kind kind, struct guest_options *g)
{
	enum bench_choice tso = kind == FRAME_TSO ? BENCH_YES : BENCH_NO;
	enum bench_choice uso = kind == FRAME_USO ? BENCH_YES : BENCH_NO;
	enum bench_choice sums = kind == FRAME_UDP ? BENCH_NO : BENCH_YES;

	add_feature(BENCH_YES, VIRTIO_F_VERSION_1, g);
	add_feature(o->packed ? BENCH_YES : BENCH_NO, VIRTIO_F_RING_PACKED, g);
	add_feature(o->in_order, VIRTIO_F_IN_ORDER, g);
	add_feature(o->mergeable, VIRTIO_NET_F_MRG_RXBUF, g);
	add_feature(o->indirect ? BENCH_YES : BENCH_NO, VIRTIO_RING_F_INDIRECT_DESC, g);
	add_feature(o->event_idx ? BENCH_YES : BENCH_NO, VIRTIO_RING_F_EVENT_IDX, g);
	add_feature(sums, VIRTIO_NET_F_CSUM, g);
	add_feature(sums, VIRTIO_NET_F_GUEST_CSUM, g);
	add_feature(tso, VIRTIO_NET_F_HOST_TSO4, g);
	add_feature(tso, VIRTIO_NET_F_GUEST_TSO4, g);
	add_feature(uso, VIRTIO_NET_F_HOST_USO, g);
	add_feature(uso, VIRTIO_NET_F_GUEST_USO4, g);
	add_feature(uso, VIRTIO_NET_F_GUEST_USO6, g);
}

static uint32_t
longest(const struct traffic_mix *mix)
{
	uint32_t size = 0;

	for (unsigned i = 0; i < mix->count; i++)
		if (mix->sizes[i] > size)
			size = mix->sizes[i];
	return size;
}

static void
choose_guest(const struct bench_options *o, const struct traffic_mix *mix, struct guest_options *g)
{
	uint32_t size = longest(mix);

	memset(g, 0, sizeof(*g));
	g->listen = o->listen;
	g->timeout_ms = CONNECT_MS;
	g->ring_size = o->ring_size;
	g->buffer = o->buffer;
	g->frame_max = FRAME_AT + size + (o->vlan != BENCH_VLAN_NONE ? FRAME_TAG : 0);
	g->frames = o->in_flight;
	g->indirect = o->indirect;
	g->hugepages = o->hugepages != BENCH_NO;
	choose_features(o, choose_kind(o, size), g);
}

static bool
is_tagged(const struct bench_options *o, unsigned port)
{
	return o->vlan == BENCH_VLAN_TRUNK || (o->vlan == BENCH_VLAN_MIXED && port % 2);
}

/* The frames from port `source` to port `target` of a pair, as port `at` sees them. */
static struct frame_path
path_between(const struct stage *s, unsigned source, unsigned target, unsigned at)
{
	const struct bench_options *o = s->options;
	struct frame_path path = {.kind = choose_kind(o, longest(&s->mix)),
		.pair = (uint16_t)(source / 2),
		.source = (uint8_t)source,
		.target = (uint8_t)target,
		.tagged = is_tagged(o, at),
		.macs = o->macs / (2 * o->pairs),
		.vlans = o->vlans};

	path.flows = path.macs > path.vlans ? path.macs : path.vlans;
	return path;
}

static int
open_guest(struct stage *s, unsigned port)
{
	struct endpoint *e = &s->endpoints[port];
	struct guest_options options;
	unsigned peer = port ^ 1;
	int rc;

	choose_guest(s->options, &s->mix, &options);
	options.socket = s->run->sockets[port];
	rc = guest_create(&e->guest, &options, s->err);
	if (rc == -ENOMEM && s->options->hugepages == BENCH_AUTO) {
		options.hugepages = false;
		rc = guest_create(&e->guest, &options, s->err);
	}
	if (rc)
		return err_prefix(s->err, "guest %u (%s)", port, options.socket);
	s->result->hugepages = options.hugepages;
	e->peer = &s->endpoints[peer];
	e->mix = &s->mix;
	e->verify_full = s->options->verify_full;
	e->burst = s->options->burst;
	e->out = path_between(s, port, peer, port);
	e->in = path_between(s, peer, port, port);
	return 0;
}

static int
open_guests(struct stage *s)
{
	const struct guest *first;
	int rc = 0;

	for (unsigned i = 0; i < 2 * s->pairs && !rc; i++)
		rc = open_guest(s, i);
	if (rc)
		return rc;
	first = s->endpoints[0].guest;
	s->result->features = first->features;
	s->result->buffer = first->pool.size;
	s->result->in_flight = first->frames;
	s->result->kind = s->endpoints[0].out.kind;
	crew_assign(&s->run->crew, s->endpoints, s->pairs,
		first->chain > 1 || s->mix.count > 1 || s->options->verify_full);
	return 0;
}

static void
close_guests(struct stage *s)
{
	for (unsigned i = 0; i < 2 * s->pairs; i++)
		guest_destroy(s->endpoints[i].guest);
}

/* ---- phases ---- */

static struct phase
make_phase(struct stage *s, enum phase_kind kind)
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
run_phase(struct stage *s, const struct phase *phase, double seconds,
	const struct crew_window *window)
{
	double settle = seconds * SETTLE_SHARE;

	return crew_run(&s->run->crew, phase, settle < SETTLE_S ? settle : SETTLE_S, seconds,
		window, s->err);
}

/* Every guest sends from each of its addresses until the switch knows them all. */
static int
make_known(struct stage *s)
{
	uint32_t flows = s->endpoints[0].out.flows;
	uint64_t want = (uint64_t)flows * 2 * s->pairs, learnt = 0;
	const struct bench_meter *m = &s->run->meter;

	for (unsigned round = 0; round < HELLO_ROUNDS; round++) {
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
		if (m->learnt && m->learnt(m->arg, &learnt, s->err) < 0)
			return s->err->code;
		/* Floods may be limited, and learning may take a moment. */
		if (round > 0 && !tally.lost && !tally.stray && (!m->learnt || learnt >= want))
			return 0;
	}
	return err_set(s->err, -ENETUNREACH,
		"after %u rounds of frames from every address not each one reaches the other guest of "
		"its pair%s: are both ports in one bridge, is the number of addresses limited?",
		HELLO_ROUNDS,
		m->learnt && learnt < want ? ", and not every address is learnt" : "");
}

static int
window_begin(void *arg, struct err *err)
{
	const struct bench_meter *m = &((struct stage *)arg)->run->meter;

	return m->reset ? m->reset(m->arg, err) : 0;
}

static int
window_end(void *arg, struct err *err)
{
	struct stage *s = arg;
	const struct bench_meter *m = &s->run->meter;

	s->result->worker_count = BENCH_WORKERS_MAX;
	if (!m->read)
		s->result->worker_count = 0;
	return m->read ? m->read(m->arg, s->result->workers, &s->result->worker_count, err) : 0;
}

static void
take_window(struct stage *s)
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
	crew_tally(crew, &r->tally);
}

static double
microseconds(const struct stage *s, double cycles)
{
	return cycles * 1e6 / (double)s->run->tsc_hz;
}

static int
take_latency(struct stage *s, double rate)
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
senders(const struct stage *s)
{
	return s->options->load == BENCH_TWO_WAY ? 2 * s->pairs : s->pairs;
}

static int
measure_maximum(struct stage *s)
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
add_faults(struct stage *s, const struct tally *tally, bool losses)
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
send_at(struct stage *s, double rate, const struct crew_window *window, struct tally *tally)
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
measure_rate(struct stage *s)
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
measure_latency(struct stage *s, double rate)
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
	struct stage *s = arg;
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
search_rate(struct stage *s)
{
	const struct search_options search = {.maximum = SEARCH_ABOVE * s->result->pps,
		.resolution = s->options->resolution * s->result->pps};

	return search_run(&search, try_rate, s, &s->result->zero_loss, s->err);
}

/* A CPU that the traffic leaves alone; its own when there is no other. */
static uint16_t
other_cpu(const struct bench_options *o)
{
	uint16_t allowed[BENCH_CPUS_MAX];
	unsigned count = machine_cpus(allowed, BENCH_CPUS_MAX);

	for (unsigned i = count; i-- > 0;) {
		bool used = false;

		for (unsigned k = 0; k < o->cpu_count; k++)
			used |= o->cpus[k] == allowed[i];
		if (!used)
			return allowed[i];
	}
	return o->cpus[0];
}

static int
measure_ceiling(struct stage *s)
{
	const struct bench_options *o = s->options;
	struct bench_result *r = s->result;
	struct ceiling_options c = {.pair = s->endpoints,
		.two_way = o->load == BENCH_TWO_WAY,
		.any = s->run->crew.traffic[0].any,
		.cpu = o->cpus[0],
		.device_cpu = other_cpu(o),
		.tsc_hz = s->run->tsc_hz,
		.seconds = o->seconds < CEILING_S ? o->seconds : CEILING_S,
		.stopped = s->run->crew.stopped};
	int rc;

	choose_guest(o, &s->mix, &c.guest);
	rc = ceiling_measure(&c, &r->ceiling_cycles, s->err);
	if (rc)
		return err_prefix(s->err, "the traffic side alone");
	if (r->ceiling_cycles > 0)
		r->ceiling = (double)s->run->tsc_hz / r->ceiling_cycles * s->run->crew.count;
	return 0;
}

static int
measure_roofline(struct stage *s)
{
	const struct bench_options *o = s->options;
	struct guest *const guests[2] = {s->endpoints[0].guest, s->endpoints[1].guest};
	uint32_t size = longest(&s->mix);
	int rc;

	if (size < ROOFLINE_SIZE || s->mix.count > 1)
		return 0;
	rc = roofline_measure(guests, FRAME_AT + size, o->load == BENCH_TWO_WAY, o->cpus[0],
		s->run->tsc_hz, o->seconds < ROOFLINE_S ? o->seconds : ROOFLINE_S,
		&s->result->roofline, s->err);
	s->result->roofline /= 1e9;
	return rc;
}

static int
measure(struct stage *s)
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

int
bench_run_case(struct bench_run *run, uint32_t size, struct bench_result *result, struct err *err)
{
	struct stage s = {.run = run,
		.options = run->options,
		.result = result,
		.pairs = run->options->pairs,
		.err = err};
	int rc;

	memset(result, 0, sizeof(*result));
	result->size = size;
	if (size == BENCH_IMIX)
		traffic_mix_imix(&s.mix);
	else
		traffic_mix_single(&s.mix, size);
	s.endpoints = calloc(2 * s.pairs, sizeof(*s.endpoints));
	if (!s.endpoints)
		return err_set(err, -ENOMEM, "out of memory");
	rc = open_guests(&s);
	if (!rc)
		rc = measure_ceiling(&s);
	if (!rc)
		rc = measure_roofline(&s);
	if (!rc)
		rc = make_known(&s);
	if (!rc)
		rc = measure(&s);
	close_guests(&s);
	free(s.endpoints);
	return rc;
}

int
bench_result_verdict(const struct bench_result *r, struct err *err)
{
	const struct tally *t = &r->tally;

	if (!t->lost && !t->corrupt && !t->duplicates && !t->reordered)
		return 0;
	return err_set(err, -EBADMSG,
		"of %llu frames sent %llu were lost, %llu corrupted, %llu duplicated, %llu reordered "
		"within their flow",
		(unsigned long long)t->sent, (unsigned long long)t->lost,
		(unsigned long long)t->corrupt, (unsigned long long)t->duplicates,
		(unsigned long long)t->reordered);
}
