/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * yaml: YAML text from and to JSON values, with the line of each value kept for error messages.
 *
 * The part of YAML 1.1 that configurations need: one document of mappings, sequences and scalars.
 * Scalars become JSON strings (what they mean is the schema's to say), an empty or "~" plain scalar
 * becomes null, a plain decimal integer inside a sequence becomes a JSON integer.  Anchors, aliases
 * and tags are refused: no value is larger than the text that was written down for it.
 *
 * (The names begin with document_ because libyaml exports more yaml_ names than its header shows.)
 */
#ifndef API_YAML_H
#define API_YAML_H

#include <stddef.h>

#include <jansson.h>

#include "lib/err.h"

#define YAML_DEPTH_MAX   8
#define YAML_VALUES_MAX  400000
#define YAML_SOURCE_SIZE 256

struct document_mark;

struct document {
	json_t *root; /* NULL for an empty document */
	char source[YAML_SOURCE_SIZE];
	struct document_mark *marks;
	size_t mark_count, mark_room;
};

/*
 * Reads a text.  source is what errors call it: "configs/x.yaml:12: ...".
 * -EINVAL (syntax, duplicate key, ...), -E2BIG (too deep, too many values), -ENOMEM.
 */
int document_parse(struct document *document, const char *source, const char *text, size_t size,
	struct err *err);
void document_free(struct document *document);

/*
 * The line, from 1, of a member of a mapping, of element `index` of a sequence (key NULL), or 0 when
 * it is not of this document.
 */
unsigned document_line(
	const struct document *document, const json_t *parent, const char *key, size_t index);

/* "source:line: " in front of the error's text; line 0 leaves "source: ".  Returns err->code. */
int document_prefix(const struct document *document, unsigned line, struct err *err);

/* Block-style text of a JSON value, for free(); NULL when memory is short. */
char *document_print(const json_t *value);

#endif
