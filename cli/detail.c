/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/detail.h"
#include "cli/format.h"

#define DEPTH_MAX 4
#define INDENT    2

static int
print_line(const char *name, const json_t *value, unsigned indent, size_t width, FILE *file)
{
	char *text = format_json(value);

	if (!text)
		return -ENOMEM;
	fprintf(file, "%*s%-*s %s\n", (int)indent, "", (int)width, name, text);
	free(text);
	return 0;
}

static bool
is_list_of_objects(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

static int
print_object(const json_t *object, unsigned depth, FILE *file)
{
	unsigned indent = depth * INDENT;
	const json_t *value, *element;
	const char *name;
	size_t width = 0, i;
	int r = 0;

	json_object_foreach ((json_t *)object, name, value)
		width = strlen(name) > width ? strlen(name) : width;
	json_object_foreach ((json_t *)object, name, value) {
		if (json_is_object(value) && depth < DEPTH_MAX) {
			fprintf(file, "%*s%s\n", (int)indent, "", name);
			r = print_object(value, depth + 1, file);
		} else if (is_list_of_objects(value)) {
			fprintf(file, "%*s%s\n", (int)indent, "", name);
			json_array_foreach (value, i, element) {
				r = print_line("-", element, indent + INDENT, 1, file);
				if (r)
					return r;
			}
		} else {
			r = print_line(name, value, indent, width, file);
		}
		if (r)
			return r;
	}
	return 0;
}

int
detail_print(const json_t *object, FILE *file)
{
	return json_is_object(object) ? print_object(object, 0, file) : 0;
}
