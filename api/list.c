/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list: values that are objects of another noun, as the cards and disks of a virtual machine.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"

#define WORD_SIZE 1152 /* the longest path, its key */

static json_t *
item_canonical(const struct noun *item, const json_t *members, struct err *err)
{
	void *object = malloc(item->size);
	json_t *canonical = NULL;

	if (!object) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	schema_defaults(item, object);
	if (schema_load(item, object, members, false, err) == 0 &&
		schema_complete(item, object, err) == 0) {
		canonical = schema_store(item, object, false, true);
		if (!canonical)
			err_set(err, -ENOMEM, "out of memory");
	}
	free(object);
	return canonical;
}

json_t *
list_canonical(const struct key *key, const json_t *value, struct err *err)
{
	json_t *list = json_array();
	size_t count = json_is_array(value) ? json_array_size(value) : 1;
	struct err local;

	err = err ? err : &local;
	if (!list) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *element = json_is_array(value) ? json_array_get(value, i) : value;
		json_t *canonical = item_canonical(key->item, element, err);

		if (canonical && json_array_append_new(list, canonical) == 0)
			continue;
		if (canonical)
			err_set(err, -ENOMEM, "out of memory");
		else if (count > 1)
			err_prefix(err, "%s %zu", key->name, i);
		else
			err_prefix(err, "%s", key->name);
		json_decref(list);
		return NULL;
	}
	return list;
}

/* Numbers behind a key of VLANs continue it: "trunks=1,5-7". */
static bool
continues_vlans(const struct noun *item, const char *last, const char *word)
{
	const struct key *key = last ? noun_key(item, last) : NULL;

	return key && key->type == VALUE_VLANS && isdigit((unsigned char)word[0]);
}

static int
add_member(json_t *members, const char *name, json_t *value, struct err *err)
{
	if (!value)
		return err_set(err, -EILSEQ, "%.40s: not UTF-8 text", name);
	if (json_object_get(members, name)) {
		json_decref(value);
		return err_set(err, -EINVAL, "\"%.40s\" is given twice", name);
	}
	return json_object_set_new(members, name, value) ? err_set(err, -ENOMEM, "out of memory")
							 : 0;
}

/* One word between commas; *last is the name of the key of the word before it. */
static int
add_word(const struct noun *item, json_t *members, char *word, const char **last, struct err *err)
{
	char *equals = strchr(word, '=');
	const struct key *key;

	if (equals) {
		int r;

		*equals = '\0';
		r = add_member(
			members, word, equals[1] ? json_string(equals + 1) : json_null(), err);
		key = noun_key(item, word);
		*last = key ? key->name : NULL;
		return r;
	}
	if (continues_vlans(item, *last, word)) {
		const char *before = json_string_value(json_object_get(members, *last));

		return json_object_set_new(
			       members, *last, json_sprintf("%s,%s", before ? before : "", word))
			       ? err_set(err, -ENOMEM, "out of memory")
			       : 0;
	}
	if (json_object_size(members) == 0) {
		*last = item->keys[0].name;
		return add_member(members, *last, json_string(word), err);
	}
	key = noun_key(item, word);
	if (key && key->type != VALUE_BOOL)
		return err_set(err, -EINVAL, "%s needs a value: %s=...", word, word);
	if (!key)
		return key_unknown(item, word, PORT_TYPE_UNSET, err);
	*last = key->name;
	return add_member(members, word, json_string("yes"), err);
}

json_t *
list_item_read(const struct noun *item, const char *text, struct err *err)
{
	json_t *members = json_object();
	const char *last = NULL;
	int r = members ? 0 : err_set(err, -ENOMEM, "out of memory");

	while (r == 0) {
		size_t n = strcspn(text, ",");
		char word[WORD_SIZE];

		if (n == 0)
			r = err_set(
				err, -EINVAL, "a %s is given as KEY=VALUE,KEY=VALUE", item->name);
		else if (n >= sizeof(word))
			r = err_set(err, -ERANGE, "\"%.40s...\" is too long", text);
		if (r)
			break;
		memcpy(word, text, n);
		word[n] = '\0';
		r = add_word(item, members, word, &last, err);
		text += n;
		if (*text++ == '\0')
			break;
	}
	if (r == 0)
		return members;
	json_decref(members);
	return NULL;
}
