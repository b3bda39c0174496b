/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of verbs is consistent, and parameters are checked by it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/schema.h"

static void
check_sentence(const char *text)
{
	assert_non_null(text);
	assert_true(text[0] != '\0');
	if (text[strlen(text) - 1] == '.' || strchr(text, '\n'))
		fail_msg("\"%s\" is not one line without full stop", text);
}

static void
check_params(const struct verb *verb)
{
	bool optional = false;

	for (const struct param *p = verb->params; p && p->name; p++) {
		struct key key = param_key(p);
		char text[320];

		check_sentence(p->help);
		assert_true(strlen(key_describe(&key, text, sizeof(text))) > 0);
		assert_null(verb->object ? noun_key(verb->object, p->name) : NULL);
		if (p->type == VALUE_ENUM)
			assert_non_null(p->choices);
		/* By position nothing that is required can stand behind something optional. */
		if (p->positional && p->required)
			assert_false(optional);
		optional = optional || (p->positional && !p->required);
	}
}

static void
test_table(void **state)
{
	char method[64], word[64];

	for (unsigned i = 0; i < verb_count; i++) {
		const struct verb *verb = &verbs[i];

		check_sentence(verb->help);
		check_params(verb);
		assert_ptr_equal(verb_find(verb->noun, verb->name), verb);
		verb_method(verb, method, sizeof(method));
		assert_ptr_equal(verb_by_method(method), verb->flags & VERB_LOCAL ? NULL : verb);
		for (unsigned j = 0;
			verb->positional && word_at(verb->positional, j, word, sizeof(word)); j++)
			assert_non_null(noun_key(verb->object, word));
		for (const struct column *c = verb->columns; c && c->title; c++)
			check_sentence(c->help);
		/* The example is one of this very verb. */
		assert_int_equal(strncmp(verb->example, verb->noun, strlen(verb->noun)), 0);
	}
	for (unsigned n = 0; n < noun_count; n++) {
		check_sentence(nouns[n]->help);
		for (unsigned i = 0; i < nouns[n]->key_count; i++)
			check_sentence(nouns[n]->keys[i].help);
	}
	assert_null(verb_find("port", "ad"));
	assert_null(verb_by_method("port"));
	assert_null(verb_by_method(""));
	assert_null(verb_by_method("completion.bash"));
}

static void
test_default(void **state)
{
	assert_ptr_equal(verb_default("stats"), verb_find("stats", "show"));
	assert_ptr_equal(verb_default("port"), verb_find("port", "show"));
	assert_ptr_equal(verb_default("completion"), verb_find("completion", "bash"));
	assert_null(verb_default("nothing"));
}

/* Checks params of a method; the canonical text must be `expected`, or the error contain it. */
static void
check(const char *method, const char *params, int code, const char *expected)
{
	const struct verb *verb = verb_by_method(method);
	json_t *given = json_loads(params, JSON_DECODE_ANY, NULL), *canonical = NULL;
	struct err err = {0};
	int r;

	assert_non_null(verb);
	r = verb_check(verb, given, &canonical, &err);
	if (r != code)
		fail_msg("%s %s: %d %s", method, params, r, err.text);
	if (r == 0) {
		char *text = json_dumps(canonical, JSON_COMPACT);

		assert_string_equal(text, expected);
		free(text);
		json_decref(canonical);
	} else {
		assert_null(canonical);
		assert_int_equal(err.code, r);
		if (!strstr(err.text, expected))
			fail_msg("%s %s: \"%s\" does not say \"%s\"", method, params, err.text,
				expected);
	}
	json_decref(given);
}

static void
test_check_add(void **state)
{
	check("port.add",
		"{\"name\": \"vm1\", \"type\": \"vhost-user\", \"path\": \"/s\", \"queues\": \"2\", "
		"\"trunks\": [7, 5, 6], \"mac\": \"52:54:00:AA:00:01\"}",
		0,
		"{\"name\":\"vm1\",\"type\":\"vhost-user\",\"path\":\"/s\",\"queues\":2,"
		"\"trunks\":\"5-7\",\"mac\":\"52:54:00:aa:00:01\"}");
	check("port.add", "{\"name\": \"a\", \"type\": \"null\", \"tag\": null}", 0,
		"{\"name\":\"a\",\"type\":\"null\",\"tag\":null}");
	check("port.add", "{\"name\": \"a\", \"type\": \"vhost-user\"}", -EINVAL,
		"a port of type vhost-user needs path=");
	check("port.add", "{\"type\": \"null\"}", -EINVAL, "needs a name");
	check("port.add", "{\"name\": null, \"type\": \"null\"}", -EINVAL, "name: null is not");
	check("port.add", "{\"name\": \"a\", \"type\": \"nul\"}", -EINVAL, "type: \"nul\" is not");
	check("port.add", "{\"name\": \"a\", \"type\": 3}", -EINVAL, "type: 3 is not");
	check("port.add", "{\"path\": \"/s\", \"name\": \"a\", \"type\": \"tap\"}", -EINVAL,
		"takes no \"path\": it is for vhost-user");
	check("port.add", "{\"name\": \"a\", \"type\": \"null\", \"brige\": \"b\"}", -EINVAL,
		"did you mean \"bridge\"?");
	check("port.add", "{\"name\": \"a\", \"type\": \"null\", \"tag\": 4095}", -ERANGE,
		"tag: 4095 is out of range: give 0..4094");
	check("port.add", "[]", -EINVAL, "object");
	check("port.add", "null", -EINVAL, "object");
	check("bridge.add", "{\"name\": \"b\", \"forward_bpdu\": \"on\"}", 0,
		"{\"name\":\"b\",\"forward_bpdu\":true}");
}

static void
test_check_others(void **state)
{
	check("port.set", "{\"name\": \"a\", \"tag\": \"5\"}", 0, "{\"name\":\"a\",\"tag\":5}");
	check("port.set", "{\"tag\": 5}", -EINVAL, "needs a name");
	check("port.set", "{\"name\": \"a\", \"path\": \"/x\"}", -EINVAL, "path cannot be changed");
	check("port.set", "{\"name\": \"a\", \"tga\": 3}", -EINVAL, "did you mean \"tag\"?");
	check("port.del", "{\"name\": \"a\"}", 0, "{\"name\":\"a\"}");
	check("port.del", "{\"name\": \"a\", \"tag\": 5}", -EINVAL, "`port del` takes no \"tag\"");
	check("port.del", "{}", -EINVAL, "needs a name");
	check("fdb.add",
		"{\"bridge\": \"b\", \"mac\": \"52:54:00:00:00:01\", \"port\": \"p\", \"vlan\": 7}",
		0, "{\"bridge\":\"b\",\"mac\":\"52:54:00:00:00:01\",\"port\":\"p\",\"vlan\":7}");
	check("fdb.add", "{\"bridge\": \"b\", \"mac\": \"52:54:00:00:00:01\"}", -EINVAL,
		"needs a port");
	check("fdb.del", "{\"bridge\": \"b\", \"mac\": \"52:54:00:00:00:01\"}", 0,
		"{\"bridge\":\"b\",\"mac\":\"52:54:00:00:00:01\"}");
	check("fdb.del", "{\"bridge\": \"b\", \"mac\": \"ff:ff:ff:ff:ff:ff\"}", -EINVAL, "unicast");
	check("fdb.flush", "{\"static\": \"yes\", \"vlan\": \"0\"}", 0,
		"{\"static\":true,\"vlan\":0}");
	check("fdb.flush", "{\"vlan\": null}", 0, "{\"vlan\":null}");
	check("fdb.flush", "{\"statik\": true}", -EINVAL, "did you mean \"static\"?");
	check("worker.set", "{\"worker\": \"1\", \"port\": \"a\", \"queue\": 0}", 0,
		"{\"worker\":1,\"port\":\"a\",\"queue\":0}");
	check("worker.set", "{\"worker\": \"1\", \"port\": \"a\"}", -EINVAL, "needs a queue");
	check("worker.set", "{\"worker\": 64, \"port\": \"a\", \"queue\": 0}", -ERANGE, "0..63");
	check("config.apply", "{\"text\": \"a\\nb\", \"dry_run\": true}", 0,
		"{\"text\":\"a\\nb\",\"dry_run\":true}");
	check("config.apply", "{}", -EINVAL, "needs a text");
	check("daemon.ping", "{}", 0, "{}");
	check("daemon.ping", "{\"x\": 1}", -EINVAL, "takes no \"x\"");
}

static void
test_no_params(void **state)
{
	json_t *canonical = NULL;

	assert_int_equal(verb_check(verb_by_method("stats.show"), NULL, &canonical, NULL), 0);
	assert_int_equal(json_object_size(canonical), 0);
	json_decref(canonical);
	/* Without an err the code alone is given. */
	assert_int_equal(verb_check(verb_by_method("port.del"), NULL, &canonical, NULL), -EINVAL);
}

static void
check_usage(const char *noun, const char *name, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	verb_put_usage(verb_find(noun, name), file);
	fclose(file);
	assert_string_equal(text, expected);
	free(text);
}

static void
test_usage(void **state)
{
	check_usage("port", "add", "port add NAME TYPE [KEY=VALUE ...]");
	check_usage("port", "del", "port del NAME [--force]");
	check_usage("fdb", "add", "fdb add BRIDGE MAC PORT [vlan=...]");
	check_usage("fdb", "del", "fdb del BRIDGE MAC [vlan=...]");
	check_usage("stats", "show", "stats show [PORT] [--watch[=SECONDS]]");
	check_usage("config", "apply", "config apply FILE [source=...] [--dry-run]");
	check_usage("worker", "set", "worker set WORKER port=... queue=...");
}

/* Every noun, key and method is in the description that other languages read. */
static void
test_describe(void **state)
{
	json_t *o = schema_describe(), *list, *element;
	size_t i, methods = 0;

	assert_int_equal(json_integer_value(json_object_get(o, "api")), API_VERSION);
	list = json_object_get(o, "nouns");
	assert_int_equal(json_array_size(list), noun_count);
	json_array_foreach (list, i, element)
		assert_int_equal(
			json_array_size(json_object_get(element, "keys")), nouns[i]->key_count);
	list = json_object_get(o, "methods");
	for (i = 0; i < verb_count; i++)
		methods += !(verbs[i].flags & VERB_LOCAL);
	assert_int_equal(json_array_size(list), methods);
	json_array_foreach (list, i, element)
		assert_non_null(
			verb_by_method(json_string_value(json_object_get(element, "method"))));
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_check_add),
		cmocka_unit_test(test_check_others),
		cmocka_unit_test(test_no_params),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests_name("verbs", tests, NULL, NULL);
}
