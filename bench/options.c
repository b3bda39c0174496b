/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/frame.h"
#include "bench/options.h"
#include "bench/traffic.h"
#include "lib/parse.h"

static const char *const load_names[] = {"two-way", "one-way"};
static const char *const choice_names[] = {"auto", "yes", "no"};
static const char *const offload_names[] = {"auto", "none", "tso", "uso"};
static const char *const vlan_names[] = {"none", "trunk", "access", "mixed"};

/* ---- single parameters ---- */

static int
get_choice(const json_t *params, const char *name, const char *const *names, unsigned count,
	int otherwise)
{
	const char *text = json_string_value(json_object_get(params, name));

	for (unsigned i = 0; text && i < count; i++)
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	return otherwise;
}

#define GET_CHOICE(params, name, names, otherwise) \
	get_choice(params, name, names, sizeof(names) / sizeof((names)[0]), otherwise)

static uint32_t
get_number(const json_t *params, const char *name, uint32_t otherwise)
{
	const json_t *value = json_object_get(params, name);

	return json_is_integer(value) ? (uint32_t)json_integer_value(value) : otherwise;
}

static bool
get_flag(const json_t *params, const char *name)
{
	return json_is_true(json_object_get(params, name));
}

static const char *
get_text(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

/* A number with or without k, M, G. */
static int
get_quantity(const json_t *params, const char *name, double low, double high, double *value,
	struct err *err)
{
	const char *text = get_text(params, name);
	char *end;
	double number, factor = 1;

	if (!text)
		return 0;
	number = strtod(text, &end);
	if (*end == 'k')
		factor = 1e3;
	else if (*end == 'M')
		factor = 1e6;
	else if (*end == 'G')
		factor = 1e9;
	end += factor > 1;
	number *= factor;
	if (end == text || *end || !(number >= low && number <= high))
		return err_set(err, -EINVAL,
			"%s=%.40s: a number %g..%g is wanted, k, M or G may follow", name, text,
			low, high);
	*value = number;
	return 0;
}

static int
get_cpus(const json_t *params, const char *name, uint16_t *cpus, unsigned *count, struct err *err)
{
	const char *text = get_text(params, name);

	if (!text || !parse_cpus(text, cpus, BENCH_CPUS_MAX, count))
		return 0;
	return err_set(
		err, -EINVAL, "%s=%.40s: give CPU numbers, for instance 1 or 2,4-7", name, text);
}

static int
get_sizes(struct bench_options *o, const char *text, struct err *err)
{
	char word[16];

	for (o->size_count = 0; *text; o->size_count++) {
		size_t n = strcspn(text, ",");
		uint64_t size = BENCH_IMIX;

		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		if (n >= sizeof(word) ||
			(strcmp(word, "imix") != 0 && parse_u64(word, FRAME_MIN, FRAME_MAX, &size)))
			return err_set(err, -EINVAL,
				"size=%.60s: give bytes, %d..%d, or imix; several with commas between",
				text, FRAME_MIN, FRAME_MAX);
		if (o->size_count == BENCH_SIZES_MAX)
			return err_set(err, -EINVAL, "size: more than %d of them", BENCH_SIZES_MAX);
		o->sizes[o->size_count] = (uint32_t)size;
		text += n + (text[n] == ',');
	}
	return 0;
}

/* ---- all of them ---- */

static int
check_sockets(struct bench_options *o, bool pairs_given, struct err *err)
{
	if (!o->socket_count) {
		if (o->listen)
			return err_set(err, -EINVAL,
				"--listen needs the sockets to listen on: --socket PATH --socket PATH");
		if (o->control)
			return err_set(err, -EINVAL,
				"control= is for a switch that runs: give its ports' sockets too "
				"(--socket PATH --socket PATH)");
		return 0;
	}
	if (o->socket_count % 2)
		return err_set(err, -EINVAL,
			"%u sockets: guests come in pairs, give an even number", o->socket_count);
	if (pairs_given && o->pairs != o->socket_count / 2)
		return err_set(err, -EINVAL, "pairs=%u needs %u sockets, %u are given", o->pairs,
			2 * o->pairs, o->socket_count);
	o->pairs = o->socket_count / 2;
	if (o->daemon || o->worker_count)
		return err_set(err, -EINVAL,
			"%s= is for a patchbayd that bench starts, and sockets of a switch are given",
			o->daemon ? "daemon" : "workers");
	return 0;
}

static int
check_load(struct bench_options *o, struct err *err)
{
	unsigned ports = 2 * o->pairs;

	if (o->rate > 0 && o->search)
		return err_set(err, -EINVAL, "rate= and --search exclude each other");
	if (!o->macs)
		o->macs = ports;
	if (o->macs < ports)
		return err_set(err, -EINVAL, "macs=%u: each of %u guests has at least one", o->macs,
			ports);
	if (o->vlan == BENCH_VLAN_NONE && o->vlans)
		o->vlan = BENCH_VLAN_TRUNK;
	if (o->vlan != BENCH_VLAN_NONE && !o->vlans)
		o->vlans = 1;
	if (o->vlans > 1 && o->vlan != BENCH_VLAN_TRUNK)
		return err_set(err, -EINVAL,
			"vlans=%u: guests without tags are in one VLAN (vlan=trunk has many)",
			o->vlans);
	for (unsigned i = 0; i < o->size_count; i++)
		if (o->offload > BENCH_OFFLOAD_NONE && o->sizes[i] <= FRAME_GSO_SIZE)
			return err_set(err, -EINVAL,
				"offload=%s: frames of %u bytes are no longer than a segment",
				offload_names[o->offload], o->sizes[i]);
	return 0;
}

static int
check_guests(const struct bench_options *o, struct err *err)
{
	if (!o->packed && o->ring_size & (o->ring_size - 1))
		return err_set(err, -EINVAL,
			"ring_size=%u: the size of a split ring is a power of two", o->ring_size);
	if (o->in_flight > o->ring_size / 2u)
		return err_set(err, -EINVAL,
			"in_flight=%u: half a ring of %u entries is the most, so that all frames on "
			"the way fit one ring",
			o->in_flight, o->ring_size);
	return 0;
}

static int
read_load(struct bench_options *o, const json_t *params, struct err *err)
{
	const char *sizes = get_text(params, "size");
	int rc = get_sizes(o, sizes ? sizes : "64", err);

	o->load = GET_CHOICE(params, "load", load_names, BENCH_TWO_WAY);
	o->pairs = get_number(params, "pairs", 1);
	o->macs = get_number(params, "macs", 0);
	o->vlans = (uint16_t)get_number(params, "vlans", 0);
	o->vlan = GET_CHOICE(params, "vlan", vlan_names, BENCH_VLAN_NONE);
	o->search = get_flag(params, "search");
	o->latency = get_number(params, "latency", 0);
	o->in_flight = get_number(params, "in_flight", 0);
	o->burst = get_number(params, "burst", 32);
	o->verify_full = GET_CHOICE(params, "verify", ((const char *const[]){"sample", "full"}), 0);
	o->seconds = 3;
	o->resolution = 1;
	if (!rc)
		rc = get_quantity(params, "rate", 1, 1e9, &o->rate, err);
	if (!rc)
		rc = get_quantity(params, "seconds", 0.01, 86400, &o->seconds, err);
	if (!rc)
		rc = get_quantity(params, "resolution", 0.1, 50, &o->resolution, err);
	o->resolution /= 100;
	return rc;
}

static void
read_guests(struct bench_options *o, const json_t *params)
{
	o->packed = GET_CHOICE(params, "ring", ((const char *const[]){"split", "packed"}), 0);
	o->indirect = get_flag(params, "indirect");
	o->event_idx = get_flag(params, "event_idx");
	o->in_order = GET_CHOICE(params, "in_order", choice_names, BENCH_AUTO);
	o->mergeable = GET_CHOICE(params, "mergeable", choice_names, BENCH_AUTO);
	o->hugepages = GET_CHOICE(params, "hugepages", choice_names, BENCH_AUTO);
	o->offload = GET_CHOICE(params, "offload", offload_names, BENCH_OFFLOAD_AUTO);
	o->ring_size = (uint16_t)get_number(params, "ring_size", 1024);
	o->buffer = get_number(params, "buffer", 0);
}

int
bench_options_read(struct bench_options *o, const json_t *params, const char *const *sockets,
	unsigned socket_count, struct err *err)
{
	int rc;

	memset(o, 0, sizeof(*o));
	if (socket_count > BENCH_PORTS_MAX)
		return err_set(
			err, -EINVAL, "%u sockets: %d are the most", socket_count, BENCH_PORTS_MAX);
	for (unsigned i = 0; i < socket_count; i++)
		o->sockets[i] = sockets[i];
	o->socket_count = socket_count;
	o->listen = get_flag(params, "listen");
	o->control = get_text(params, "control");
	o->daemon = get_text(params, "daemon");
	o->csv = get_flag(params, "csv");
	o->progress = get_flag(params, "progress");
	o->plot = get_text(params, "plot");
	read_guests(o, params);
	rc = read_load(o, params, err);
	if (!rc)
		rc = get_cpus(params, "cpus", o->cpus, &o->cpu_count, err);
	if (!rc)
		rc = get_cpus(params, "workers", o->workers, &o->worker_count, err);
	if (!rc)
		rc = check_sockets(o, json_object_get(params, "pairs"), err);
	if (!rc)
		rc = check_load(o, err);
	return rc ? rc : check_guests(o, err);
}

char *
bench_size_text(uint32_t size, char *buffer, size_t length)
{
	if (size == BENCH_IMIX)
		snprintf(buffer, length, "imix");
	else
		snprintf(buffer, length, "%u", size);
	return buffer;
}

json_t *
bench_options_json(const struct bench_options *o)
{
	return json_pack("{s:s, s:i, s:I, s:i, s:s, s:f, s:b, s:f, s:i, s:s, s:s, s:i, s:s, s:s, "
			 "s:b, s:b, s:s, s:i}",
		"load", load_names[o->load], "pairs", (int)o->pairs, "macs", (json_int_t)o->macs,
		"vlans", (int)o->vlans, "vlan", vlan_names[o->vlan], "rate", o->rate, "search",
		(int)o->search, "seconds", o->seconds, "burst", (int)o->burst, "verify",
		o->verify_full ? "full" : "sample", "ring", o->packed ? "packed" : "split",
		"ring_size", (int)o->ring_size, "in_order", choice_names[o->in_order], "mergeable",
		choice_names[o->mergeable], "indirect", (int)o->indirect, "event_idx",
		(int)o->event_idx, "offload", offload_names[o->offload], "latency",
		(int)o->latency);
}
