/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/detail.h"
#include "cli/format.h"
#include "cli/result.h"
#include "cli/table.h"

#define COLUMNS_MAX 64

static bool
is_counter(const struct column *column)
{
	return column->kind == COLUMN_COUNTER || column->kind == COLUMN_BYTES ||
	       column->kind == COLUMN_NONZERO_LIST;
}

bool
result_has_rates(const struct verb *verb)
{
	for (const struct column *c = verb->columns; c && c->title; c++) {
		if (is_counter(c))
			return true;
	}
	return false;
}

/* Member "a.b" of a row. */
static json_t *
row_member(const json_t *row, const char *path)
{
	char name[64];
	size_t n;

	for (;;) {
		n = strcspn(path, ".");
		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		row = json_object_get(row, name);
		if (path[n] == '\0')
			return (json_t *)row;
		path += n + 1;
	}
}

/* The row of an earlier result that is about the same thing; NULL when there is none. */
static const json_t *
earlier_row(const struct verb *verb, const json_t *row, const json_t *earlier)
{
	const json_t *rows = json_object_get(earlier, "rows"), *other;
	const json_t *name = row_member(row, verb->columns[0].path);
	size_t i;

	json_array_foreach (rows, i, other) {
		if (json_equal(name, row_member(other, verb->columns[0].path)))
			return other;
	}
	return NULL;
}

/* Seconds between two results by the daemon's clock; 0 = no rates. */
static double
seconds_between(const json_t *result, const json_t *earlier)
{
	json_int_t now = json_integer_value(json_object_get(result, "time_ns"));
	json_int_t then = json_integer_value(json_object_get(earlier, "time_ns"));

	return earlier && now > then ? (double)(now - then) / 1e9 : 0;
}

/* A counter, or with seconds its growth per second.  One that went back started anew. */
static double
counter_value(const json_t *value, const json_t *before, double seconds)
{
	double v = json_number_value(value), b = json_number_value(before);

	if (seconds <= 0)
		return v;
	return (v >= b ? v - b : v) / seconds;
}

static char *
list_text(const json_t *counters, const json_t *before, double seconds)
{
	const char *name;
	json_t *value;
	char *text = NULL, number[48];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	unsigned n = 0;

	if (!out)
		return NULL;
	json_object_foreach ((json_t *)counters, name, value) {
		double v = counter_value(value, json_object_get(before, name), seconds);

		if (v < 0.5)
			continue;
		fprintf(out, "%s%s %s", n++ ? ", " : "", name,
			format_count(v, number, sizeof(number)));
	}
	fclose(out);
	if (n == 0) {
		free(text);
		return NULL;
	}
	return text;
}

static char *
cell_text(const struct column *column, const json_t *value, const json_t *before, double seconds)
{
	char text[48];

	if (!value || json_is_null(value))
		return NULL;
	switch (column->kind) {
	case COLUMN_COUNTER:
		format_count(counter_value(value, before, seconds), text, sizeof(text));
		return strdup(text);
	case COLUMN_BYTES:
		if (seconds > 0)
			format_bits(counter_value(value, before, seconds) * 8, text, sizeof(text));
		else
			format_bytes(json_number_value(value), text, sizeof(text));
		return strdup(text);
	case COLUMN_PERCENT:
		return strdup(format_decimal(json_number_value(value), text, sizeof(text)));
	case COLUMN_NONZERO_LIST:
		return list_text(value, before, seconds);
	case COLUMN_TEXT:
	case COLUMN_NUMBER:
	case COLUMN_HIDDEN:
		break;
	}
	return format_json(value);
}

/* "RX PACKETS" is "RX PACKETS/s" as a rate, "RX BYTES" is "RX bit/s". */
static void
add_title(struct table *table, const struct column *column, double seconds)
{
	const char *bytes = strstr(column->title, "BYTES");
	char title[64];

	if (seconds <= 0 || !is_counter(column))
		snprintf(title, sizeof(title), "%s", column->title);
	else if (column->kind == COLUMN_BYTES && bytes)
		snprintf(title, sizeof(title), "%.*sbit/s", (int)(bytes - column->title),
			column->title);
	else
		snprintf(title, sizeof(title), "%s/s", column->title);
	table_add_copy(table, title);
}

static int
print_rows(const struct verb *verb, const json_t *result, const json_t *earlier, FILE *file)
{
	const json_t *rows = json_object_get(result, "rows"), *row;
	double seconds = seconds_between(result, earlier);
	const struct column *shown[COLUMNS_MAX];
	bool right[COLUMNS_MAX], printed;
	struct table table;
	unsigned count = 0;
	size_t i;

	for (const struct column *c = verb->columns; c->title && count < COLUMNS_MAX; c++) {
		if (c->kind == COLUMN_HIDDEN)
			continue;
		right[count] = c->kind != COLUMN_TEXT && c->kind != COLUMN_NONZERO_LIST;
		shown[count++] = c;
	}
	table_start(&table, count);
	for (unsigned c = 0; c < count; c++)
		add_title(&table, shown[c], seconds);
	json_array_foreach (rows, i, row) {
		const json_t *before = seconds > 0 ? earlier_row(verb, row, earlier) : NULL;

		for (unsigned c = 0; c < count; c++)
			table_add(&table, cell_text(shown[c], row_member(row, shown[c]->path),
						  row_member(before, shown[c]->path), seconds));
	}
	printed = table_print(&table, right, file);
	if (json_is_true(json_object_get(result, "truncated")))
		fputs("... and more: limit=NUMBER shows them\n", file);
	table_free(&table);
	return printed ? 0 : -ENOMEM;
}

static int
print_changes(const json_t *result, FILE *file)
{
	const json_t *changes = json_object_get(result, "changes"), *change;
	const json_t *kept = json_object_get(result, "kept"); /* what is not to be changed */
	size_t i;

	if (json_array_size(changes) == 0)
		fputs("no changes\n", file);
	for (unsigned list = 0; list < 2; list++) {
		json_array_foreach (list ? kept : changes, i, change) {
			char *text = format_json(change);

			if (!text)
				return -ENOMEM;
			fprintf(file, "%s%s\n", list ? "keep " : "", text);
			free(text);
		}
	}
	return 0;
}

/* The text as it is, except for what would change the state of a terminal. */
static void
print_text(const char *text, FILE *file)
{
	for (; text && *text; text++) {
		if (((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t') ||
			*text == 0x7f)
			fputc('?', file);
		else
			fputc(*text, file);
	}
}

int
result_print(const struct verb *verb, const json_t *params, const json_t *result,
	const json_t *earlier, FILE *file)
{
	const json_t *rows = json_object_get(result, "rows");

	if (verb->flags & VERB_JSON)
		return result_print_json(result, true, file);
	if (verb->flags & VERB_CHANGES)
		return print_changes(result, file);
	if (verb->flags & VERB_TEXT) {
		print_text(json_string_value(json_object_get(result, "text")), file);
		return 0;
	}
	if (!verb->columns || !rows)
		return detail_print(result, file);
	if (verb->flags & VERB_DETAIL && json_array_size(rows) == 1 &&
		json_object_get(params, "name"))
		return detail_print(json_array_get(rows, 0), file);
	if (json_array_size(rows) == 0) {
		fputs("none\n", file);
		return 0;
	}
	return print_rows(verb, result, earlier, file);
}

int
result_print_json(const json_t *result, bool indented, FILE *file)
{
	char *text = json_dumps(result, indented ? JSON_INDENT(2) : JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	fprintf(file, "%s\n", text);
	free(text);
	return 0;
}
