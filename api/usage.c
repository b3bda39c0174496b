/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: how a verb is typed.
 */
#include <string.h>

#include "api/schema.h"

bool
verb_takes(const struct verb *verb, const struct key *key)
{
	if (!verb->object)
		return false;
	if (key->flags & KEY_IDENTITY)
		return true;
	if (verb->flags & VERB_IDENTITY)
		return false;
	return !verb->set || key->flags & KEY_SET;
}

bool
verb_is_positional(const struct verb *verb, const char *key)
{
	return verb->positional && word_index(verb->positional, key) >= 0;
}

/* An option as it is typed: "dry_run" is --dry-run. */
static void
put_option(FILE *file, const char *name)
{
	fputs(" [--", file);
	for (; *name; name++)
		fputc(*name == '_' ? '-' : *name, file);
	fputc(']', file);
}

static void
put_upper(FILE *file, const char *word)
{
	for (; *word; word++)
		fputc(*word >= 'a' && *word <= 'z' ? *word - 'a' + 'A' : *word, file);
}

static void
put_positional(FILE *file, const struct verb *verb)
{
	char word[64];

	for (unsigned i = 0; verb->positional && word_at(verb->positional, i, word, sizeof(word));
		i++) {
		fputc(' ', file);
		put_upper(file, word);
	}
	for (const struct param *p = verb->params; p && p->name; p++) {
		if (!p->positional)
			continue;
		fputs(p->required ? " " : " [", file);
		put_upper(file, p->type == VALUE_TEXT ? "file" : p->name);
		fputs(p->required ? "" : "]", file);
	}
}

static void
put_keys(FILE *file, const struct verb *verb)
{
	unsigned others = 0;

	for (unsigned i = 0; verb->object && i < verb->object->key_count; i++) {
		const struct key *key = &verb->object->keys[i];

		if (verb_is_positional(verb, key->name) || !verb_takes(verb, key))
			continue;
		others++;
		if (verb->object->key_count <= 4)
			fprintf(file, " [%s=...]", key->name);
	}
	if (others && verb->object->key_count > 4)
		fputs(" [KEY=VALUE ...]", file);
}

void
verb_put_usage(const struct verb *verb, FILE *file)
{
	fprintf(file, "%s %s", verb->noun, verb->name);
	put_positional(file, verb);
	put_keys(file, verb);
	for (const struct param *p = verb->params; p && p->name; p++) {
		if (p->positional)
			continue;
		if (p->type == VALUE_BOOL) {
			put_option(file, p->name);
		} else if (p->letter) {
			fprintf(file, " [-%c ", p->letter);
			put_upper(file, p->name);
			fputc(']', file);
		} else
			fprintf(file, p->required ? " %s=..." : " [%s=...]", p->name);
	}
	if (verb->flags & VERB_WATCH)
		fputs(" [--watch[=SECONDS]]", file);
	if (verb->flags & VERB_FOLLOW)
		fputs(" [--follow]", file);
}
