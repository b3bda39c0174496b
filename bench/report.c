/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "bench/feature.h"
#include "bench/report.h"

static const char *const kinds[] = {"none", "tso", "uso"};

static json_t *
machine_json(const struct machine *m)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I}", "host", m->host,
		"kernel", m->kernel, "arch", m->arch, "cpu", m->cpu, "hypervisor", m->hypervisor,
		"governor", m->governor, "cpus_online", (int)m->cpus_online, "cpus_allowed",
		(int)m->cpus_allowed, "memory_bytes", (json_int_t)m->memory_bytes, "hugepages_free",
		(json_int_t)m->hugepages_free, "tsc_hz", (json_int_t)m->tsc_hz);
}

json_t *
report_create(const struct machine *machine, const struct bench_options *options, json_t *sw)
{
	return json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:[]}", "report", REPORT_VERSION,
		"patchbay", PATCHBAY_VERSION, "date", machine->date, "machine",
		machine_json(machine), "switch", sw, "options", bench_options_json(options),
		"results");
}

/* ---- one result ---- */

static json_t *
features_json(uint64_t features)
{
	json_t *list = json_array();
	const char *name;
	unsigned bit;

	for (unsigned i = 0; (name = feature_name(i, &bit)); i++)
		if (features & VIRTIO_BIT(bit))
			json_array_append_new(list, json_string(name));
	return list;
}

static json_t *
workers_json(const struct bench_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->worker_count; i++) {
		const struct bench_worker *w = &r->workers[i];

		json_array_append_new(list,
			json_pack("{s:i, s:i, s:f, s:f, s:I}", "worker", (int)w->worker, "cpu",
				(int)w->cpu, "busy_percent", w->busy_percent, "cycles_per_packet",
				w->cycles_per_packet, "packets", (json_int_t)w->packets));
	}
	return list;
}

static json_t *
drops_json(const struct bench_drops *drops)
{
	const struct bench_drop *d = drops->list, *end = d + drops->count;
	json_t *list = json_array();

	for (; d < end; d++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "port", d->port, "reason",
						    d->reason, "frames", (json_int_t)d->frames));
	return list;
}

static json_t *
frames_json(const struct tally *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sent",
		(json_int_t)t->sent, "received", (json_int_t)t->received, "lost",
		(json_int_t)t->lost, "corrupt", (json_int_t)t->corrupt, "duplicates",
		(json_int_t)t->duplicates, "reordered", (json_int_t)t->reordered, "stray",
		(json_int_t)t->stray, "foreign", (json_int_t)t->foreign, "inspected",
		(json_int_t)t->inspected, "unsent", (json_int_t)t->unsent, "stuck",
		(json_int_t)t->stuck);
}

static json_t *
latency_json(const struct bench_latency *l)
{
	if (!l->rate)
		return json_null();
	return json_pack("{s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "pps", l->rate,
		"count", (json_int_t)l->count, "min_us", l->min, "mean_us", l->mean, "p50_us",
		l->p50, "p90_us", l->p90, "p99_us", l->p99, "p99_9_us", l->p999, "max_us", l->max,
		"sent_late_max_us", l->late);
}

static json_t *
search_json(const struct bench_result *r)
{
	json_t *trials = json_array();

	if (!r->trial_count) {
		json_decref(trials);
		return json_null();
	}
	for (unsigned i = 0; i < r->trial_count; i++)
		json_array_append_new(
			trials, json_pack("{s:f, s:I, s:I}", "offered_pps", r->trials[i].rate,
					"received", (json_int_t)r->trials[i].received, "lost",
					(json_int_t)r->trials[i].lost));
	return json_pack("{s:f, s:o}", "zero_loss_pps", r->zero_loss, "trials", trials);
}

static json_t *
traffic_json(const struct bench_result *r)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "cycles_per_packet", r->traffic_cycles,
		"busy_percent", 100 * r->traffic_busy, "full_bursts_percent", 100 * r->traffic_full,
		"waited_percent", 100 * r->traffic_waited, "ceiling_pps", r->ceiling,
		"ceiling_cycles_per_packet", r->ceiling_cycles);
}

static json_t *
size_json(uint32_t size)
{
	return size == BENCH_IMIX ? json_string("imix") : json_integer(size);
}

int
report_add(json_t *report, const struct bench_result *r)
{
	double worker_cycles = 0;
	uint64_t worker_packets = 0;
	json_t *result;

	for (unsigned i = 0; i < r->worker_count; i++) {
		worker_cycles += r->workers[i].cycles_per_packet * (double)r->workers[i].packets;
		worker_packets += r->workers[i].packets;
	}
	result = json_pack("{s:o, s:s, s:o, s:i, s:i, s:b, s:f, s:f, s:f, s:f, s:o, s:b, s:o, s:o, "
			   "s:o, s:o, s:o, s:o, s:o}",
		"size", size_json(r->size), "offload", kinds[r->kind], "features",
		features_json(r->features), "buffer", (int)r->buffer, "in_flight",
		(int)r->in_flight, "hugepages", (int)r->hugepages, "seconds", r->seconds,
		"offered_pps", r->offered, "pps", r->pps, "gbps", r->gbps, "frames",
		frames_json(&r->tally), "verified", bench_result_verdict(r, NULL) == 0,
		"switch_cycles_per_packet",
		worker_packets ? json_real(worker_cycles / (double)worker_packets) : json_null(),
		"workers", workers_json(r), "switch_drops", drops_json(&r->drops), "traffic",
		traffic_json(r), "roofline_gbps",
		r->roofline > 0 ? json_real(r->roofline) : json_null(), "latency",
		latency_json(&r->latency), "search", search_json(r));
	return json_array_append_new(json_object_get(report, "results"), result) ? -ENOMEM : 0;
}
