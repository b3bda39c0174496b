/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "bench/report.h"

/* A column of table and CSV: where it is in a result ("frames.lost"). */
struct field {
	const char *title, *path;
	double divisor; /* of the table */
	unsigned decimals;
	bool table; /* in the table too */
};

/* clang-format off */
static const struct field fields[] = {
	{"SIZE", "size", 1, 0, true},
	{"OFFLOAD", "offload", 1, 0, false},
	{"MPPS", "pps", 1e6, 3, true},
	{"GBIT/S", "gbps", 1, 2, true},
	{"ROOFLINE", "roofline_gbps", 1, 2, true},
	{"OFFERED", "offered_pps", 1e6, 3, true},
	{"ZERO LOSS", "search.zero_loss_pps", 1e6, 3, true},
	{"LOST", "frames.lost", 1, 0, true},
	{"CYC/PKT", "switch_cycles_per_packet", 1, 1, true},
	{"BUSY %", "workers.0.busy_percent", 1, 1, true},
	{"P50 us", "latency.p50_us", 1, 1, true},
	{"P99 us", "latency.p99_us", 1, 1, true},
	{"P99.9 us", "latency.p99_9_us", 1, 1, true},
	{"MAX us", "latency.max_us", 1, 1, true},
	{"OWN CYC", "traffic.cycles_per_packet", 1, 1, true},
	{"OWN MAX", "traffic.ceiling_pps", 1e6, 1, true},
	{"FULL %", "traffic.full_bursts_percent", 1, 1, true},
	{"SECONDS", "seconds", 1, 3, false},
	{"SENT", "frames.sent", 1, 0, false},
	{"RECEIVED", "frames.received", 1, 0, false},
	{"CORRUPT", "frames.corrupt", 1, 0, false},
	{"DUPLICATES", "frames.duplicates", 1, 0, false},
	{"REORDERED", "frames.reordered", 1, 0, false},
	{"STRAY", "frames.stray", 1, 0, false},
	{"LATENCY PPS", "latency.pps", 1, 0, false},
};
/* clang-format on */

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const json_t *
find(const json_t *at, const char *path)
{
	char word[32];

	while (at && *path) {
		size_t n = strcspn(path, ".");

		snprintf(word, sizeof(word), "%.*s", (int)n, path);
		at = json_is_array(at) ? json_array_get(at, (size_t)(word[0] - '0'))
				       : json_object_get(at, word);
		path += n + (path[n] == '.');
	}
	return at;
}

static void
field_text(const struct field *f, const json_t *result, double divisor, char *text, size_t size)
{
	const json_t *value = find(result, f->path);

	if (json_is_string(value))
		snprintf(text, size, "%s", json_string_value(value));
	else if (json_is_integer(value) && divisor == 1)
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_number(value))
		snprintf(text, size, "%.*f", (int)f->decimals, json_number_value(value) / divisor);
	else
		text[0] = '\0';
}

/* A column that is empty or zero in every row says nothing. */
static bool
is_told(const struct field *f, const json_t *results)
{
	const json_t *result;
	size_t i;

	json_array_foreach (results, i, result) {
		const json_t *value = find(result, f->path);

		if (json_is_string(value) || json_number_value(value) != 0 ||
			strcmp(f->path, "frames.lost") == 0 || strcmp(f->path, "pps") == 0 ||
			strcmp(f->path, "gbps") == 0 ||
			(json_is_number(value) && strncmp(f->path, "search", 6) == 0))
			return true;
	}
	return false;
}

static void
print_head(const json_t *report, FILE *file)
{
	const json_t *m = json_object_get(report, "machine"),
		     *s = json_object_get(report, "switch");

	fprintf(file, "patchbay bench %s, %s\n",
		json_string_value(json_object_get(report, "patchbay")),
		json_string_value(json_object_get(report, "date")));
	fprintf(file, "machine   %s, kernel %s, %lld CPUs, TSC %.3f GHz\n",
		json_string_value(json_object_get(m, "cpu")),
		json_string_value(json_object_get(m, "kernel")),
		(long long)json_integer_value(json_object_get(m, "cpus_online")),
		json_number_value(json_object_get(m, "tsc_hz")) / 1e9);
	fprintf(file, "switch    %s\n\n", json_string_value(json_object_get(s, "name")));
}

void
report_print_table(const json_t *report, FILE *file)
{
	const json_t *results = json_object_get(report, "results"), *result;
	char text[64];
	size_t i;

	print_head(report, file);
	for (unsigned f = 0; f < FIELDS; f++)
		if (fields[f].table && is_told(&fields[f], results))
			fprintf(file, "%10s", fields[f].title);
	fputc('\n', file);
	json_array_foreach (results, i, result) {
		for (unsigned f = 0; f < FIELDS; f++) {
			if (!fields[f].table || !is_told(&fields[f], results))
				continue;
			field_text(&fields[f], result, fields[f].divisor, text, sizeof(text));
			fprintf(file, "%10s", *text ? text : "-");
		}
		fputc('\n', file);
	}
}

void
report_print_csv(const json_t *report, FILE *file)
{
	const json_t *results = json_object_get(report, "results"), *result;
	char text[64];
	size_t i;

	for (unsigned f = 0; f < FIELDS; f++)
		fprintf(file, "%s%s", f ? "," : "", fields[f].path);
	fputc('\n', file);
	json_array_foreach (results, i, result) {
		for (unsigned f = 0; f < FIELDS; f++) {
			field_text(&fields[f], result, 1, text, sizeof(text));
			fprintf(file, "%s%s", f ? "," : "", text);
		}
		fputc('\n', file);
	}
}
