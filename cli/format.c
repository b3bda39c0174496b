/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format.h"

#define NEST_MAX 8 /* of lists in lists */

char *
format_count(double value, char *buffer, size_t size)
{
	char digits[32];
	size_t n, used = 0;

	if (!(value >= 0 && value < 1e18))
		value = 0;
	n = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, (uint64_t)(value + 0.5));
	for (size_t i = 0; i < n && used + 2 < size; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			buffer[used++] = ',';
		buffer[used++] = digits[i];
	}
	buffer[used] = '\0';
	return buffer;
}

/* Three significant digits and a prefix; whole numbers below the first one. */
static char *
format_scaled(double value, double base, const char *const units[5], char *buffer, size_t size)
{
	unsigned unit = 0;

	while (unit < 4 && value >= base) {
		value /= base;
		unit++;
	}
	if (unit == 0)
		snprintf(buffer, size, "%.0f%s", value, units[0]);
	else
		snprintf(buffer, size, "%.*f%s",
			value < 10    ? 2
			: value < 100 ? 1
				      : 0,
			value, units[unit]);
	return buffer;
}

char *
format_bytes(double value, char *buffer, size_t size)
{
	static const char *const units[5] = {" B", " KiB", " MiB", " GiB", " TiB"};

	return format_scaled(value, 1024, units, buffer, size);
}

char *
format_bits(double value, char *buffer, size_t size)
{
	static const char *const units[5] = {"", " k", " M", " G", " T"};

	return format_scaled(value, 1000, units, buffer, size);
}

char *
format_decimal(double value, char *buffer, size_t size)
{
	snprintf(buffer, size, "%.1f", value);
	return buffer;
}

/* Control characters, those of 8 bits in UTF-8 (U+0080 to U+009F) too, become '?'. */
static void
put_text(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			fputc('?', out);
		} else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			fputc('?', out);
			p++;
		} else {
			fputc(*p, out);
		}
	}
}

static void
put_json(FILE *out, const json_t *value, unsigned depth)
{
	const json_t *element;
	const char *name;
	size_t i, n = 0;

	switch (json_typeof(value)) {
	case JSON_STRING:
		put_text(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", out);
		break;
	case JSON_FALSE:
		fputs("no", out);
		break;
	case JSON_NULL:
		fputc('-', out);
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, element) {
			fputs(i ? ", " : "", out);
			if (depth < NEST_MAX)
				put_json(out, element, depth + 1);
		}
		break;
	case JSON_OBJECT:
		json_object_foreach ((json_t *)value, name, element) {
			fputs(n++ ? " " : "", out);
			put_text(out, name);
			fputc(' ', out);
			if (depth < NEST_MAX)
				put_json(out, element, depth + 1);
		}
		break;
	}
}

char *
format_json(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (value)
		put_json(out, value, 0);
	if (!value || ftell(out) == 0)
		fputc('-', out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
