/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * object: a whole bridge, port or address, from and to JSON.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"

#define KEYS_MAX 64

const struct key *
noun_key(const struct noun *noun, const char *name)
{
	for (unsigned i = 0; i < noun->key_count; i++) {
		if (strcmp(noun->keys[i].name, name) == 0)
			return &noun->keys[i];
	}
	return NULL;
}

bool
key_applies(const struct key *key, int port_type)
{
	if (!key->types || port_type < 0 || (unsigned)port_type >= port_type_count)
		return true;
	return word_index(key->types, port_type_names[port_type]) >= 0;
}

/* The type of a port; unset for objects that have none. */
static int
object_type(const struct noun *noun, const void *obj)
{
	return noun == &noun_port ? ((const struct port_config *)obj)->type : PORT_TYPE_UNSET;
}

void
schema_defaults(const struct noun *noun, void *obj)
{
	memset(obj, 0, noun->size);
	for (unsigned i = 0; i < noun->key_count; i++)
		schema_set(&noun->keys[i], obj, NULL, NULL);
}

int
key_unknown(const struct noun *noun, const char *name, int port_type, struct err *err)
{
	const char *names[KEYS_MAX], *nearest;
	unsigned count = 0;

	for (unsigned i = 0; i < noun->key_count && count < KEYS_MAX; i++) {
		if (key_applies(&noun->keys[i], port_type))
			names[count++] = noun->keys[i].name;
	}
	nearest = nearest_name(name, names, count);
	if (nearest)
		return err_set(err, -EINVAL, "a %s has no key \"%.40s\": did you mean \"%s\"?",
			noun->name, name, nearest);
	return err_set(err, -EINVAL,
		"a %s has no key \"%.40s\": see `patchbay %s --help` for those it has", noun->name,
		name, noun->name);
}

static int
refuse_type(const struct key *key, int type, struct err *err)
{
	return err_set(err, -EINVAL, "a port of type %s takes no \"%s\": it is for %s",
		port_type_names[type], key->name, key->types);
}

int
key_refuse_set(const struct noun *noun, const struct key *key, struct err *err)
{
	if (key->flags & KEY_IDENTITY)
		return err_set(err, -EINVAL,
			"the %s of a %s cannot be changed: delete it and add it again", key->name,
			noun->name);
	return err_set(err, -EINVAL,
		"%s cannot be changed while the %s exists: delete it with `patchbay %s del` and add "
		"it again",
		key->name, noun->name, noun->name);
}

/* Does the JSON say what the object says? */
static bool
says_the_same(const struct key *key, const void *obj, const json_t *value)
{
	json_t *now = schema_get(key, obj, true), *then = key_canonical(key, value, NULL);
	bool same = now && then && json_equal(now, then);

	json_decref(now);
	json_decref(then);
	return same;
}

static int
load_member(const struct noun *noun, void *obj, const char *name, const json_t *value, bool set,
	struct err *err)
{
	const struct key *key = noun_key(noun, name);
	int type = object_type(noun, obj);

	if (!key)
		return key_unknown(noun, name, type, err);
	if (!key_applies(key, type))
		return refuse_type(key, type, err);
	if (set && !(key->flags & KEY_SET)) {
		if (key->flags & KEY_IDENTITY && says_the_same(key, obj, value))
			return 0;
		return key_refuse_set(noun, key, err);
	}
	return schema_set(key, obj, value, err);
}

static int
load_members(const struct noun *noun, void *obj, const json_t *members, bool set, struct err *err)
{
	const json_t *type = json_object_get(members, "type"), *value;
	const char *name;
	int r;

	/* The type first: it decides which of the others are taken. */
	if (type && noun == &noun_port) {
		r = load_member(noun, obj, "type", type, set, err);
		if (r)
			return r;
	}
	json_object_foreach ((json_t *)members, name, value) {
		if (value == type && noun == &noun_port)
			continue;
		r = load_member(noun, obj, name, value, set, err);
		if (r)
			return r;
	}
	return 0;
}

int
schema_load(const struct noun *noun, void *obj, const json_t *members, bool set, struct err *err)
{
	void *copy;
	int r;

	if (!json_is_object(members))
		return err_set(err, -EINVAL, "a %s is described by keys and values, not by %s",
			noun->name, json_is_array(members) ? "a list" : "a single value");
	copy = malloc(noun->size);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(copy, obj, noun->size);
	r = load_members(noun, copy, members, set, err);
	if (r == 0)
		memcpy(obj, copy, noun->size);
	free(copy);
	return r;
}

json_t *
schema_store(const struct noun *noun, const void *obj, bool with_defaults, bool identity)
{
	int type = object_type(noun, obj);
	json_t *members = json_object();

	for (unsigned i = 0; members && i < noun->key_count; i++) {
		const struct key *key = &noun->keys[i];
		json_t *value;

		if ((key->flags & KEY_IDENTITY && !identity) || !key_applies(key, type))
			continue;
		value = schema_get(key, obj, with_defaults);
		if (value && json_object_set_new(members, key->name, value)) {
			json_decref(members);
			return NULL;
		}
	}
	return members;
}

/* Keys can be stored one by one before the type is known: is there one that it does not take? */
static int
refuse_foreign(const struct noun *noun, const void *obj, int type, struct err *err)
{
	for (unsigned i = 0; i < noun->key_count; i++) {
		json_t *value;

		if (key_applies(&noun->keys[i], type))
			continue;
		value = schema_get(&noun->keys[i], obj, false);
		json_decref(value);
		if (value)
			return refuse_type(&noun->keys[i], type, err);
	}
	return 0;
}

int
schema_complete(const struct noun *noun, const void *obj, struct err *err)
{
	int type = object_type(noun, obj), r = refuse_foreign(noun, obj, type, err);

	if (r)
		return r;

	for (unsigned i = 0; i < noun->key_count; i++) {
		const struct key *key = &noun->keys[i];
		char allowed[320];

		if (!(key->flags & KEY_REQUIRED) || !key_applies(key, type) || key_is_set(key, obj))
			continue;
		key_describe(key, allowed, sizeof(allowed));
		if (key->types)
			return err_set(err, -EINVAL, "a port of type %s needs %s=: %s (%s)",
				port_type_names[type], key->name, key->help, allowed);
		return err_set(err, -EINVAL, "a %s needs a %s: %s (%s)", noun->name, key->name,
			key->help, allowed);
	}
	return 0;
}
