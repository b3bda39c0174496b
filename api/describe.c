/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * describe: what a key may hold, in words and in JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/schema.h"
#include "lib/parse.h"

static void
describe_choices(const char *choices, char *buffer, size_t size)
{
	char word[64], next[64];
	size_t used = 0;

	buffer[0] = '\0';
	for (unsigned i = 0; word_at(choices, i, word, sizeof(word)) && used < size; i++) {
		bool last = !word_at(choices, i + 1, next, sizeof(next));
		int n = snprintf(buffer + used, size - used, "%s%s",
			i == 0 ? ""
			: last ? " or "
			       : ", ",
			word);

		if (n < 0)
			return;
		used += (size_t)n;
	}
}

static void
describe_range(const struct key *key, char *buffer, size_t size)
{
	snprintf(buffer, size, "%" PRId64 "..%" PRId64 "%s%s", key->min, key->max,
		key->unit ? " " : "", key->unit ? key->unit : "");
}

/* 1024 is "1K". */
static void
describe_size(uint64_t bytes, char *buffer, size_t size)
{
	static const char units[] = "\0KMGT";
	unsigned unit = 0;

	while (bytes && bytes % 1024 == 0 && unit < sizeof(units) - 2) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buffer, size, "%" PRIu64 "%.1s", bytes, &units[unit]);
}

static void
describe_sizes(const struct key *key, char *buffer, size_t size)
{
	char least[32], most[32];

	describe_size((uint64_t)key->min, least, sizeof(least));
	describe_size((uint64_t)key->max, most, sizeof(most));
	snprintf(buffer, size, "a size %s..%s", least, most);
}

static void
describe_item(const struct noun *item, char *buffer, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < item->key_count && used < size; i++)
		used += (size_t)snprintf(
			buffer + used, size - used, "%s%s=", i ? ", " : "", item->keys[i].name);
	if (used < size)
		snprintf(buffer + used, size - used, " with commas between; again for each %s",
			item->name);
}

char *
key_describe(const struct key *key, char *buffer, size_t size)
{
	char low[SCALED_TEXT_SIZE], high[SCALED_TEXT_SIZE];

	switch (key->type) {
	case VALUE_NAME:
		snprintf(buffer, size, "a name of 1 to %zu of a-z A-Z 0-9 . _ -", key->size - 1);
		break;
	case VALUE_STRING:
		snprintf(buffer, size, "1 to %zu printable characters", key->size - 1);
		break;
	case VALUE_IFNAME:
		snprintf(buffer, size,
			"an interface name of 1 to 15 characters without space, '/' and ':'");
		break;
	case VALUE_PATH:
		snprintf(buffer, size, "an absolute path of at most %zu bytes", key->size - 1);
		break;
	case VALUE_U32:
	case VALUE_INT:
		describe_range(key, buffer, size);
		break;
	case VALUE_OCTAL:
		snprintf(buffer, size, "an octal number %04" PRIo64 "..%04" PRIo64,
			(uint64_t)key->min, (uint64_t)key->max);
		break;
	case VALUE_BOOL:
		snprintf(buffer, size, "yes or no");
		break;
	case VALUE_ENUM:
		describe_choices(key->choices, buffer, size);
		break;
	case VALUE_MAC:
		snprintf(buffer, size, "a unicast address like 52:54:00:12:34:56");
		break;
	case VALUE_VLANS:
		snprintf(buffer, size, "VLANs 0..4094 like 1,5,100-200");
		break;
	case VALUE_SIZE:
		describe_sizes(key, buffer, size);
		break;
	case VALUE_LIST:
		describe_item(key->item, buffer, size);
		break;
	case VALUE_SCALED:
		snprintf(buffer, size, "%s..%s%s%s, with k, M, G or T for powers of 1000",
			scaled_format((uint64_t)key->min, low),
			scaled_format((uint64_t)key->max, high), key->unit ? " " : "",
			key->unit ? key->unit : "");
		break;
	case VALUE_MACS:
		snprintf(buffer, size,
			"up to %u different unicast addresses like 52:54:00:12:34:56,...",
			MAC_LIST_MAX);
		break;
	case VALUE_IPS:
		snprintf(buffer, size,
			"up to %u different addresses or networks like 10.0.0.5,2001:db8::/64",
			IP_LIST_MAX);
		break;
	case VALUE_NAMES:
		snprintf(buffer, size, "up to %u different names like vm1,vm2", NAME_LIST_MAX);
		break;
	case VALUE_TEXT:
		snprintf(buffer, size, "a file, or - for standard input");
		break;
	}
	return buffer;
}

static const char *
type_name(enum value_type type)
{
	switch (type) {
	case VALUE_NAME:
		return "name";
	case VALUE_STRING:
	case VALUE_TEXT:
		return "string";
	case VALUE_IFNAME:
		return "interface";
	case VALUE_PATH:
		return "path";
	case VALUE_U32:
	case VALUE_INT:
		return "integer";
	case VALUE_OCTAL:
		return "octal";
	case VALUE_BOOL:
		return "boolean";
	case VALUE_ENUM:
		return "choice";
	case VALUE_MAC:
		return "mac";
	case VALUE_VLANS:
		return "vlans";
	case VALUE_SIZE:
		return "size";
	case VALUE_LIST:
		return "list";
	case VALUE_SCALED:
		return "scaled";
	case VALUE_MACS:
		return "macs";
	case VALUE_IPS:
		return "ips";
	case VALUE_NAMES:
		return "names";
	}
	return "string";
}

/* A list of words as a JSON array; NULL for no list. */
static json_t *
words_describe(const char *list)
{
	json_t *words = list ? json_array() : NULL;
	char word[64];

	for (unsigned i = 0; words && word_at(list, i, word, sizeof(word)); i++)
		json_array_append_new(words, json_string(word));
	return words;
}

/* Sets a member unless the value is NULL. */
static void
set_member(json_t *object, const char *name, json_t *value)
{
	if (value)
		json_object_set_new(object, name, value);
}

static json_t *
value_describe(const struct key *key)
{
	json_t *o = json_object();

	set_member(o, "name", json_string(key->name));
	set_member(o, "type", json_string(type_name(key->type)));
	if (key->type == VALUE_U32 || key->type == VALUE_INT || key->type == VALUE_OCTAL ||
		key->type == VALUE_SIZE || key->type == VALUE_SCALED) {
		set_member(o, "min", json_integer(key->min));
		set_member(o, "max", json_integer(key->max));
	}
	if (key->type == VALUE_NAME || key->type == VALUE_STRING || key->type == VALUE_IFNAME ||
		key->type == VALUE_PATH)
		set_member(o, "max_length", json_integer((json_int_t)key->size - 1));
	set_member(o, "choices", words_describe(key->choices));
	set_member(o, "default", key->def ? json_string(key->def) : NULL);
	set_member(o, "item", key->item ? json_string(key->item->name) : NULL);
	set_member(o, "unit", key->unit ? json_string(key->unit) : NULL);
	set_member(o, "port_types", words_describe(key->types));
	set_member(o, "help", json_string(key->help));
	return o;
}

static json_t *
noun_describe(const struct noun *noun)
{
	json_t *o = json_object(), *keys = json_array();

	for (unsigned i = 0; i < noun->key_count; i++) {
		const struct key *key = &noun->keys[i];
		json_t *k = value_describe(key);

		set_member(k, "required", json_boolean(key->flags & KEY_REQUIRED));
		set_member(k, "settable", json_boolean(key->flags & KEY_SET));
		set_member(k, "identity", json_boolean(key->flags & KEY_IDENTITY));
		json_array_append_new(keys, k);
	}
	set_member(o, "name", json_string(noun->name));
	set_member(o, "help", json_string(noun->help));
	set_member(o, "keys", keys);
	return o;
}

static json_t *
params_describe(const struct param *param)
{
	json_t *params = json_array();

	for (; param && param->name; param++) {
		struct key key = param_key(param);
		json_t *p = value_describe(&key);

		set_member(p, "required", json_boolean(param->required));
		if (param->letter)
			set_member(p, "letter", json_stringn(&param->letter, 1));
		json_array_append_new(params, p);
	}
	return params;
}

static const char *
column_kind_name(enum column_kind kind)
{
	switch (kind) {
	case COLUMN_NUMBER:
		return "number";
	case COLUMN_COUNTER:
		return "counter";
	case COLUMN_BYTES:
		return "bytes";
	case COLUMN_PERCENT:
		return "percent";
	case COLUMN_NONZERO_LIST:
		return "counters";
	case COLUMN_TEXT:
	case COLUMN_HIDDEN:
		break;
	}
	return "any";
}

static json_t *
columns_describe(const struct column *column)
{
	json_t *columns = column ? json_array() : NULL;

	for (; column && column->title; column++) {
		json_t *c = json_object();

		set_member(c, "member", json_string(column->path));
		set_member(c, "kind", json_string(column_kind_name(column->kind)));
		set_member(c, "help", json_string(column->help));
		json_array_append_new(columns, c);
	}
	return columns;
}

static json_t *
verb_describe(const struct verb *verb)
{
	json_t *o = json_object();
	char method[64];

	set_member(o, "method", json_string(verb_method(verb, method, sizeof(method))));
	set_member(o, "help", json_string(verb->help));
	set_member(o, "noun", verb->object ? json_string(verb->object->name) : NULL);
	if (verb->object)
		set_member(o, "keys",
			json_string(verb->flags & VERB_IDENTITY ? "identity"
				    : verb->set                 ? "settable"
								: "all"));
	set_member(o, "params", params_describe(verb->params));
	set_member(o, "row", columns_describe(verb->columns));
	set_member(o, "read_only", json_boolean(verb->flags & VERB_READ_ONLY));
	return o;
}

json_t *
schema_describe(void)
{
	json_t *o = json_object(), *noun_list = json_array(), *method_list = json_array();

	for (unsigned i = 0; i < noun_count; i++)
		json_array_append_new(noun_list, noun_describe(nouns[i]));
	for (unsigned i = 0; i < verb_count; i++) {
		if (!(verbs[i].flags & VERB_LOCAL))
			json_array_append_new(method_list, verb_describe(&verbs[i]));
	}
	set_member(o, "api", json_integer(API_VERSION));
	set_member(o, "nouns", noun_list);
	set_member(o, "methods", method_list);
	return o;
}
