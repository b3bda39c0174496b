/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "cli/command.h"
#include "cli/help.h"

#define WIDTH       79
#define NAME_COLUMN 2
#define TEXT_COLUMN 21

/* Text from TEXT_COLUMN on, broken between words; the cursor stands at `column`. */
static void
put_wrapped(FILE *file, unsigned column, const char *text)
{
	bool first = true;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (!first && column + 1 + n > WIDTH) {
			fputc('\n', file);
			column = 0;
			first = true;
		}
		if (column < TEXT_COLUMN) {
			fprintf(file, "%*s", (int)(TEXT_COLUMN - column), "");
			column = TEXT_COLUMN;
		} else if (!first) {
			fputc(' ', file);
			column++;
		}
		fwrite(text, 1, n, file);
		column += (unsigned)n;
		text += n;
		text += strspn(text, " ");
		first = false;
	}
	fputc('\n', file);
}

/* "  name     text". */
static void
put_entry(FILE *file, const char *name, const char *text)
{
	int n = fprintf(file, "%*s%s  ", NAME_COLUMN, "", name);

	if (n > TEXT_COLUMN) {
		fputc('\n', file);
		n = 0;
	}
	put_wrapped(file, n > 0 ? (unsigned)n : 0, text);
}

static void
put_sentence(FILE *file, const char *text)
{
	fprintf(file, "%c%s.\n", text[0] & ~0x20, text + 1);
}

/* "bridge=" for a key, "NAME" for a positional one, "--dry-run" for an option. */
static void
argument_name(const struct key *key, bool positional, char *buffer, size_t size)
{
	if (positional)
		snprintf(buffer, size, "%s", key->type == VALUE_TEXT ? "file" : key->name);
	else if (key->type == VALUE_BOOL && key->offset == 0 && key->size == 0)
		snprintf(buffer, size, "--%s", key->name);
	else
		snprintf(buffer, size, "%s=", key->name);
	for (char *p = buffer; *p; p++) {
		if (positional && *p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (buffer[0] == '-' && *p == '_')
			*p = '-';
	}
}

static void
put_key(FILE *file, const struct key *key, bool positional, char letter)
{
	char name[64], lettered[72], allowed[320], text[512];

	argument_name(key, positional, name, sizeof(name));
	snprintf(lettered, sizeof(lettered), "-%c, %s", letter, name);
	put_entry(file, letter ? lettered : name, key->help);
	if (name[0] == '-')
		return;
	key_describe(key, allowed, sizeof(allowed));
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", allowed, key->def ? "; default " : "",
		key->def ? key->def : "", key->types ? "; for " : "", key->types ? key->types : "",
		!positional && key->flags & KEY_REQUIRED ? "; required" : "");
	put_wrapped(file, 0, text);
}

static void
put_arguments(FILE *file, const struct verb *verb)
{
	struct key temporary;
	const struct key *key;

	if (!command_positional(verb, 0, &temporary))
		return;
	fputs("\nArguments:\n", file);
	for (unsigned i = 0; (key = command_positional(verb, i, &temporary)); i++)
		put_key(file, key, true, 0);
}

static void
put_types(FILE *file, const struct verb *verb)
{
	if (!verb_is_positional(verb, "type"))
		return;
	fputs("\nPort types:\n", file);
	for (unsigned i = 0; i < port_type_count; i++)
		put_entry(file, port_type_names[i], port_type_helps[i]);
}

static void
put_keys(FILE *file, const struct verb *verb)
{
	unsigned count = 0;

	for (unsigned i = 0; verb->object && i < verb->object->key_count; i++) {
		const struct key *key = &verb->object->keys[i];

		if (verb_is_positional(verb, key->name) || !verb_takes(verb, key))
			continue;
		fputs(count++ ? "" : "\nKeys:\n", file);
		put_key(file, key, false, 0);
	}
}

static void
put_options(FILE *file, const struct verb *verb)
{
	bool any = verb->flags & (VERB_WATCH | VERB_FOLLOW);

	for (const struct param *p = verb->params; p && p->name; p++)
		any = any || !p->positional;
	if (!any)
		return;
	fputs("\nOptions:\n", file);
	for (const struct param *p = verb->params; p && p->name; p++) {
		struct key key = param_key(p);

		if (!p->positional)
			put_key(file, &key, false, p->letter);
	}
	if (verb->flags & VERB_WATCH)
		put_entry(file, "--watch[=SECONDS]",
			"repeat every second or so many seconds, counters as rates, until Ctrl-C");
	if (verb->flags & VERB_FOLLOW)
		put_entry(file, "--follow", "go on with what happens from now on, until Ctrl-C");
}

static void
put_columns(FILE *file, const struct verb *verb)
{
	if (!verb->columns)
		return;
	fputs("\nShown (members with --json):\n", file);
	for (const struct column *c = verb->columns; c->title; c++)
		put_entry(file, c->path, c->help);
}

void
help_verb(const struct verb *verb, FILE *file)
{
	fputs("Usage: patchbay ", file);
	verb_put_usage(verb, file);
	fputs("\n\n", file);
	put_sentence(file, verb->help);
	put_arguments(file, verb);
	put_types(file, verb);
	put_keys(file, verb);
	put_options(file, verb);
	put_columns(file, verb);
	fprintf(file, "\nExample:\n  patchbay %s\n", verb->example);
}

void
help_noun(const char *noun, FILE *file)
{
	fprintf(file, "Usage: patchbay %s VERB ...\n", noun);
	for (unsigned i = 0; i < noun_count; i++) {
		if (strcmp(nouns[i]->name, noun) == 0) {
			fputc('\n', file);
			put_sentence(file, nouns[i]->help);
		}
	}
	fputs("\nVerbs:\n", file);
	for (unsigned i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) == 0 && !(verbs[i].flags & VERB_HIDDEN))
			put_entry(file, verbs[i].name, verbs[i].help);
	}
	fprintf(file, "\n`patchbay %s VERB --help` says what each takes.\n", noun);
}

static void
put_noun_line(FILE *file, const char *noun)
{
	char list[512] = "";
	unsigned count = 0;
	size_t used = 0;

	for (unsigned i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) != 0 || verbs[i].flags & VERB_HIDDEN)
			continue;
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
				count ? ", " : "", verbs[i].name);
		count++;
	}
	put_entry(file, noun, count == 1 ? verb_default(noun)->help : list);
}

void
help_overview(FILE *file)
{
	const char *noun;

	fputs("Usage: patchbay [OPTIONS] NOUN VERB [ARGUMENTS] [KEY=VALUE ...]\n\n"
	      "Talks to patchbayd, the switch for virtual machines.\n\n"
	      "Nouns and their verbs:\n",
		file);
	for (unsigned i = 0; (noun = command_noun(i)); i++)
		put_noun_line(file, noun);
	fputs("\nOptions:\n", file);
	put_entry(file, "--json", "print JSON: indented on a terminal, else on one line");
	put_entry(file, "--socket PATH",
		"the daemon's control socket; default: $PATCHBAY_SOCKET, then "
		"$XDG_RUNTIME_DIR/patchbay/" API_SOCKET_NAME ", then " API_SYSTEM_DIR
		"/" API_SOCKET_NAME);
	put_entry(file, "--timeout SECONDS", "longest wait for an answer; default 30");
	put_entry(file, "--watch[=SECONDS]", "show again and again (stats, show)");
	put_entry(file, "--follow", "go on with what happens from now on (events)");
	put_entry(file, "--help", "help; also behind a noun or a verb");
	put_entry(file, "--version", "version of this command");
	fputs("\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 daemon not reachable.\n\n"
	      "Example:\n"
	      "  patchbay bridge add br0\n"
	      "  patchbay port add vm1 vhost-user bridge=br0 path=/run/patchbay/vm1.sock\n"
	      "  patchbay stats --watch\n",
		file);
}
