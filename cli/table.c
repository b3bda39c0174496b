/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "cli/table.h"

#define GAP 2 /* spaces between columns */

void
table_start(struct table *table, unsigned columns)
{
	memset(table, 0, sizeof(*table));
	table->columns = columns;
}

void
table_add(struct table *table, char *text)
{
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 64;
		char **cells = realloc(table->cells, capacity * sizeof(*cells));

		if (!cells) {
			table->failed = true;
			free(text);
			return;
		}
		table->cells = cells;
		table->capacity = capacity;
	}
	table->cells[table->count++] = text;
}

void
table_add_copy(struct table *table, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		table->failed = true;
	table_add(table, copy);
}

/* Characters of UTF-8 text. */
static size_t
text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
put_spaces(FILE *file, size_t n)
{
	fprintf(file, "%*s", (int)n, "");
}

/* Width of a column; 0 when it is empty below its title. */
static size_t
column_width(const struct table *table, unsigned column)
{
	size_t width = 0;
	bool used = false;

	for (size_t i = column; i < table->count; i += table->columns) {
		size_t n = table->cells[i] ? text_width(table->cells[i]) : 0;

		if (i != column && n > 0)
			used = true;
		if (n > width)
			width = n;
	}
	return used ? width : 0;
}

static void
print_row(const struct table *table, size_t first, const size_t *widths, const bool *right,
	FILE *file)
{
	size_t pending = 0;

	for (unsigned c = 0; c < table->columns; c++) {
		const char *text = table->cells[first + c] ? table->cells[first + c] : "-";
		size_t fill;

		if (widths[c] == 0)
			continue;
		fill = widths[c] - text_width(text);
		/* Spaces are only written in front of text: no line ends in one. */
		put_spaces(file, pending + (right[c] ? fill : 0));
		fputs(text, file);
		pending = GAP + (right[c] ? 0 : fill);
	}
	fputc('\n', file);
}

bool
table_print(const struct table *table, const bool *right, FILE *file)
{
	size_t widths[64];

	if (table->failed || table->columns == 0 || table->columns > 64)
		return false;
	for (unsigned c = 0; c < table->columns; c++)
		widths[c] = column_width(table, c);
	for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
		print_row(table, i, widths, right, file);
	return true;
}

void
table_free(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	memset(table, 0, sizeof(*table));
}
