/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the text comes from whoever may change the configuration, by file or by socket, and
 * may be damaged or hostile.  Depth and number of values are bounded here, its size by the reader;
 * libyaml checks the encoding.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "api/yaml.h"
#include "lib/parse.h"

/* Where a value stands: of parent's member `key`, or of parent's element `index`. */
struct document_mark {
	const json_t *parent;
	const char *key; /* the parent's own string */
	size_t index;
	unsigned line;
};

/* A collection that is being filled. */
struct level {
	json_t *value;
	char *key; /* mapping: the key whose value comes next; NULL = a key comes next */
	unsigned key_line;
};

struct reader {
	struct document *document;
	const char *text;
	size_t size;
	yaml_parser_t parser;
	struct level levels[YAML_DEPTH_MAX];
	unsigned depth, values;
	bool done;
	struct err *err;
};

/* ---- marks ---- */

unsigned
document_line(const struct document *document, const json_t *parent, const char *key, size_t index)
{
	for (size_t i = 0; i < document->mark_count; i++) {
		const struct document_mark *m = &document->marks[i];

		if (m->parent == parent &&
			(key ? m->key && strcmp(m->key, key) == 0 : m->index == index))
			return m->line;
	}
	return 0;
}

int
document_prefix(const struct document *document, unsigned line, struct err *err)
{
	if (line)
		return err_prefix(err, "%s:%u", document->source, line);
	return err_prefix(err, "%s", document->source);
}

static int
refuse(struct reader *reader, unsigned line, int code, const char *format, const char *detail)
{
	char text[256];

	snprintf(text, sizeof(text), format, detail);
	return err_set(reader->err, code, "%s:%u: %s", reader->document->source, line, text);
}

static int
mark(struct reader *reader, const struct document_mark *m)
{
	struct document *d = reader->document;

	if (d->mark_count == d->mark_room) {
		size_t room = d->mark_room ? 2 * d->mark_room : 64;
		struct document_mark *marks = reallocarray(d->marks, room, sizeof(*marks));

		if (!marks)
			return refuse(reader, m->line, -ENOMEM, "out of memory", "");
		d->marks = marks;
		d->mark_room = room;
	}
	d->marks[d->mark_count++] = *m;
	return 0;
}

/* ---- building values ---- */

/* Puts a value where the innermost collection wants one; takes the reference. */
static int
attach(struct reader *reader, json_t *value, unsigned line)
{
	struct level *level = reader->depth ? &reader->levels[reader->depth - 1] : NULL;
	struct document_mark m = {.line = line};
	int rc;

	if (!value)
		return refuse(reader, line, -ENOMEM, "out of memory", "");
	if (!level) {
		reader->document->root = value;
		return 0;
	}
	m.parent = level->value;
	if (json_is_array(level->value)) {
		m.index = json_array_size(level->value);
		rc = json_array_append_new(level->value, value);
	} else {
		rc = json_object_set_new(level->value, level->key, value);
		m.key = json_object_iter_key(json_object_iter_at(level->value, level->key));
		m.line = level->key_line;
		free(level->key);
		level->key = NULL;
	}
	if (rc < 0)
		return refuse(reader, line, -ENOMEM, "out of memory", "");
	return mark(reader, &m);
}

static int
take_key(struct reader *reader, const yaml_event_t *event, unsigned line)
{
	struct level *level = &reader->levels[reader->depth - 1];
	const char *text = (const char *)event->data.scalar.value;

	if (strlen(text) != event->data.scalar.length)
		return refuse(reader, line, -EINVAL, "a key holds a NUL byte", "");
	if (json_object_get(level->value, text)) {
		unsigned first = document_line(reader->document, level->value, text, 0);
		char where[96];

		snprintf(where, sizeof(where), "%.60s (first in line %u)", text, first);
		return refuse(reader, line, -EINVAL, "key given twice: %s", where);
	}
	level->key = strdup(text);
	level->key_line = line;
	return level->key ? 0 : refuse(reader, line, -ENOMEM, "out of memory", "");
}

static json_t *
scalar_value(const struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	uint64_t number;

	if (plain && (!text[0] || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
		return json_null();
	if (plain && reader->depth && json_is_array(reader->levels[reader->depth - 1].value) &&
		parse_u64(text, 0, INT32_MAX, &number) == 0)
		return json_integer((json_int_t)number);
	return json_stringn(text, event->data.scalar.length);
}

static int
take_scalar(struct reader *reader, const yaml_event_t *event, unsigned line)
{
	const struct level *level = reader->depth ? &reader->levels[reader->depth - 1] : NULL;

	if (event->data.scalar.anchor)
		return refuse(reader, line, -EINVAL, "anchors and aliases are not supported", "");
	if (event->data.scalar.tag)
		return refuse(reader, line, -EINVAL, "tags are not supported", "");
	if (level && json_is_object(level->value) && !level->key)
		return take_key(reader, event, line);
	return attach(reader, scalar_value(reader, event), line);
}

static int
open_collection(struct reader *reader, bool mapping, bool anchored, bool tagged, unsigned line)
{
	const struct level *outer = reader->depth ? &reader->levels[reader->depth - 1] : NULL;
	json_t *value;
	int rc;

	if (anchored)
		return refuse(reader, line, -EINVAL, "anchors and aliases are not supported", "");
	if (tagged)
		return refuse(reader, line, -EINVAL, "tags are not supported", "");
	if (outer && json_is_object(outer->value) && !outer->key)
		return refuse(reader, line, -EINVAL, "a key must be a plain text", "");
	if (reader->depth == YAML_DEPTH_MAX)
		return refuse(reader, line, -E2BIG, "nested too deeply", "");
	value = mapping ? json_object() : json_array();
	rc = attach(reader, value, line);
	if (rc == 0)
		reader->levels[reader->depth++] = (struct level){.value = value};
	return rc;
}

static int
take_event(struct reader *reader, const yaml_event_t *event)
{
	unsigned line = (unsigned)event->start_mark.line + 1;

	if (++reader->values > 2 * YAML_VALUES_MAX)
		return refuse(reader, line, -E2BIG, "too many values", "");
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return take_scalar(reader, event, line);
	case YAML_ALIAS_EVENT:
		return refuse(reader, line, -EINVAL, "anchors and aliases are not supported", "");
	case YAML_MAPPING_START_EVENT:
		return open_collection(reader, true, event->data.mapping_start.anchor != NULL,
			event->data.mapping_start.tag != NULL, line);
	case YAML_SEQUENCE_START_EVENT:
		return open_collection(reader, false, event->data.sequence_start.anchor != NULL,
			event->data.sequence_start.tag != NULL, line);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		reader->depth--;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (reader->document->root)
			return refuse(reader, line, -EINVAL, "more than one document", "");
		return 0;
	case YAML_STREAM_END_EVENT:
		reader->done = true;
		return 0;
	default:
		return 0;
	}
}

/* What is missing at the end is missing in the last line. */
static unsigned
clamp_line(const struct reader *reader, unsigned line)
{
	unsigned last = 1;

	for (size_t i = 0; i + 1 < reader->size; i++)
		last += reader->text[i] == '\n';
	return line < last ? line : last;
}

/* What libyaml found wrong. */
static int
refuse_syntax(struct reader *reader)
{
	const yaml_parser_t *p = &reader->parser;
	unsigned line = clamp_line(reader, (unsigned)p->problem_mark.line + 1);
	char text[200];

	if (p->error == YAML_MEMORY_ERROR)
		return refuse(reader, line, -ENOMEM, "out of memory", "");
	if (p->error == YAML_READER_ERROR) {
		/* No mark: count the lines that were read. */
		line = clamp_line(reader, (unsigned)p->mark.line + 1);
		return refuse(reader, line, -EINVAL, "not a text in UTF-8: %s",
			p->problem ? p->problem : "bad byte");
	}
	snprintf(text, sizeof(text), "%s%s%s", p->problem ? p->problem : "bad syntax",
		p->context ? " " : "", p->context ? p->context : "");
	return refuse(reader, line, -EINVAL, "%s", text);
}

static int
read_events(struct reader *reader)
{
	int rc = 0;

	while (rc == 0 && !reader->done) {
		yaml_event_t event;

		if (!yaml_parser_parse(&reader->parser, &event))
			return refuse_syntax(reader);
		rc = take_event(reader, &event);
		yaml_event_delete(&event);
	}
	return rc;
}

int
document_parse(struct document *document, const char *source, const char *text, size_t size,
	struct err *err)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int rc;

	memset(document, 0, sizeof(*document));
	snprintf(document->source, sizeof(document->source), "%s", source);
	if (!reader || !yaml_parser_initialize(&reader->parser)) {
		free(reader);
		return err_set(err, -ENOMEM, "%s: out of memory", document->source);
	}
	reader->document = document;
	reader->text = text;
	reader->size = size;
	reader->err = err;
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, size);
	rc = read_events(reader);
	for (unsigned i = 0; i < YAML_DEPTH_MAX; i++)
		free(reader->levels[i].key);
	yaml_parser_delete(&reader->parser);
	free(reader);
	if (rc < 0)
		document_free(document);
	return rc;
}

void
document_free(struct document *document)
{
	json_decref(document->root);
	free(document->marks);
	document->root = NULL;
	document->marks = NULL;
	document->mark_count = document->mark_room = 0;
}
