/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every key of every noun: its default, both ends of its range, junk; whole objects; the nearest
 * name.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/schema.h"
#include "datapath/datapath.h"
#include "lib/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

union any_object {
	struct bridge_config bridge;
	struct port_config port;
	struct fdb_config fdb;
	struct vm_settings vm;
	struct net_settings net;
	struct disk_settings disk;
};

/* The object after each key was set is compared with what it was: unchanged on error. */
static void
check_set(const struct noun *noun, const struct key *key, json_t *json, int expected)
{
	union any_object object, before;
	struct err err = {0};
	int r;

	schema_defaults(noun, &object);
	before = object;
	r = schema_set(key, &object, json, &err);
	if (r != expected)
		fail_msg("%s.%s = %s: %d, not %d (%s)", noun->name, key->name,
			json_dumps(json, JSON_ENCODE_ANY), r, expected, err.text);
	if (r == 0) {
		json_t *back = schema_get(key, &object, true);

		/* A list has no field. */
		assert_int_equal(back != NULL, key->type != VALUE_LIST);
		json_decref(back);
	} else {
		assert_memory_equal(&object, &before, noun->size);
		assert_int_equal(err.code, r);
		assert_non_null(strstr(err.text, key->name));
		if (key->type != VALUE_LIST)
			assert_non_null(strstr(err.text, "give "));
	}
	json_decref(json);
}

static void
check_text(const struct noun *noun, const struct key *key, const char *text, int expected)
{
	check_set(noun, key, json_string(text), expected);
}

static char *
repeat(char c, size_t n)
{
	static char text[8192];

	assert_true(n < sizeof(text));
	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static void
check_number(const struct noun *noun, const struct key *key)
{
	const char *format = key->type == VALUE_OCTAL ? "%" PRIo64 : "%" PRId64;
	static const char *const junk[] = {
		"", " 1", "1 ", "+1", "-1", "0x10", "1e3", "many", "1.0", "1k", "\xc2\xb2"};
	char text[32];

	for (unsigned i = 0; i < COUNT(junk); i++)
		check_text(noun, key, junk[i], -EINVAL);
	snprintf(text, sizeof(text), format, key->min);
	check_text(noun, key, text, 0);
	snprintf(text, sizeof(text), format, key->max);
	check_text(noun, key, text, 0);
	snprintf(text, sizeof(text), format, key->max + 1);
	check_text(noun, key, text, -ERANGE);
	if (key->min > 0) {
		snprintf(text, sizeof(text), format, key->min - 1);
		check_text(noun, key, text, -ERANGE);
	}
	check_text(noun, key, "77777777777777777777777777", -ERANGE);
	check_set(noun, key, json_real(1.0), -EINVAL);
	check_set(noun, key, json_true(), -EINVAL);
	if (key->type == VALUE_OCTAL) {
		/* 660 would be read in two ways. */
		check_set(noun, key, json_integer(key->min), -EINVAL);
		return;
	}
	check_set(noun, key, json_integer(key->min), 0);
	check_set(noun, key, json_integer(key->max), 0);
	check_set(noun, key, json_integer(key->min - 1), -ERANGE);
	check_set(noun, key, json_integer(key->max + 1), -ERANGE);
	check_set(noun, key, json_integer(INT64_MIN), -ERANGE);
	check_set(noun, key, json_integer(INT64_MAX), -ERANGE);
}

static void
check_strings(const struct noun *noun, const struct key *key)
{
	char first = key->type == VALUE_PATH ? '/' : 'a';
	int too_long = key->type == VALUE_NAME || key->type == VALUE_IFNAME ? -EINVAL : -ERANGE;

	check_text(noun, key, repeat(first, 1), 0);
	check_text(noun, key, repeat(first, key->size - 1), 0);
	check_text(noun, key, repeat(first, key->size), too_long);
	check_text(noun, key, "", -EINVAL);
	check_text(noun, key, key->type == VALUE_PATH ? "/a\nb" : "a\nb", -EINVAL);
	check_text(noun, key, key->type == VALUE_PATH ? "/\033[2J" : "\033[2J", -EINVAL);
	check_set(noun, key, json_stringn(first == '/' ? "/a\0b" : "aa\0b", 4), -EINVAL);
	check_set(noun, key, json_integer(1), -EINVAL);
	check_set(noun, key, json_array(), -EINVAL);
	if (key->type == VALUE_PATH)
		check_text(noun, key, "relative/path", -EINVAL);
	if (key->type == VALUE_NAME) {
		check_text(noun, key, "-a", -EINVAL);
		check_text(noun, key, ".a", -EINVAL);
		check_text(noun, key, "a b", -EINVAL);
	}
	if (key->type == VALUE_IFNAME)
		check_text(noun, key, "a/b", -EINVAL);
}

static void
check_enum(const struct noun *noun, const struct key *key)
{
	char word[64], upper[96];

	for (unsigned i = 0; word_at(key->choices, i, word, sizeof(word)); i++) {
		check_text(noun, key, word, 0);
		snprintf(upper, sizeof(upper), "%c%s", word[0] ^ 0x20, word + 1);
		check_text(noun, key, upper, -EINVAL);
		snprintf(upper, sizeof(upper), "%s ", word);
		check_text(noun, key, upper, -EINVAL);
	}
	check_text(noun, key, "", -EINVAL);
	check_text(noun, key, key->choices, -EINVAL);
	check_set(noun, key, json_integer(0), -EINVAL);
}

static void
check_vlans(const struct noun *noun, const struct key *key)
{
	check_text(noun, key, "1,5,100-200", 0);
	check_text(noun, key, "4094", 0);
	check_text(noun, key, "4095", -ERANGE);
	check_text(noun, key, "", -EINVAL);
	check_text(noun, key, "all", -EINVAL);
	check_set(noun, key, json_pack("[i,i,i]", 0, 5, 4094), 0);
	check_set(noun, key, json_pack("[i]", 4095), -ERANGE);
	check_set(noun, key, json_pack("[i]", -1), -ERANGE);
	check_set(noun, key, json_pack("[i,s]", 1, "2"), -EINVAL);
	check_set(noun, key, json_array(), -EINVAL);
	check_set(noun, key, json_integer(7), 0);
	check_set(noun, key, json_integer(4095), -ERANGE);
	check_set(noun, key, json_object(), -EINVAL);
}

static void
check_mac(const struct noun *noun, const struct key *key)
{
	check_text(noun, key, "52:54:00:12:34:56", 0);
	check_text(noun, key, "52:54:00:12:34:AB", 0);
	check_text(noun, key, "00:00:00:00:00:00", -EINVAL);
	check_text(noun, key, "01:80:c2:00:00:00", -EINVAL);
	check_text(noun, key, "ff:ff:ff:ff:ff:ff", -EINVAL);
	check_text(noun, key, "52:54:00:12:34", -EINVAL);
	check_set(noun, key, json_integer(1), -EINVAL);
}

static void
check_scaled(const struct noun *noun, const struct key *key)
{
	static const char *const junk[] = {
		"", " 1k", "1 k", "+1k", "-1", "1K", "10GB", "1e3", "many", "1.5", "1.k", "0x10k"};
	char text[SCALED_TEXT_SIZE];

	for (unsigned i = 0; i < COUNT(junk); i++)
		check_text(noun, key, junk[i], -EINVAL);
	check_text(noun, key, scaled_format((uint64_t)key->min, text), 0);
	check_text(noun, key, scaled_format((uint64_t)key->max, text), 0);
	check_text(noun, key, scaled_format((uint64_t)key->max + 1, text), -ERANGE);
	check_text(noun, key, "0", -ERANGE);
	check_text(noun, key, "99999999999T", -ERANGE);
	check_text(noun, key, "99999999999999999999999", -ERANGE);
	check_set(noun, key, json_integer(key->min), 0);
	check_set(noun, key, json_integer(key->max), 0);
	check_set(noun, key, json_integer(key->min - 1), -ERANGE);
	check_set(noun, key, json_integer(key->max + 1), -ERANGE);
	check_set(noun, key, json_real(1.0), -EINVAL);
}

static void
check_macs(const struct noun *noun, const struct key *key)
{
	char text[(MAC_LIST_MAX + 1) * MAC_TEXT_SIZE + 1];

	for (unsigned i = 0; i <= MAC_LIST_MAX; i++)
		snprintf(text + i * MAC_TEXT_SIZE, MAC_TEXT_SIZE + 1, "02:00:00:00:00:%02x,", i);
	text[sizeof(text) - 2] = '\0';
	check_text(noun, key, text, -ERANGE);
	text[sizeof(text) - 2 - MAC_TEXT_SIZE] = '\0';
	check_text(noun, key, text, 0);
	check_text(noun, key, "52:54:00:12:34:AB", 0);
	check_text(noun, key, "", -EINVAL);
	check_text(noun, key, "52:54:00:12:34:ab,", -EINVAL);
	check_text(noun, key, "52:54:00:12:34:ab, 52:54:00:12:34:ac", -EINVAL);
	check_text(noun, key, "52:54:00:12:34:ab,52:54:00:12:34:AB", -EINVAL);
	check_text(noun, key, "52:54:00:12:34:ab,01:00:00:00:00:00", -EINVAL);
	check_text(noun, key, "52:54:00:12:34:ab,00:00:00:00:00:00", -EINVAL);
	check_set(noun, key, json_pack("[s,s]", "02:00:00:00:00:01", "02:00:00:00:00:02"), 0);
	check_set(noun, key, json_pack("[s,i]", "02:00:00:00:00:01", 2), -EINVAL);
	check_set(noun, key, json_array(), -EINVAL);
	check_set(noun, key, json_integer(1), -EINVAL);
}

static void
check_ips(const struct noun *noun, const struct key *key)
{
	static const char *const junk[] = {"", "10.0.0.1,", ",10.0.0.1", "10.0.0.256", "10.0.0",
		"010.0.0.1", "10.0.0.1/33", "10.0.0.1/24", "10.0.0.0/024", "10.0.0.0/", "::1/129",
		"fe80::1%eth0", "::ffff:10.0.0.1", "2001:db8::1/64", "host", "10.0.0.1 ",
		"10.0.0.1,10.0.0.1", "::1,0:0::1", "10.0.0.1/32,10.0.0.1"};
	char text[(IP_LIST_MAX + 1) * 10 + 1] = "";

	for (unsigned i = 0; i < COUNT(junk); i++)
		check_text(noun, key, junk[i], -EINVAL);
	check_text(noun, key, "10.0.0.1,10.0.0.0/24,0.0.0.0/0,::/0,2001:DB8::1,fe80::/10", 0);
	for (unsigned i = 0; i <= IP_LIST_MAX; i++)
		snprintf(text + strlen(text), 11, "%s10.0.1.%u", i ? "," : "", i);
	check_text(noun, key, text, -ERANGE);
	*strrchr(text, ',') = '\0';
	check_text(noun, key, text, 0);
	check_set(noun, key, json_pack("[s,s]", "10.0.0.1", "::1"), 0);
	check_set(noun, key, json_pack("[s,i]", "10.0.0.1", 2), -EINVAL);
	check_set(noun, key, json_array(), -EINVAL);
	check_set(noun, key, json_integer(1), -EINVAL);
}

static void
check_names(const struct noun *noun, const struct key *key)
{
	static const char *const junk[] = {
		"", "vm1,", ",vm1", "vm1,,vm2", "vm1,vm1", "-vm1", "a b"};
	char text[(NAME_LIST_MAX + 1) * 5 + 1] = "", word[CONFIG_NAME_SIZE + 1];

	for (unsigned i = 0; i < COUNT(junk); i++)
		check_text(noun, key, junk[i], -EINVAL);
	for (unsigned i = 0; i <= NAME_LIST_MAX; i++)
		snprintf(text + strlen(text), 6, "%sp%u", i ? "," : "", i);
	check_text(noun, key, text, -ERANGE);
	*strrchr(text, ',') = '\0';
	check_text(noun, key, text, 0);
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	check_text(noun, key, word, -ERANGE);
	word[sizeof(word) - 2] = '\0';
	check_text(noun, key, word, 0);
	check_set(noun, key, json_pack("[s,s]", "vm1", "vm2"), 0);
	check_set(noun, key, json_pack("[s,i]", "vm1", 2), -EINVAL);
	check_set(noun, key, json_pack("[s,s]", "vm1", "vm1"), -EINVAL);
	check_set(noun, key, json_array(), -EINVAL);
	check_set(noun, key, json_integer(1), -EINVAL);
}

static void
check_bool(const struct noun *noun, const struct key *key)
{
	check_text(noun, key, "yes", 0);
	check_text(noun, key, "off", 0);
	check_set(noun, key, json_true(), 0);
	check_set(noun, key, json_false(), 0);
	check_text(noun, key, "maybe", -EINVAL);
	check_set(noun, key, json_integer(1), -EINVAL);
}

static void
check_size(const struct noun *noun, const struct key *key)
{
	check_text(noun, key, "512M", 0);
	check_text(noun, key, "1T", 0);
	check_text(noun, key, "1025G", -ERANGE);
	check_text(noun, key, "1", -ERANGE);
	check_text(noun, key, "512m", -EINVAL);
	check_text(noun, key, "512MB", -EINVAL);
	check_text(noun, key, "-1", -EINVAL);
	check_text(noun, key, "M", -EINVAL);
	check_set(noun, key, json_integer(key->min), 0);
	check_set(noun, key, json_integer(key->min - 1), -ERANGE);
}

/* What is typed and what JSON may hold, and what both become. */
static void
test_lists(void **state)
{
	static const struct {
		const char *text, *canonical;
	} rows[] = {
		{"bridge=br0", "{\"bridge\":\"br0\"}"},
		{"br0,queues=2", "{\"bridge\":\"br0\",\"queues\":2}"},
		{"br0,trunks=5,7-9,1,tag=3",
			"{\"bridge\":\"br0\",\"tag\":3,\"trunks\":\"1,5,7-9\"}"},
		{"socket=/s,server", "{\"server\":true,\"socket\":\"/s\"}"},
		{"br0,mac=", "{\"bridge\":\"br0\"}"},
		{"br0,mac", NULL},
		{"br0,7", NULL},
		{"br0,bridge=br1", NULL},
		{"br0,,tag=3", NULL},
		{"", NULL},
		{"br0,", NULL},
	};
	const struct key *key = noun_key(&noun_vm, "net");

	for (unsigned i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		json_t *item = list_item_read(&noun_net, rows[i].text, &err);
		json_t *list = item ? key_canonical(key, item, &err) : NULL;
		char *text;

		if (!rows[i].canonical) {
			assert_null(list);
			assert_int_equal(err.code, -EINVAL);
			json_decref(item);
			continue;
		}
		assert_non_null(list);
		text = json_dumps(json_array_get(list, 0), JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(text, rows[i].canonical);
		free(text);
		json_decref(item);
		json_decref(list);
	}
}

static void
check_list(const struct noun *noun, const struct key *key)
{
	check_set(noun, key, json_array(), 0);
	check_set(noun, key, json_string("a"), -EINVAL);
	check_set(noun, key, json_pack("[s]", "a"), -EINVAL);
	check_set(noun, key, json_pack("{s:s}", "nothing", "a"), -EINVAL);
}

static void
check_key(const struct noun *noun, const struct key *key)
{
	switch (key->type) {
	case VALUE_U32:
	case VALUE_INT:
	case VALUE_OCTAL:
		check_number(noun, key);
		break;
	case VALUE_NAME:
	case VALUE_STRING:
	case VALUE_IFNAME:
	case VALUE_PATH:
		check_strings(noun, key);
		break;
	case VALUE_ENUM:
		check_enum(noun, key);
		break;
	case VALUE_VLANS:
		check_vlans(noun, key);
		break;
	case VALUE_MAC:
		check_mac(noun, key);
		break;
	case VALUE_SCALED:
		check_scaled(noun, key);
		break;
	case VALUE_MACS:
		check_macs(noun, key);
		break;
	case VALUE_IPS:
		check_ips(noun, key);
		break;
	case VALUE_NAMES:
		check_names(noun, key);
		break;
	case VALUE_BOOL:
		check_bool(noun, key);
		break;
	case VALUE_SIZE:
		check_size(noun, key);
		break;
	case VALUE_LIST:
		check_list(noun, key);
		break;
	case VALUE_TEXT:
		fail_msg("%s: no key has that type", key->name);
	}
}

static void
test_every_key(void **state)
{
	for (unsigned n = 0; n < noun_count; n++) {
		for (unsigned i = 0; i < nouns[n]->key_count; i++)
			check_key(nouns[n], &nouns[n]->keys[i]);
	}
}

/* Defaults are those of the declaration, unset keys say nothing, fields do not overlap. */
static void
test_defaults(void **state)
{
	struct bridge_config bridge;
	struct port_config port;

	schema_defaults(&noun_bridge, &bridge);
	assert_int_equal(bridge.ageing, 300);
	assert_int_equal(bridge.capacity, 65536);
	assert_false(bridge.forward_bpdu);
	assert_true(vlan_set_is_empty(&bridge.flood_vlans));
	schema_defaults(&noun_port, &port);
	assert_int_equal(port.type, PORT_TYPE_UNSET);
	assert_int_equal(port.queues, 1);
	assert_int_equal(port.mtu, 0);
	assert_int_equal(port.tag, -1);
	assert_int_equal(port.vlan_mode, -1);
	assert_int_equal(port.profile, PROFILE_DEFAULT);
	assert_int_equal(port.mode, MODE_SERVER);
	assert_true(mac_is_zero(&port.mac));
	for (unsigned n = 0; n < noun_count; n++) {
		for (unsigned i = 0; i < nouns[n]->key_count; i++) {
			const struct key *key = &nouns[n]->keys[i];
			union any_object object;
			json_t *value;

			assert_true(key->offset + key->size <= nouns[n]->size);
			schema_defaults(nouns[n], &object);
			assert_null(schema_get(key, &object, false));
			value = schema_get(key, &object, true);
			assert_int_equal(value != NULL, key->def != NULL);
			assert_int_equal(key_is_set(key, &object), key->def != NULL);
			json_decref(value);
		}
	}
}

/* The indexes that other folders rely on. */
static void
test_enumerations(void **state)
{
	const char *modes = noun_key(&noun_port, "vlan_mode")->choices;
	const char *tags = noun_key(&noun_port, "priority_tags")->choices;

	assert_int_equal(word_index(modes, "trunk"), VLAN_TRUNK);
	assert_int_equal(word_index(modes, "access"), VLAN_ACCESS);
	assert_int_equal(word_index(modes, "native-tagged"), VLAN_NATIVE_TAGGED);
	assert_int_equal(word_index(modes, "native-untagged"), VLAN_NATIVE_UNTAGGED);
	assert_int_equal(word_index(modes, "dot1q-tunnel"), VLAN_DOT1Q_TUNNEL);
	assert_int_equal(word_index(tags, "never"), PRIORITY_TAGS_NEVER);
	assert_int_equal(word_index(tags, "if-nonzero"), PRIORITY_TAGS_IF_NONZERO);
	assert_int_equal(word_index(tags, "always"), PRIORITY_TAGS_ALWAYS);
	assert_int_equal(word_index(noun_key(&noun_port, "mode")->choices, "client"), MODE_CLIENT);
	assert_int_equal(
		word_index(noun_key(&noun_port, "profile")->choices, "open"), PROFILE_OPEN);
	assert_int_equal(word_index(noun_key(&noun_port, "profile")->choices, "vm"), PROFILE_VM);
	assert_int_equal(word_index("a b", "c"), -1);
	assert_int_equal(word_index("ab b", "a"), -1);
	for (unsigned i = 0; i < port_type_count; i++)
		assert_int_equal(
			word_index(noun_key(&noun_port, "type")->choices, port_type_names[i]), i);
	assert_string_equal(port_type_names[PORT_TYPE_VHOST_USER], "vhost-user");
	assert_string_equal(port_type_names[PORT_TYPE_NULL], "null");
}

static void
test_vlan_mode_in_force(void **state)
{
	struct port_config port;

	schema_defaults(&noun_port, &port);
	assert_int_equal(port_config_vlan_mode(&port), VLAN_TRUNK);
	port.tag = 0;
	assert_int_equal(port_config_vlan_mode(&port), VLAN_ACCESS);
	port.vlan_mode = VLAN_TRUNK;
	assert_int_equal(port_config_vlan_mode(&port), VLAN_TRUNK);
	port.vlan_mode = VLAN_DOT1Q_TUNNEL;
	assert_int_equal(port_config_vlan_mode(&port), VLAN_DOT1Q_TUNNEL);
}

static int
load(const struct noun *noun, void *object, const char *text, bool set, struct err *err)
{
	json_t *members = json_loads(text, JSON_DECODE_ANY, NULL);
	int r;

	assert_non_null(members);
	memset(err, 0, sizeof(*err));
	r = schema_load(noun, object, members, set, err);
	json_decref(members);
	return r;
}

static void
expect_refused(struct port_config *port, const char *text, bool set, const char *words)
{
	struct port_config before = *port;
	struct err err;

	assert_int_equal(load(&noun_port, port, text, set, &err), -EINVAL);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	assert_memory_equal(port, &before, sizeof(before));
}

static void
test_load(void **state)
{
	struct port_config port;
	struct err err;

	schema_defaults(&noun_port, &port);
	/* The type decides although it comes last. */
	expect_refused(&port, "{\"tag\": 3, \"dev\": \"e0\", \"type\": \"vhost-user\"}", false,
		"takes no \"dev\": it is for tap afpacket");
	expect_refused(&port, "{\"tag\": 3, \"pth\": \"/x\"}", false, "did you mean \"path\"?");
	expect_refused(&port, "{\"zzzzzzzz\": 1}", false, "has no key \"zzzzzzzz\"");
	expect_refused(&port, "[1]", false, "not by a list");
	expect_refused(&port, "3", false, "single value");
	assert_int_equal(load(&noun_port, &port,
				 "{\"name\": \"a\", \"type\": \"vhost-user\", \"path\": \"/s\"}",
				 false, &err),
		0);
	assert_int_equal(port.type, PORT_TYPE_VHOST_USER);

	/* set: what can be changed, and what says nothing else than before. */
	assert_int_equal(
		load(&noun_port, &port, "{\"name\": \"a\", \"tag\": \"7\"}", true, &err), 0);
	assert_int_equal(port.tag, 7);
	assert_int_equal(load(&noun_port, &port, "{\"tag\": null}", true, &err), 0);
	assert_int_equal(port.tag, -1);
	expect_refused(&port, "{\"tag\": 9, \"name\": \"b\"}", true, "the name of a port");
	expect_refused(&port, "{\"tag\": 9, \"path\": \"/t\"}", true, "patchbay port del");
	expect_refused(&port, "{\"type\": \"tap\"}", true, "type cannot be changed");
	expect_refused(&port, "{\"dev\": \"e0\"}", true, "takes no \"dev\"");
}

static void
test_complete(void **state)
{
	struct port_config port;
	struct err err;

	schema_defaults(&noun_port, &port);
	assert_int_equal(schema_complete(&noun_port, &port, &err), -EINVAL);
	assert_non_null(strstr(err.text, "needs a name"));
	assert_int_equal(load(&noun_port, &port, "{\"name\": \"a\"}", false, &err), 0);
	assert_int_equal(schema_complete(&noun_port, &port, &err), -EINVAL);
	assert_non_null(strstr(err.text, "needs a type"));
	assert_int_equal(load(&noun_port, &port, "{\"type\": \"tap\"}", false, &err), 0);
	assert_int_equal(schema_complete(&noun_port, &port, &err), -EINVAL);
	assert_non_null(strstr(err.text, "a port of type tap needs dev="));
	assert_int_equal(load(&noun_port, &port, "{\"dev\": \"e0\"}", false, &err), 0);
	assert_int_equal(schema_complete(&noun_port, &port, &err), 0);

	/* Keys stored one by one before the type was known. */
	schema_defaults(&noun_port, &port);
	assert_int_equal(load(&noun_port, &port, "{\"name\": \"a\"}", false, &err), 0);
	assert_int_equal(load(&noun_port, &port, "{\"path\": \"/x\"}", false, &err), 0);
	assert_int_equal(load(&noun_port, &port, "{\"type\": \"null\"}", false, &err), 0);
	assert_int_equal(schema_complete(&noun_port, &port, &err), -EINVAL);
	assert_non_null(strstr(err.text, "of type null takes no \"path\""));
}

/* ---- random objects ---- */

static uint64_t seed;

static uint64_t
draw(uint64_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 20) % n;
}

static json_t *
random_text(const struct key *key)
{
	static const char letters[] = "abcXYZ019_";
	size_t first = key->type == VALUE_PATH, n = first + 1 + draw(key->size - 1 - first);
	char text[2048];

	assert_true(n < sizeof(text));
	text[0] = '/';
	for (size_t i = first; i < n; i++)
		text[i] = letters[draw(sizeof(letters) - 1)];
	return json_stringn(text, n);
}

static json_t *
random_vlans(void)
{
	json_t *list = json_array();

	for (uint64_t n = draw(40) + 1; n > 0; n--)
		json_array_append_new(list, json_integer((json_int_t)draw(4095)));
	return list;
}

static json_t *
random_value(const struct key *key)
{
	int64_t number = key->min + (int64_t)draw((uint64_t)(key->max - key->min + 1));
	unsigned choices = 0;
	char text[64];

	switch (key->type) {
	case VALUE_U32:
	case VALUE_INT:
	case VALUE_SIZE:
		return json_integer(number);
	case VALUE_OCTAL:
		snprintf(text, sizeof(text), "%" PRIo64, number);
		return json_string(text);
	case VALUE_BOOL:
		return json_boolean(draw(2));
	case VALUE_ENUM:
		while (word_at(key->choices, choices, text, sizeof(text)))
			choices++;
		word_at(key->choices, (unsigned)draw(choices), text, sizeof(text));
		return json_string(text);
	case VALUE_MAC:
		snprintf(text, sizeof(text), "02:%02x:00:00:%02X:%02x", (unsigned)draw(256),
			(unsigned)draw(256), (unsigned)draw(256));
		return json_string(text);
	case VALUE_VLANS:
		return random_vlans();
	case VALUE_SCALED:
		return json_string(scaled_format((uint64_t)number, text));
	case VALUE_MACS:
		snprintf(text, sizeof(text), "02:00:00:00:00:%02x,02:00:00:00:01:%02x",
			(unsigned)draw(256), (unsigned)draw(256));
		return json_string(text);
	case VALUE_NAMES:
		snprintf(text, sizeof(text), "p%u,q%u", (unsigned)draw(256), (unsigned)draw(256));
		return json_string(text);
	case VALUE_IPS:
		snprintf(text, sizeof(text), "10.%u.0.0/16,2001:db8::%x", (unsigned)draw(256),
			(unsigned)draw(65536));
		return json_string(text);
	default:
		return random_text(key);
	}
}

static void
random_object(const struct noun *noun, void *object)
{
	struct err err;

	schema_defaults(noun, object);
	for (unsigned i = 0; i < noun->key_count; i++) {
		const struct key *key = &noun->keys[i];
		json_t *value;

		if (noun == &noun_port && !key_applies(key, ((struct port_config *)object)->type))
			continue;
		if (key->type == VALUE_LIST || (!(key->flags & KEY_REQUIRED) && draw(2)))
			continue;
		value = random_value(key);
		assert_int_equal(schema_set(key, object, value, &err), 0);
		json_decref(value);
	}
}

/* load(store(x)) == x, through text as on the socket, with and without defaults. */
static void
test_round_trip(void **state)
{
	for (unsigned round = 0; round < 600; round++) {
		const struct noun *noun = nouns[round % noun_count];
		bool with_defaults = draw(2);
		union any_object object, back;
		struct err err = {0};
		json_t *stored;
		char *text;
		int r;

		seed = round * 2654435761u + 1;
		random_object(noun, &object);
		r = schema_complete(noun, &object, &err);
		if (r)
			fail_msg("round %u: %s", round, err.text);
		stored = schema_store(noun, &object, with_defaults, true);
		assert_non_null(stored);
		text = json_dumps(stored, 0);
		assert_non_null(text);
		json_decref(stored);
		schema_defaults(noun, &back);
		r = load(noun, &back, text, false, &err);
		if (r)
			fail_msg("round %u: %s: %s", round, text, err.text);
		free(text);
		assert_memory_equal(&object, &back, noun->size);
	}
}

static void
test_store(void **state)
{
	struct port_config port;
	struct err err;
	json_t *stored;
	char *text;

	schema_defaults(&noun_port, &port);
	assert_int_equal(
		load(&noun_port, &port,
			"{\"type\": \"vhost-user\", \"trunks\": [3, 1, 2], \"name\": \"a\", "
			"\"queues\": \"1\", \"socket_mode\": \"660\", \"path\": \"/s\"}",
			false, &err),
		0);
	stored = schema_store(&noun_port, &port, false, false);
	text = json_dumps(stored, JSON_COMPACT);
	assert_string_equal(text, "{\"type\":\"vhost-user\",\"path\":\"/s\",\"trunks\":\"1-3\","
				  "\"socket_mode\":\"0660\"}");
	free(text);
	json_decref(stored);
}

static void
test_nearest(void **state)
{
	static const char *const names[] = {"bridge", "port", "path", "mac", "mtu", "trunks"};

	assert_string_equal(nearest_name("brigde", names, COUNT(names)), "bridge");
	assert_string_equal(nearest_name("pth", names, COUNT(names)), "path");
	assert_string_equal(nearest_name("br", names, COUNT(names)), "bridge");
	assert_string_equal(nearest_name("trunk", names, COUNT(names)), "trunks");
	assert_string_equal(nearest_name("mtuu", names, COUNT(names)), "mtu");
	assert_null(nearest_name("", names, COUNT(names)));
	assert_null(nearest_name("zzz", names, COUNT(names)));
	assert_null(nearest_name("completelydifferent", names, COUNT(names)));
	assert_null(nearest_name("x", names, 0));
	assert_null(nearest_name(repeat('b', 4000), names, COUNT(names)));
}

static void
test_runtime_dir(void **state)
{
	char dir[108], small[8];

	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	assert_int_equal(api_runtime_dir(dir, sizeof(dir)), 0);
	assert_string_equal(dir, geteuid() == 0 ? "/run/patchbay" : "/run/user/7/patchbay");
	setenv("XDG_RUNTIME_DIR", "not/absolute", 1);
	assert_int_equal(api_runtime_dir(dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/run/patchbay");
	assert_int_equal(api_runtime_dir(small, sizeof(small)), -ENAMETOOLONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_enumerations),
		cmocka_unit_test(test_vlan_mode_in_force),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_runtime_dir),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
