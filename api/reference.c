/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reference: the tables as a page of documentation (Markdown).
 */
#include <string.h>

#include "api/schema.h"

/* What a key's help needs inside a table: '|' would end the cell. */
static void
put_cell(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', file);
		fputc(*text, file);
	}
	fputs(" |", file);
}

static void
put_key(FILE *file, const struct key *key, bool object)
{
	char allowed[320];

	fprintf(file, "| `%s` | ", key->name);
	put_cell(file, key_describe(key, allowed, sizeof(allowed)));
	fprintf(file, " %s%s%s |", key->def ? "`" : "", key->def ? key->def : "",
		key->def ? "`" : "");
	if (object) {
		fprintf(file, " %s |", key->flags & KEY_SET ? "yes" : "no");
		fprintf(file, " %s |", key->types ? key->types : "");
	}
	fputc(' ', file);
	put_cell(file, key->help);
	fprintf(file, "%s\n", key->flags & KEY_REQUIRED ? " required |" : " |");
}

static void
put_noun(FILE *file, const struct noun *noun)
{
	fprintf(file, "## Keys: %s\n\n", noun->name);
	fprintf(file, "%c%s.\n\n", noun->help[0] & ~0x20, noun->help + 1);
	fputs("| key | value | default | `set` | port types | meaning | |\n", file);
	fputs("|---|---|---|---|---|---|---|\n", file);
	for (unsigned i = 0; i < noun->key_count; i++)
		put_key(file, &noun->keys[i], true);
	fputc('\n', file);
}

static void
put_verb(FILE *file, const struct verb *verb)
{
	char method[64];

	fprintf(file, "### %s %s\n\n", verb->noun, verb->name);
	fprintf(file, "%c%s.", verb->help[0] & ~0x20, verb->help + 1);
	if (!(verb->flags & VERB_LOCAL))
		fprintf(file, " Method `%s`%s.", verb_method(verb, method, sizeof(method)),
			verb->flags & VERB_READ_ONLY ? ", changes nothing" : "");
	fputs("\n\n", file);
	fputs("    patchbay ", file);
	verb_put_usage(verb, file);
	fputs("\n\n", file);
	fprintf(file, "For example: `patchbay %s`\n\n", verb->example);
	if (verb->params && verb->params->name) {
		fputs("| parameter | value | default | meaning | |\n|---|---|---|---|---|\n", file);
		for (const struct param *p = verb->params; p->name; p++) {
			struct key key = param_key(p);

			put_key(file, &key, false);
		}
		fputc('\n', file);
	}
	if (verb->columns) {
		fputs("| member of the result | meaning |\n|---|---|\n", file);
		for (const struct column *c = verb->columns; c->title; c++) {
			fprintf(file, "| `%s` | ", c->path);
			put_cell(file, c->help);
			fputc('\n', file);
		}
		fputc('\n', file);
	}
}

void
schema_write_reference(FILE *file)
{
	fputs("# Reference\n\n"
	      "Every noun, key and verb. This page is written by `patchbay __reference` from the\n"
	      "tables in api/, which the command line, its help, the control socket and the\n"
	      "configuration file are read from too. Keys have the same names everywhere;\n"
	      "`KEY=` (nothing behind the sign) or JSON `null` gives a key its default back.\n\n",
		file);
	fputs("## Port types\n\n| type | what is at the other end |\n|---|---|\n", file);
	for (unsigned i = 0; i < port_type_count; i++) {
		fprintf(file, "| `%s` | ", port_type_names[i]);
		put_cell(file, port_type_helps[i]);
		fputc('\n', file);
	}
	fputc('\n', file);
	for (unsigned i = 0; i < noun_count; i++)
		put_noun(file, nouns[i]);
	fputs("## Commands\n\n", file);
	for (unsigned i = 0; i < verb_count; i++) {
		if (!(verbs[i].flags & VERB_HIDDEN))
			put_verb(file, &verbs[i]);
	}
}
