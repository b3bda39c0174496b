/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * argument: the words behind noun and verb as parameters.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

#define NAME_SIZE   64
#define OPTIONS_MAX 32

size_t
argument_name_length(const char *word)
{
	size_t dashes = strncmp(word, "--", 2) == 0 ? 2 : 0, n = dashes;

	while ((word[n] >= 'a' && word[n] <= 'z') || (word[n] >= '0' && word[n] <= '9') ||
		word[n] == '_' || word[n] == '-')
		n++;
	return word[n] == '=' && n > dashes && word[dashes] != '-' ? n - dashes : 0;
}

const struct key *
command_positional(const struct verb *verb, unsigned index, struct key *key)
{
	char name[NAME_SIZE];
	unsigned count = 0;

	while (verb->object && verb->positional &&
		word_at(verb->positional, count, name, sizeof(name))) {
		if (count++ == index)
			return noun_key(verb->object, name);
	}
	index -= count;
	for (const struct param *p = verb->params; p && p->name; p++) {
		if (!p->positional || index-- > 0)
			continue;
		*key = param_key(p);
		return key;
	}
	return NULL;
}

const struct key *
verb_argument(const struct verb *verb, const char *name, struct key *key)
{
	const struct key *found = verb->object ? noun_key(verb->object, name) : NULL;

	if (found)
		return found;
	for (const struct param *p = verb->params; p && p->name; p++) {
		if (strcmp(p->name, name) == 0) {
			*key = param_key(p);
			return key;
		}
	}
	return NULL;
}

/* A path that is not absolute begins where the user is. */
static json_t *
complete_path(const char *text, struct err *err)
{
	char dir[4096], path[8192];

	if (text[0] == '/')
		return json_string(text);
	if (!getcwd(dir, sizeof(dir))) {
		err_set(err, -errno, "cannot tell the current directory of \"%.100s\": %s", text,
			strerror(errno));
		return NULL;
	}
	if (snprintf(path, sizeof(path), "%s/%s", dir, text) >= (int)sizeof(path)) {
		err_set(err, -ENAMETOOLONG, "the path \"%.100s...\" is too long", text);
		return NULL;
	}
	return json_string(path);
}

/* The whole of a file as a JSON string. */
static json_t *
read_file(const char *name, struct err *err)
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char *text = malloc(API_LINE_MAX);
	json_t *json = NULL;
	size_t n;

	if (!file) {
		err_set(err, -errno, "cannot open %.200s: %s", name, strerror(errno));
	} else if (!text) {
		err_set(err, -ENOMEM, "out of memory");
	} else {
		n = fread(text, 1, API_LINE_MAX, file);
		if (ferror(file))
			err_set(err, -errno, "cannot read %.200s: %s", name, strerror(errno));
		else if (n == API_LINE_MAX)
			err_set(err, -EFBIG, "%.200s is larger than %u MiB", name,
				API_LINE_MAX >> 20);
		else if (memchr(text, '\0', n) || !(json = json_stringn(text, n)))
			err_set(err, -EILSEQ, "%.200s is not a text file (UTF-8)", name);
	}
	free(text);
	if (file && file != stdin)
		fclose(file);
	return json;
}

/* One object of a list; its paths, too, begin where the user is. */
static json_t *
read_item(const struct noun *item, const char *text, struct err *err)
{
	json_t *members = list_item_read(item, text, err);

	for (unsigned i = 0; members && i < item->key_count; i++) {
		const char *path = json_string_value(json_object_get(members, item->keys[i].name));
		json_t *whole;

		if (item->keys[i].type != VALUE_PATH || !path)
			continue;
		whole = complete_path(path, err);
		if (!whole || json_object_set_new(members, item->keys[i].name, whole)) {
			json_decref(members);
			return NULL;
		}
	}
	return members;
}

static json_t *
read_argument(const struct key *key, const char *text, struct err *err)
{
	json_t *json;

	if (key && key->type == VALUE_TEXT)
		return read_file(text, err);
	if (key && key->type == VALUE_LIST)
		return read_item(key->item, text, err);
	/* "key=" asks for the default. */
	if (*text == '\0')
		return json_null();
	if (key && key->type == VALUE_PATH)
		return complete_path(text, err);
	json = json_string(text);
	if (!json)
		err_set(err, -EILSEQ, "\"%.100s\" is not UTF-8 text", text);
	return json;
}

/* Takes the reference to the item. */
static int
add_item(json_t *params, const char *name, json_t *item)
{
	json_t *items = json_object_get(params, name);

	if (!items) {
		items = json_array();
		if (json_object_set_new(params, name, items)) {
			json_decref(item);
			return -1;
		}
	}
	return json_array_append_new(items, item);
}

static int
add_argument(
	json_t *params, const char *name, const struct key *key, const char *text, struct err *err)
{
	bool list = key && key->type == VALUE_LIST;
	json_t *value;

	if (!list && json_object_get(params, name))
		return err_set(err, -EINVAL, "\"%s\" is given twice", name);
	value = read_argument(key, text, err);
	if (!value)
		return err->code;
	if (list ? add_item(params, name, value) : json_object_set_new(params, name, value))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* The error of an option that the verb has not. */
static int
unknown_option(const struct verb *verb, const char *word, const char *name, struct err *err)
{
	const char *names[OPTIONS_MAX] = {"json", "help", "socket", "timeout", "version"};
	const char *nearest;
	unsigned count = 5;

	if (verb->flags & VERB_WATCH)
		names[count++] = "watch";
	if (verb->flags & VERB_FOLLOW)
		names[count++] = "follow";
	for (const struct param *p = verb->params; p && p->name && count < OPTIONS_MAX; p++) {
		if (p->type == VALUE_BOOL)
			names[count++] = p->name;
	}
	nearest = strlen(name) > 1 ? nearest_name(name, names, count) : NULL;
	if (!nearest)
		return err_set(err, -EINVAL,
			"`%s %s` has no option \"%.40s\": see `patchbay %s %s --help`", verb->noun,
			verb->name, word, verb->noun, verb->name);
	return err_set(err, -EINVAL, "`%s %s` has no option \"%.40s\": did you mean \"--%s\"?",
		verb->noun, verb->name, word, nearest);
}

/* "-c VALUE" or "-cVALUE"; *used as below. */
static int
add_letter(json_t *params, const struct param *p, const char *word, const char *next, bool *used,
	struct err *err)
{
	struct key key = param_key(p);

	*used = !word[2];
	if (*used && !next)
		return err_set(
			err, -EINVAL, "-%c needs a value: -%c %s", p->letter, p->letter, p->name);
	return add_argument(params, p->name, &key, *used ? next : word + 2, err);
}

/* The parameter of "-c". */
static const struct param *
find_letter(const struct verb *verb, const char *word)
{
	for (const struct param *p = verb->params; p && p->name; p++)
		if (p->letter && word[0] == '-' && word[1] == p->letter)
			return p;
	return NULL;
}

/* "--dry-run", or "--plot FILE": then `next` is its value and *used is set. */
static int
add_option(const struct verb *verb, json_t *params, const char *word, const char *next, bool *used,
	struct err *err)
{
	const struct param *lettered = find_letter(verb, word);
	const struct key *key;
	struct key temporary;
	char name[NAME_SIZE];

	if (lettered)
		return add_letter(params, lettered, word, next, used, err);
	snprintf(name, sizeof(name), "%s", word + strspn(word, "-"));
	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	key = verb_argument(verb, name, &temporary);
	if (strncmp(word, "--", 2) != 0 || !key)
		return unknown_option(verb, word, name, err);
	*used = key->type != VALUE_BOOL;
	if (*used && !next)
		return err_set(err, -EINVAL, "%.40s needs a value: %s=...", word, name);
	return add_argument(params, name, key, *used ? next : "yes", err);
}

/* "key=value" or "--key=value". */
static int
add_named(const struct verb *verb, json_t *params, const char *word, size_t length, struct err *err)
{
	const char *begin = word + strspn(word, "-");
	struct key temporary;
	char name[NAME_SIZE];

	if (length >= sizeof(name))
		return err_set(err, -EINVAL, "\"%.40s...\" is not a key", begin);
	for (size_t i = 0; i < length; i++)
		name[i] = begin[i] == '-' ? '_' : begin[i];
	name[length] = '\0';
	return add_argument(
		params, name, verb_argument(verb, name, &temporary), begin + length + 1, err);
}

/* What error messages call the text of a file that was given by its name. */
static int
add_source(const struct verb *verb, json_t *params, const char *file)
{
	struct key key;

	if (!verb_argument(verb, "source", &key) || json_object_get(params, "source"))
		return 0;
	if (strcmp(file, "-") == 0)
		file = "standard input";
	return json_object_set_new(params, "source", json_string(file));
}

static int
add_words(struct command *c, json_t *params, struct err *err)
{
	const char *file = NULL;
	unsigned position = 0;
	int r = 0;

	for (unsigned i = c->argument_from; r == 0 && i < c->word_count; i++) {
		const char *word = c->words[i];
		bool plain = i >= c->plain_from;
		size_t length = plain ? 0 : argument_name_length(word);
		const struct key *key;
		struct key temporary;

		if (length) {
			r = add_named(c->verb, params, word, length, err);
			continue;
		}
		if (!plain && word[0] == '-' && word[1] != '\0') {
			const char *next = i + 1 < c->word_count ? c->words[i + 1] : NULL;
			bool used = false;

			r = add_option(c->verb, params, word, next, &used, err);
			i += used;
			continue;
		}
		key = command_positional(c->verb, position++, &temporary);
		if (!key)
			return err_set(err, -EINVAL,
				"`%s %s` does not know what to do with \"%.40s\": see `patchbay %s "
				"%s --help`",
				c->verb->noun, c->verb->name, word, c->verb->noun, c->verb->name);
		if (*word == '\0')
			return err_set(err, -EINVAL, "the %s is empty", key->name);
		if (key->type == VALUE_TEXT)
			file = word;
		r = add_argument(params, key->name, key, word, err);
	}
	if (r == 0 && file && add_source(c->verb, params, file))
		return err_set(err, -ENOMEM, "out of memory");
	return r;
}

int
command_read(struct command *c, struct err *err)
{
	json_t *params = json_object();
	int r;

	if (!params)
		return err_set(err, -ENOMEM, "out of memory");
	if (c->watch_ms && !(c->verb->flags & VERB_WATCH))
		r = err_set(
			err, -EINVAL, "`%s %s` cannot be watched", c->verb->noun, c->verb->name);
	else if (c->follow && !(c->verb->flags & VERB_FOLLOW))
		r = err_set(
			err, -EINVAL, "`%s %s` cannot be followed", c->verb->noun, c->verb->name);
	else
		r = add_words(c, params, err);
	if (r == 0)
		r = verb_check(c->verb, params, &c->params, err);
	json_decref(params);
	return r;
}
