/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: the parameters of a verb against its row.
 */
#include <errno.h>
#include <string.h>

#include "api/schema.h"

#define NAMES_MAX 64

struct key
param_key(const struct param *param)
{
	struct key key = {
		.name = param->name,
		.type = param->type,
		.min = param->min,
		.max = param->max,
		.choices = param->choices,
		.help = param->help,
		.flags = param->required ? KEY_REQUIRED : 0,
	};

	switch (param->type) {
	case VALUE_NAME:
		key.size = CONFIG_NAME_SIZE;
		break;
	case VALUE_IFNAME:
		key.size = 16;
		break;
	case VALUE_PATH:
		key.size = CONFIG_FILE_SIZE;
		break;
	case VALUE_STRING:
		key.size = (size_t)param->max + 1;
		break;
	default:
		break;
	}
	return key;
}

static const struct param *
verb_param(const struct verb *verb, const char *name)
{
	for (const struct param *p = verb->params; p && p->name; p++) {
		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

/* The error of a member that the verb does not take. */
static int
refuse_member(const struct verb *verb, const char *name, struct err *err)
{
	const char *names[NAMES_MAX], *nearest;
	unsigned count = 0;

	for (const struct param *p = verb->params; p && p->name && count < NAMES_MAX; p++)
		names[count++] = p->name;
	for (unsigned i = 0; verb->object && i < verb->object->key_count; i++) {
		if (verb_takes(verb, &verb->object->keys[i]) && count < NAMES_MAX)
			names[count++] = verb->object->keys[i].name;
	}
	nearest = nearest_name(name, names, count);
	if (nearest)
		return err_set(err, -EINVAL, "`%s %s` takes no \"%.40s\": did you mean \"%s\"?",
			verb->noun, verb->name, name, nearest);
	return err_set(err, -EINVAL, "`%s %s` takes no \"%.40s\": see `patchbay %s %s --help`",
		verb->noun, verb->name, name, verb->noun, verb->name);
}

/* The canonical form of one member; NULL on error. */
static json_t *
check_member(
	const struct verb *verb, int type, const char *name, const json_t *value, struct err *err)
{
	const struct key *key = verb->object ? noun_key(verb->object, name) : NULL;
	const struct param *param = verb_param(verb, name);
	struct key temporary;

	if (key && !verb_takes(verb, key)) {
		if (verb->set)
			key_refuse_set(verb->object, key, err);
		else
			refuse_member(verb, name, err);
		return NULL;
	}
	if (!key && !param) {
		if (verb->object && !(verb->flags & VERB_IDENTITY) && !verb->params)
			key_unknown(verb->object, name, type, err);
		else
			refuse_member(verb, name, err);
		return NULL;
	}
	if (!key) {
		temporary = param_key(param);
		key = &temporary;
	}
	if (!key_applies(key, type)) {
		err_set(err, -EINVAL, "a port of type %s takes no \"%s\": it is for %s",
			port_type_names[type], key->name, key->types);
		return NULL;
	}
	if (json_is_null(value) && !(key->flags & KEY_REQUIRED))
		return json_null();
	return key_canonical(key, value, err);
}

static int
check_present(const struct verb *verb, int type, const json_t *params, struct err *err)
{
	bool adds = verb->object && !verb->set && !(verb->flags & VERB_IDENTITY);
	char allowed[320];

	for (unsigned i = 0; verb->object && i < verb->object->key_count; i++) {
		const struct key *key = &verb->object->keys[i];

		if (!(key->flags & KEY_REQUIRED) || !key_applies(key, type) ||
			!(adds || key->flags & KEY_IDENTITY) || json_object_get(params, key->name))
			continue;
		/* Without a type nothing is known about the keys of types. */
		if (key->types && type < 0)
			continue;
		key_describe(key, allowed, sizeof(allowed));
		if (key->types)
			return err_set(err, -EINVAL, "a port of type %s needs %s=: %s (%s)",
				port_type_names[type], key->name, key->help, allowed);
		return err_set(err, -EINVAL, "`%s %s` needs a %s: %s", verb->noun, verb->name,
			key->name, allowed);
	}
	for (const struct param *p = verb->params; p && p->name; p++) {
		struct key key = param_key(p);

		if (!p->required || json_object_get(params, p->name))
			continue;
		return err_set(err, -EINVAL, "`%s %s` needs a %s: %s (%s)", verb->noun, verb->name,
			p->name, p->help, key_describe(&key, allowed, sizeof(allowed)));
	}
	return 0;
}

/* The port type that the members name; unset when they do not. */
static int
members_type(const struct verb *verb, const json_t *params)
{
	const json_t *type = json_object_get(params, "type");

	if (verb->object != &noun_port || !json_is_string(type))
		return PORT_TYPE_UNSET;
	return word_index(noun_key(&noun_port, "type")->choices, json_string_value(type));
}

int
verb_check(const struct verb *verb, const json_t *params, json_t **canonical, struct err *err)
{
	int type = members_type(verb, params), r;
	json_t *checked, *value;
	const json_t *given;
	struct err local;
	const char *name;

	if (!err)
		err = &local;
	if (params && !json_is_object(params))
		return err_set(err, -EINVAL, "params must be an object with named members");
	checked = json_object();
	if (!checked)
		return err_set(err, -ENOMEM, "out of memory");
	json_object_foreach ((json_t *)params, name, given) {
		value = check_member(verb, type, name, given, err);
		if (!value) {
			r = err->code;
			goto fail;
		}
		if (json_object_set_new(checked, name, value)) {
			r = err_set(err, -ENOMEM, "out of memory");
			goto fail;
		}
	}
	r = check_present(verb, type, checked, err);
	if (r)
		goto fail;
	*canonical = checked;
	return 0;
fail:
	json_decref(checked);
	return r;
}
