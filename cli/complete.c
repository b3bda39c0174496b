/* SPDX-License-Identifier: BSD-3-Clause */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "cli/format.h"
#include "launcher/vm_dir.h"

#define ASK_TIMEOUT_MS 300

/* The word to be completed: what stands before the part that is looked for ("bridge="), and the
 * beginning of that part. */
struct target {
	const char *lead;
	size_t lead_length;
	const char *begin;
	const char *socket;
	FILE *file;
};

static void
offer(const struct target *t, const char *word)
{
	if (strncmp(word, t->begin, strlen(t->begin)) == 0)
		fprintf(t->file, "%.*s%s\n", (int)t->lead_length, t->lead, word);
}

/* "--dry-run" of "dry_run". */
static void
offer_option(const struct target *t, const char *name, const char *suffix)
{
	char word[80];

	snprintf(word, sizeof(word), "--%s%s", name, suffix);
	for (char *p = word; *p; p++)
		*p = *p == '_' ? '-' : *p;
	offer(t, word);
}

/* Member `member` of every row that the daemon shows. */
static void
offer_rows(const struct target *t, const char *method, const char *member)
{
	json_t *result = NULL;
	const json_t *row;
	struct client client;
	struct err err;
	size_t i;

	if (client_open(&client, t->socket, ASK_TIMEOUT_MS, &err))
		return;
	if (client_call(&client, method, NULL, &result, &err) == 0) {
		json_array_foreach (json_object_get(result, "rows"), i, row) {
			char *word = format_json(json_object_get(row, member));

			if (word)
				offer(t, word);
			free(word);
		}
		json_decref(result);
	}
	client_close(&client);
}

static void
offer_interfaces(const struct target *t)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_index; i++)
		offer(t, i->if_name);
	if (list)
		if_freenameindex(list);
}

static void
offer_choices(const struct target *t, const char *choices)
{
	char word[64];

	for (unsigned i = 0; word_at(choices, i, word, sizeof(word)); i++)
		offer(t, word);
}

static void
offer_verbs(const struct target *t, const char *noun)
{
	for (unsigned i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) == 0 && !(verbs[i].flags & VERB_HIDDEN))
			offer(t, verbs[i].name);
	}
}

static void
offer_nouns(const struct target *t)
{
	const char *noun;

	for (unsigned i = 0; (noun = command_noun(i)); i++)
		offer(t, noun);
}

static void
offer_vm(void *arg, const char *name)
{
	offer(arg, name);
}

/* Names of objects that exist: of the verb's own noun under "name", else of the noun that the key
 * is called after. */
static void
offer_names(const struct target *t, const struct verb *verb, const char *key)
{
	bool own = strcmp(key, "name") == 0;
	const char *noun = own ? verb->noun : key;
	char method[64];

	/* What is about to be added has no name yet that could be known. */
	if (own && verb->object && !verb->set && !(verb->flags & VERB_IDENTITY))
		return;
	if (strcmp(noun, "vm") == 0)
		vm_dir_each(offer_vm, (void *)(uintptr_t)t);
	snprintf(method, sizeof(method), "%s.show", noun);
	/* A capture is of a port or of a bridge. */
	if (strcmp(verb->noun, "capture") == 0)
		offer_rows(t, "bridge.show", "name");
	if (verb_by_method(method))
		offer_rows(t, method, strcmp(noun, "worker") == 0 ? "worker" : "name");
}

/* The last of the names of ports behind commas. */
static void
offer_ports(const struct target *t)
{
	const char *comma = strrchr(t->begin, ',');
	struct target last = *t;

	if (comma) {
		last.lead_length += (size_t)(comma + 1 - t->begin);
		last.begin = comma + 1;
	}
	offer_rows(&last, "port.show", "name");
}

static void offer_item(const struct target *t, const struct verb *verb, const struct noun *item);

static void
offer_values(const struct target *t, const struct verb *verb, const struct key *key)
{
	switch (key->type) {
	case VALUE_ENUM:
		offer_choices(t, key->choices);
		break;
	case VALUE_BOOL:
		offer_choices(t, "yes no");
		break;
	case VALUE_NAME:
		if (strcmp(key->name, "to") == 0)
			offer_ports(t);
		else
			offer_names(t, verb, key->name);
		break;
	case VALUE_NAMES:
		offer_ports(t);
		break;
	case VALUE_PATH:
	case VALUE_TEXT:
		fputs(":files\n", t->file);
		break;
	case VALUE_IFNAME:
		offer_interfaces(t);
		break;
	case VALUE_MAC:
		if (strcmp(verb->noun, "fdb") == 0)
			offer_rows(t, "fdb.show", "mac");
		break;
	case VALUE_LIST:
		offer_item(t, verb, key->item);
		break;
	case VALUE_U32:
		if (strcmp(key->name, "worker") == 0)
			offer_rows(t, "worker.show", "worker");
		break;
	default:
		break;
	}
}

/* The last part of "key=value,key=value". */
static void
offer_item(const struct target *t, const struct verb *verb, const struct noun *item)
{
	const char *comma = strrchr(t->begin, ','), *part = comma ? comma + 1 : t->begin;
	const char *equals = strchr(part, '=');
	struct target rest = *t;
	const struct key *key;
	char word[80];

	rest.begin = equals ? equals + 1 : part;
	rest.lead_length += (size_t)(rest.begin - t->begin);
	if (!equals) {
		for (unsigned i = 0; i < item->key_count; i++) {
			snprintf(word, sizeof(word), "%s=", item->keys[i].name);
			offer(&rest, word);
		}
		return;
	}
	snprintf(word, sizeof(word), "%.*s", (int)(equals - part), part);
	key = noun_key(item, word);
	if (key && key->type != VALUE_LIST)
		offer_values(&rest, verb, key);
}

/* Is "name=" among the arguments? */
static bool
is_given(const struct command *c, const char *name)
{
	for (unsigned i = c->argument_from; i < c->word_count; i++) {
		const char *begin = c->words[i] + strspn(c->words[i], "-");
		size_t n = argument_name_length(c->words[i]);

		if (n == strlen(name) && strncmp(begin, name, n) == 0)
			return true;
	}
	return false;
}

/* Arguments given by position, in front of the word to be completed. */
static unsigned
count_positional(const struct command *c)
{
	unsigned count = 0;

	for (unsigned i = c->argument_from; i < c->word_count; i++)
		count += c->words[i][0] != '-' && argument_name_length(c->words[i]) == 0;
	return count;
}

/* The type of the port that is about to be added, if it was typed already. */
static int
typed_type(const struct command *c)
{
	const struct key *key;
	struct key temporary;
	unsigned position = 0;

	for (unsigned i = c->argument_from; i < c->word_count; i++) {
		if (c->words[i][0] == '-' || argument_name_length(c->words[i]))
			continue;
		key = command_positional(c->verb, position++, &temporary);
		if (key && strcmp(key->name, "type") == 0)
			return word_index(key->choices, c->words[i]);
	}
	return PORT_TYPE_UNSET;
}

static void
offer_keys(const struct target *t, const struct command *c)
{
	const struct verb *verb = c->verb;
	int type = typed_type(c);
	char word[80];

	for (unsigned i = 0; verb->object && i < verb->object->key_count; i++) {
		const struct key *key = &verb->object->keys[i];

		if (!verb_takes(verb, key) || verb_is_positional(verb, key->name) ||
			!key_applies(key, type) || is_given(c, key->name))
			continue;
		snprintf(word, sizeof(word), "%s=", key->name);
		offer(t, word);
	}
	for (const struct param *p = verb->params; p && p->name; p++) {
		if (p->positional || is_given(c, p->name))
			continue;
		snprintf(word, sizeof(word), "%s=", p->name);
		if (p->type == VALUE_BOOL)
			offer_option(t, p->name, "");
		else
			offer(t, word);
	}
}

static void
offer_options(const struct target *t, const struct verb *verb)
{
	for (const struct param *p = verb ? verb->params : NULL; p && p->name; p++) {
		if (p->type == VALUE_BOOL && !p->positional)
			offer_option(t, p->name, "");
	}
	if (verb && verb->flags & VERB_WATCH)
		offer_option(t, "watch", "");
	if (verb && verb->flags & VERB_FOLLOW)
		offer_option(t, "follow", "");
	offer_choices(t, "--json --help --socket --timeout --version");
}

/* The value behind "name=". */
static void
complete_named(struct target *t, const struct verb *verb, size_t name_length)
{
	size_t dashes = strspn(t->begin, "-");
	const struct key *key;
	struct key temporary;
	char name[64];

	if (name_length >= sizeof(name))
		return;
	memcpy(name, t->begin + dashes, name_length);
	name[name_length] = '\0';
	t->lead = t->begin;
	t->lead_length = dashes + name_length + 1;
	t->begin += t->lead_length;
	key = verb_argument(verb, name, &temporary);
	if (key)
		offer_values(t, verb, key);
}

static void
complete_help(const struct target *t, const struct command *c)
{
	unsigned count = c->word_count - c->argument_from;

	if (count == 0)
		offer_nouns(t);
	else if (count == 1)
		offer_verbs(t, c->words[c->argument_from]);
}

static void
complete_word(struct target *t, struct command *c)
{
	const struct key *key;
	struct key temporary;
	size_t name_length;
	struct err err;

	if (c->word_count == 0 && t->begin[0] != '-') {
		offer_nouns(t);
		return;
	}
	if (command_find(c, &err))
		return;
	name_length = argument_name_length(t->begin);
	if (name_length && c->verb) {
		complete_named(t, c->verb, name_length);
		return;
	}
	if (t->begin[0] == '-') {
		offer_options(t, c->verb);
		return;
	}
	/* Behind a noun stands a verb, or the first argument of its only verb. */
	if (c->word_count == 1)
		offer_verbs(t, c->noun);
	if (!c->verb || (c->word_count == 1 && command_verbs(c->noun) > 1))
		return;
	if (c->verb->flags & VERB_LOCAL && strcmp(c->noun, "help") == 0) {
		complete_help(t, c);
		return;
	}
	key = command_positional(c->verb, count_positional(c), &temporary);
	if (key)
		offer_values(t, c->verb, key);
	if (!key || !(key->flags & KEY_REQUIRED))
		offer_keys(t, c);
}

void
complete_print(char **words, int count, FILE *file)
{
	struct target t = {.file = file, .lead = "", .begin = count ? words[count - 1] : ""};
	/* command_split() passes over the word in front, the program's name. */
	char *all[COMMAND_WORDS_MAX] = {"patchbay"};
	struct command c;
	struct err err;
	int n = 1;

	if (count > 1 && strcmp(words[count - 2], "--socket") == 0) {
		fputs(":files\n", file);
		return;
	}
	if (count > 1 && strcmp(words[count - 2], "--timeout") == 0)
		return;
	while (n < count && n < COMMAND_WORDS_MAX) {
		all[n] = words[n - 1];
		n++;
	}
	if (command_split(&c, n, all, &err))
		return;
	t.socket = c.socket;
	complete_word(&t, &c);
}
