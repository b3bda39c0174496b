/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/value.h"
#include "lib/parse.h"

int
value_refuse(const struct key *key, const json_t *value, int code, struct err *err)
{
	char allowed[320], *given;

	key_describe(key, allowed, sizeof(allowed));
	given = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	err_set(err, code, "%s: %.100s%s is %s: give %s", key->name, given ? given : "the value",
		given && strlen(given) > 100 ? "..." : "",
		code == -ERANGE ? "out of range" : "not allowed", allowed);
	free(given);
	return code;
}

static bool
is_printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static int
check_text(const struct key *key, const char *text)
{
	switch (key->type) {
	case VALUE_NAME:
		return name_is_valid(text, key->size) ? 0 : -EINVAL;
	case VALUE_IFNAME:
		return ifname_is_valid(text) ? 0 : -EINVAL;
	case VALUE_PATH:
		if (text[0] != '/' || !is_printable(text))
			return -EINVAL;
		return strlen(text) < key->size ? 0 : -ERANGE;
	case VALUE_STRING:
		if (text[0] == '\0' || !is_printable(text))
			return -EINVAL;
		return strlen(text) < key->size ? 0 : -ERANGE;
	default:
		return 0;
	}
}

static int
read_text(const struct key *key, const json_t *json, const char **text)
{
	if (!json_is_string(json))
		return -EINVAL;
	*text = json_string_value(json);
	if (strlen(*text) != json_string_length(json))
		return -EINVAL;
	return check_text(key, *text);
}

static int
read_number(const struct key *key, const json_t *json, int64_t *number)
{
	uint64_t v;
	int r;

	if (json_is_integer(json) && key->type != VALUE_OCTAL) {
		json_int_t n = json_integer_value(json);

		if (n < key->min || n > key->max)
			return -ERANGE;
		*number = n;
		return 0;
	}
	if (!json_is_string(json))
		return -EINVAL;
	if (key->type == VALUE_SIZE)
		r = parse_size(json_string_value(json), (uint64_t)key->min, (uint64_t)key->max, &v);
	else if (key->type == VALUE_OCTAL)
		r = parse_octal(
			json_string_value(json), (uint64_t)key->min, (uint64_t)key->max, &v);
	else
		r = parse_u64(json_string_value(json), (uint64_t)key->min, (uint64_t)key->max, &v);
	if (r == 0)
		*number = (int64_t)v;
	return r;
}

static int
read_bool(const json_t *json, bool *value)
{
	if (json_is_boolean(json)) {
		*value = json_is_true(json);
		return 0;
	}
	return json_is_string(json) ? parse_bool(json_string_value(json), value) : -EINVAL;
}

static int
read_enum(const struct key *key, const json_t *json, int64_t *number)
{
	int i = json_is_string(json) ? word_index(key->choices, json_string_value(json)) : -1;

	*number = i;
	return i < 0 ? -EINVAL : 0;
}

static int
read_mac(const json_t *json, struct mac *mac)
{
	if (!json_is_string(json) || parse_mac(json_string_value(json), mac))
		return -EINVAL;
	return mac_is_zero(mac) || mac_is_multicast(mac) ? -EINVAL : 0;
}

static int
read_vlan_number(const json_t *json, struct vlan_set *vlans)
{
	json_int_t v = json_integer_value(json);

	if (v < 0 || v >= VLAN_COUNT - 1)
		return -ERANGE;
	vlan_set_add(vlans, (unsigned)v);
	return 0;
}

static int
read_vlans(const json_t *json, struct vlan_set *vlans)
{
	const json_t *element;
	size_t i;
	int r;

	memset(vlans, 0, sizeof(*vlans));
	if (json_is_string(json))
		return parse_vlans(json_string_value(json), vlans);
	if (json_is_integer(json))
		return read_vlan_number(json, vlans);
	if (!json_is_array(json) || json_array_size(json) == 0)
		return -EINVAL;
	json_array_foreach (json, i, element) {
		if (!json_is_integer(element))
			return -EINVAL;
		r = read_vlan_number(element, vlans);
		if (r)
			return r;
	}
	return 0;
}

static int
read_scaled(const struct key *key, const json_t *json, int64_t *number)
{
	uint64_t v;
	int r;

	if (!json_is_string(json))
		return read_number(key, json, number);
	r = parse_scaled(json_string_value(json), (uint64_t)key->min, (uint64_t)key->max, &v);
	if (r == 0)
		*number = (int64_t)v;
	return r;
}

/* Elements of a list are strings. */
static int
read_macs(const json_t *json, struct mac_list *macs)
{
	const json_t *element;
	struct mac mac;
	size_t i;
	int r;

	memset(macs, 0, sizeof(*macs));
	if (json_is_string(json))
		return parse_macs(json_string_value(json), macs);
	if (!json_is_array(json) || json_array_size(json) == 0)
		return -EINVAL;
	json_array_foreach (json, i, element) {
		r = read_mac(element, &mac);
		if (r == 0)
			r = mac_list_add(macs, &mac);
		if (r)
			return r;
	}
	return 0;
}

static int
read_ips(const json_t *json, struct ip_list *ips)
{
	const json_t *element;
	struct ip_prefix prefix;
	size_t i;
	int r;

	memset(ips, 0, sizeof(*ips));
	if (json_is_string(json))
		return parse_ip_list(json_string_value(json), ips);
	if (!json_is_array(json) || json_array_size(json) == 0)
		return -EINVAL;
	json_array_foreach (json, i, element) {
		if (!json_is_string(element))
			return -EINVAL;
		r = parse_ip_prefix(json_string_value(element), &prefix);
		if (r == 0)
			r = ip_list_add(ips, &prefix);
		if (r)
			return r;
	}
	return 0;
}

static int
add_name(struct name_list *names, const char *name, size_t length)
{
	char *to = names->names[names->count];

	if (names->count == NAME_LIST_MAX || length >= sizeof(names->names[0]))
		return -ERANGE;
	memcpy(to, name, length);
	if (!name_is_valid(to, sizeof(names->names[0])))
		return -EINVAL;
	for (unsigned i = 0; i < names->count; i++)
		if (strcmp(names->names[i], to) == 0)
			return -EINVAL;
	names->count++;
	return 0;
}

static int
read_names(const json_t *json, struct name_list *names)
{
	const json_t *element;
	const char *text;
	size_t i;
	int r = 0;

	memset(names, 0, sizeof(*names));
	if (json_is_string(json)) {
		for (text = json_string_value(json); r == 0; text++) {
			size_t n = strcspn(text, ",");

			r = add_name(names, text, n);
			text += n;
			if (!*text)
				break;
		}
		return r;
	}
	if (!json_is_array(json) || json_array_size(json) == 0)
		return -EINVAL;
	json_array_foreach (json, i, element) {
		if (!json_is_string(element))
			return -EINVAL;
		text = json_string_value(element);
		r = add_name(names, text, strlen(text));
		if (r)
			return r;
	}
	return 0;
}

int
value_read(const struct key *key, const json_t *json, struct value *value)
{
	switch (key->type) {
	case VALUE_NAME:
	case VALUE_STRING:
	case VALUE_IFNAME:
	case VALUE_PATH:
	case VALUE_TEXT:
		return read_text(key, json, &value->text);
	case VALUE_U32:
	case VALUE_OCTAL:
	case VALUE_INT:
	case VALUE_SIZE:
		return read_number(key, json, &value->number);
	case VALUE_BOOL:
		return read_bool(json, &value->boolean);
	case VALUE_ENUM:
		return read_enum(key, json, &value->number);
	case VALUE_MAC:
		return read_mac(json, &value->mac);
	case VALUE_VLANS:
		return read_vlans(json, &value->vlans);
	case VALUE_SCALED:
		return read_scaled(key, json, &value->number);
	case VALUE_MACS:
		return read_macs(json, &value->macs);
	case VALUE_IPS:
		return read_ips(json, &value->ips);
	case VALUE_NAMES:
		return read_names(json, &value->names);
	case VALUE_LIST:
		break;
	}
	return -EINVAL;
}

bool
value_is_text(enum value_type type)
{
	return type == VALUE_NAME || type == VALUE_STRING || type == VALUE_IFNAME ||
	       type == VALUE_PATH || type == VALUE_TEXT;
}

static json_t *
print_vlans(const struct vlan_set *vlans)
{
	char *text = malloc(VLANS_TEXT_SIZE);
	json_t *json = NULL;

	if (text && vlans_format(vlans, text, VLANS_TEXT_SIZE) == 0)
		json = json_string(text);
	free(text);
	return json;
}

static json_t *
print_macs(const struct mac_list *macs)
{
	char text[MAC_LIST_MAX * MAC_TEXT_SIZE] = "";
	size_t used = 0;

	for (unsigned i = 0; i < macs->count; i++, used += MAC_TEXT_SIZE) {
		mac_format(&macs->macs[i], text + used);
		text[used + MAC_TEXT_SIZE - 1] = i + 1 < macs->count ? ',' : '\0';
	}
	return json_string(text);
}

static json_t *
print_ips(const struct ip_list *ips)
{
	char text[IP_LIST_TEXT_SIZE] = "", one[IP_TEXT_SIZE];
	size_t used = 0;

	for (unsigned i = 0; i < ips->count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "",
			ip_prefix_format(&ips->prefixes[i], one));
	return json_string(text);
}

static json_t *
print_names(const struct name_list *names)
{
	char text[NAME_LIST_MAX * CONFIG_NAME_SIZE] = "";
	size_t used = 0;

	for (unsigned i = 0; i < names->count; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s", i ? "," : "", names->names[i]);
	return json_string(text);
}

json_t *
value_print(const struct key *key, const struct value *value)
{
	char text[64];

	switch (key->type) {
	case VALUE_NAME:
	case VALUE_STRING:
	case VALUE_IFNAME:
	case VALUE_PATH:
	case VALUE_TEXT:
		return json_string(value->text);
	case VALUE_U32:
	case VALUE_INT:
	case VALUE_SIZE:
		return json_integer(value->number);
	case VALUE_OCTAL:
		snprintf(text, sizeof(text), "%04" PRIo64, (uint64_t)value->number);
		return json_string(text);
	case VALUE_BOOL:
		return json_boolean(value->boolean);
	case VALUE_ENUM:
		if (!word_at(key->choices, (unsigned)value->number, text, sizeof(text)))
			return NULL;
		return json_string(text);
	case VALUE_MAC:
		return json_string(mac_format(&value->mac, text));
	case VALUE_VLANS:
		return print_vlans(&value->vlans);
	case VALUE_SCALED:
		return json_string(scaled_format((uint64_t)value->number, text));
	case VALUE_MACS:
		return print_macs(&value->macs);
	case VALUE_IPS:
		return print_ips(&value->ips);
	case VALUE_NAMES:
		return print_names(&value->names);
	case VALUE_LIST:
		break;
	}
	return NULL;
}

json_t *
key_canonical(const struct key *key, const json_t *json, struct err *err)
{
	struct value value;
	json_t *canonical;
	int r;

	if (key->type == VALUE_LIST)
		return list_canonical(key, json, err);
	r = value_read(key, json, &value);
	if (r) {
		value_refuse(key, json, r, err);
		return NULL;
	}
	canonical = value_print(key, &value);
	if (!canonical)
		err_set(err, -ENOMEM, "%s: out of memory", key->name);
	return canonical;
}
