/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/yaml.h"

static const char *const other_meanings[] = {
	"y", "n", "yes", "no", "true", "false", "on", "off", "null", "inf", "nan"};

/* Would every reader of YAML take these bytes, unquoted, for a text? */
static bool
is_plain(const char *text)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";

	if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/", text[0]))
		return false;
	if (!text[0] || text[strspn(text, safe)])
		return false;
	for (unsigned i = 0; i < sizeof(other_meanings) / sizeof(other_meanings[0]); i++) {
		if (strcasecmp(text, other_meanings[i]) == 0)
			return false;
	}
	return true;
}

static void
write_scalar(FILE *file, const json_t *value)
{
	char *text;

	if (json_is_string(value) && is_plain(json_string_value(value))) {
		fputs(json_string_value(value), file);
		return;
	}
	/* A JSON scalar is a YAML scalar. */
	text = json_dumps(value, JSON_ENCODE_ANY);
	fputs(text ? text : "~", file);
	free(text);
}

static void
indent(FILE *file, unsigned depth)
{
	fprintf(file, "%*s", (int)(2 * depth), "");
}

static bool
is_block(const json_t *value)
{
	return (json_is_object(value) && json_object_size(value)) ||
	       (json_is_array(value) && json_array_size(value));
}

/*
 * Writes value as block lines of that depth.  `started`: the first line's indentation stands there
 * already ("- ").
 */
static void
write_block(FILE *file, const json_t *value, unsigned depth, bool started)
{
	const char *key;
	const json_t *member;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach (value, i, member) {
			indent(file, started ? 0 : depth);
			started = false;
			fputs("- ", file);
			if (is_block(member)) {
				write_block(file, member, depth + 1, true);
				continue;
			}
			write_scalar(file, member);
			fputc('\n', file);
		}
		return;
	}
	json_object_foreach ((json_t *)value, key, member) {
		json_t *name = json_string(key);

		indent(file, started ? 0 : depth);
		started = false;
		write_scalar(file, name);
		json_decref(name);
		fputs(is_block(member) ? ":\n" : ": ", file);
		if (is_block(member)) {
			write_block(file, member, depth + 1, false);
			continue;
		}
		write_scalar(file, member);
		fputc('\n', file);
	}
}

char *
document_print(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	bool failed;

	if (!file)
		return NULL;
	if (is_block(value)) {
		write_block(file, value, 0, false);
	} else {
		write_scalar(file, value);
		fputc('\n', file);
	}
	failed = ferror(file);
	if (fclose(file) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
