/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * field: a key's value in the structure it belongs to.
 */
#include <errno.h>
#include <string.h>

#include "api/value.h"

static void
field_store(const struct key *key, void *obj, const struct value *value)
{
	void *field = (char *)obj + key->offset;

	switch (key->type) {
	case VALUE_NAME:
	case VALUE_STRING:
	case VALUE_IFNAME:
	case VALUE_PATH:
		/* Objects that say the same are equal byte by byte: the rest of the field is 0. */
		memset(field, 0, key->size);
		memcpy(field, value->text, strlen(value->text));
		break;
	case VALUE_U32:
	case VALUE_OCTAL:
		*(uint32_t *)field = (uint32_t)value->number;
		break;
	case VALUE_INT:
	case VALUE_ENUM:
		*(int *)field = (int)value->number;
		break;
	case VALUE_BOOL:
		*(bool *)field = value->boolean;
		break;
	case VALUE_MAC:
		*(struct mac *)field = value->mac;
		break;
	case VALUE_VLANS:
		*(struct vlan_set *)field = value->vlans;
		break;
	case VALUE_SIZE:
	case VALUE_SCALED:
		*(uint64_t *)field = (uint64_t)value->number;
		break;
	case VALUE_MACS:
		*(struct mac_list *)field = value->macs;
		break;
	case VALUE_IPS:
		*(struct ip_list *)field = value->ips;
		break;
	case VALUE_NAMES:
		*(struct name_list *)field = value->names;
		break;
	case VALUE_LIST:
	case VALUE_TEXT:
		break;
	}
}

static void
field_load(const struct key *key, const void *obj, struct value *value)
{
	const void *field = (const char *)obj + key->offset;

	memset(value, 0, sizeof(*value));
	switch (key->type) {
	case VALUE_NAME:
	case VALUE_STRING:
	case VALUE_IFNAME:
	case VALUE_PATH:
		value->text = field;
		break;
	case VALUE_U32:
	case VALUE_OCTAL:
		value->number = *(const uint32_t *)field;
		break;
	case VALUE_INT:
	case VALUE_ENUM:
		value->number = *(const int *)field;
		break;
	case VALUE_BOOL:
		value->boolean = *(const bool *)field;
		break;
	case VALUE_MAC:
		value->mac = *(const struct mac *)field;
		break;
	case VALUE_VLANS:
		value->vlans = *(const struct vlan_set *)field;
		break;
	case VALUE_SIZE:
	case VALUE_SCALED:
		value->number = (int64_t) * (const uint64_t *)field;
		break;
	case VALUE_MACS:
		value->macs = *(const struct mac_list *)field;
		break;
	case VALUE_IPS:
		value->ips = *(const struct ip_list *)field;
		break;
	case VALUE_NAMES:
		value->names = *(const struct name_list *)field;
		break;
	case VALUE_LIST:
	case VALUE_TEXT:
		break;
	}
}

/* The value that says "not given". */
static void
value_unset(const struct key *key, struct value *value)
{
	memset(value, 0, sizeof(*value));
	value->text = "";
	if (key->type == VALUE_INT || key->type == VALUE_ENUM)
		value->number = -1;
}

/* The declared default, which is read like any other value, or "not given". */
static int
value_default(const struct key *key, struct value *value)
{
	json_t *json;
	int r;

	value_unset(key, value);
	if (!key->def)
		return 0;
	if (value_is_text(key->type)) {
		value->text = key->def;
		return 0;
	}
	json = json_string(key->def);
	if (!json)
		return -ENOMEM;
	r = value_read(key, json, value);
	json_decref(json);
	return r;
}

static bool
value_equal(const struct key *key, const struct value *a, const struct value *b)
{
	switch (key->type) {
	case VALUE_BOOL:
		return a->boolean == b->boolean;
	case VALUE_MAC:
		return memcmp(&a->mac, &b->mac, sizeof(a->mac)) == 0;
	case VALUE_VLANS:
		return memcmp(&a->vlans, &b->vlans, sizeof(a->vlans)) == 0;
	case VALUE_MACS:
		return memcmp(&a->macs, &b->macs, sizeof(a->macs)) == 0;
	case VALUE_IPS:
		return memcmp(&a->ips, &b->ips, sizeof(a->ips)) == 0;
	case VALUE_NAMES:
		return memcmp(&a->names, &b->names, sizeof(a->names)) == 0;
	default:
		return value_is_text(key->type) ? strcmp(a->text, b->text) == 0
						: a->number == b->number;
	}
}

bool
key_is_set(const struct key *key, const void *obj)
{
	struct value value, unset;

	/* A value that was not given and a default that was are both no reason to complain. */
	if (key->def)
		return true;
	field_load(key, obj, &value);
	value_unset(key, &unset);
	return !value_equal(key, &value, &unset);
}

int
schema_set(const struct key *key, void *obj, const json_t *json, struct err *err)
{
	struct value value;
	json_t *list;
	int r;

	if (key->type == VALUE_LIST && json && !json_is_null(json)) {
		list = list_canonical(key, json, err);
		r = list ? 0 : err ? err->code : -EINVAL;
		json_decref(list);
		return r;
	}
	if (!json || json_is_null(json))
		r = value_default(key, &value);
	else
		r = value_read(key, json, &value);
	if (r)
		return value_refuse(key, json, r, err);
	field_store(key, obj, &value);
	return 0;
}

json_t *
schema_get(const struct key *key, const void *obj, bool with_defaults)
{
	struct value value, other;

	if (!key_is_set(key, obj))
		return NULL;
	field_load(key, obj, &value);
	if (!with_defaults && key->def && value_default(key, &other) == 0 &&
		value_equal(key, &value, &other))
		return NULL;
	return value_print(key, &value);
}
