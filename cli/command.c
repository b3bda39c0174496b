/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "lib/parse.h"

#define TIMEOUT_DEFAULT_S 30
#define NAMES_MAX         64

const char *
command_noun(unsigned index)
{
	for (unsigned i = 0; i < verb_count; i++) {
		bool first = !(verbs[i].flags & VERB_HIDDEN);

		for (unsigned j = 0; first && j < i; j++)
			first = strcmp(verbs[i].noun, verbs[j].noun) != 0;
		if (first && index-- == 0)
			return verbs[i].noun;
	}
	return NULL;
}

/* --name=VALUE or --name VALUE; *used counts the words it took. */
static bool
take_value(const char *name, char **argv, int left, const char **value, int *used)
{
	size_t n = strlen(name);

	if (strncmp(argv[0], name, n) != 0)
		return false;
	if (argv[0][n] == '=') {
		*value = argv[0] + n + 1;
		*used = 1;
		return true;
	}
	if (argv[0][n] != '\0')
		return false;
	*value = left > 1 ? argv[1] : NULL;
	*used = 2;
	return true;
}

static int
take_seconds(const char *option, const char *text, unsigned *ms, struct err *err)
{
	uint64_t seconds;

	if (parse_u64(text, 1, 86400, &seconds))
		return err_set(err, -EINVAL, "%s: \"%.40s\" is not a number of seconds 1..86400",
			option, text);
	*ms = (unsigned)seconds * 1000;
	return 0;
}

/* An option that every command takes: *used words of it, 0 when it is none. */
static int
take_global(struct command *c, char **argv, int left, int *used, struct err *err)
{
	const char *word = argv[0], *value;

	*used = 1;
	if (strcmp(word, "--json") == 0) {
		c->json = true;
	} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		c->help = true;
	} else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		c->version = true;
	} else if (strcmp(word, "--watch") == 0) {
		c->watch_ms = 1000;
	} else if (strcmp(word, "--follow") == 0) {
		c->follow = true;
	} else if (strncmp(word, "--watch=", 8) == 0) {
		return take_seconds("--watch", word + 8, &c->watch_ms, err);
	} else if (take_value("--socket", argv, left, &value, used)) {
		if (!value || !*value)
			return err_set(err, -EINVAL, "--socket needs a path");
		if (c->socket_count == COMMAND_SOCKETS_MAX)
			return err_set(err, -E2BIG, "more than %d sockets", COMMAND_SOCKETS_MAX);
		c->socket = c->sockets[c->socket_count++] = value;
	} else if (take_value("--timeout", argv, left, &value, used)) {
		return take_seconds("--timeout", value ? value : "", &c->timeout_ms, err);
	} else {
		*used = 0;
	}
	return 0;
}

int
command_split(struct command *c, int argc, char **argv, struct err *err)
{
	bool plain = false;

	memset(c, 0, sizeof(*c));
	c->timeout_ms = TIMEOUT_DEFAULT_S * 1000;
	c->plain_from = COMMAND_WORDS_MAX;
	for (int i = 1; i < argc;) {
		int used = 0;

		if (!plain && strcmp(argv[i], "--") == 0) {
			plain = true;
			c->plain_from = c->word_count;
			i++;
			continue;
		}
		if (!plain && argv[i][0] == '-') {
			int r = take_global(c, argv + i, argc - i, &used, err);

			if (r)
				return r;
			i += used;
			if (used)
				continue;
		}
		if (c->word_count == COMMAND_WORDS_MAX)
			return err_set(err, -E2BIG, "more than %d arguments", COMMAND_WORDS_MAX);
		c->words[c->word_count++] = argv[i++];
	}
	return 0;
}

static int
unknown_noun(const char *word, struct err *err)
{
	const char *names[NAMES_MAX], *nearest;
	unsigned count = 0;

	if (word[0] == '-')
		return err_set(
			err, -EINVAL, "unknown option \"%.40s\": see `patchbay --help`", word);
	while (count < NAMES_MAX && (names[count] = command_noun(count)))
		count++;
	nearest = nearest_name(word, names, count);
	if (nearest)
		return err_set(err, -EINVAL, "unknown command \"%.40s\": did you mean \"%s\"?",
			word, nearest);
	return err_set(err, -EINVAL, "unknown command \"%.40s\": see `patchbay --help`", word);
}

static int
unknown_verb(const char *noun, const char *word, struct err *err)
{
	const char *names[NAMES_MAX], *nearest;
	unsigned count = 0;
	char list[256];
	size_t used = 0;

	for (unsigned i = 0; i < verb_count && count < NAMES_MAX; i++) {
		if (strcmp(verbs[i].noun, noun) != 0 || verbs[i].flags & VERB_HIDDEN)
			continue;
		names[count++] = verbs[i].name;
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
				used ? ", " : "", verbs[i].name);
	}
	nearest = nearest_name(word, names, count);
	if (nearest)
		return err_set(err, -EINVAL, "`%s` has no verb \"%.40s\": did you mean \"%s %s\"?",
			noun, word, noun, nearest);
	return err_set(err, -EINVAL, "`%s` has no verb \"%.40s\": it has %s", noun, word, list);
}

unsigned
command_verbs(const char *noun)
{
	unsigned count = 0;

	for (unsigned i = 0; i < verb_count; i++)
		count += strcmp(verbs[i].noun, noun) == 0;
	return count;
}

int
command_find(struct command *c, struct err *err)
{
	const char *word;
	unsigned count;

	if (c->word_count == 0)
		return 0;
	word = c->words[0];
	count = command_verbs(word);
	if (count == 0)
		return unknown_noun(word, err);
	c->noun = word;
	c->argument_from = 1;
	if (c->word_count > 1) {
		c->verb = verb_find(c->noun, c->words[1]);
		if (c->verb) {
			c->argument_from = 2;
			return 0;
		}
		/* Arguments right behind a noun belong to its only verb; where there are several,
		 * a word there is meant to be one, an option to the default one. */
		if (count > 1 && c->words[1][0] != '-')
			return unknown_verb(c->noun, c->words[1], err);
	}
	if (c->help && count > 1)
		return 0;
	c->verb = verb_default(c->noun);
	return 0;
}

void
command_free(struct command *c)
{
	json_decref(c->params);
	c->params = NULL;
}
