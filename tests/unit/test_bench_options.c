/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/schema.h"
#include "bench/options.h"

static const char *const four[] = {"/a", "/b", "/c", "/d"};
static json_t *params; /* of the last call: options point into it */

/* As the command does it: checked by the table of verbs first. */
static int
read_sockets(const char *text, unsigned sockets, struct bench_options *o, struct err *err)
{
	json_t *given = json_loads(text, 0, NULL);
	int rc;

	json_decref(params);
	params = NULL;
	assert_non_null(given);
	memset(err, 0, sizeof(*err));
	rc = verb_check(verb_find("bench", "run"), given, &params, err);
	json_decref(given);
	return rc ? rc : bench_options_read(o, params, four, sockets, err);
}

static void
good(const char *text, unsigned sockets, struct bench_options *o)
{
	struct err err;

	if (read_sockets(text, sockets, o, &err))
		fail_msg("%s: %s", text, err.text);
}

static void
test_defaults(void **state)
{
	struct bench_options o;

	good("{}", 0, &o);
	assert_int_equal(o.load, BENCH_TWO_WAY);
	assert_int_equal(o.pairs, 1);
	assert_int_equal(o.size_count, 1);
	assert_int_equal(o.sizes[0], 64);
	assert_int_equal(o.macs, 2);
	assert_int_equal(o.vlan, BENCH_VLAN_NONE);
	assert_true(o.rate == 0);
	assert_true(o.seconds == 3);
	assert_true(o.resolution == 0.01);
	assert_int_equal(o.burst, 32);
	assert_int_equal(o.ring_size, 1024);
	assert_false(o.packed || o.indirect || o.event_idx || o.verify_full || o.search);
	assert_int_equal(o.in_order, BENCH_AUTO);
}

static void
test_values(void **state)
{
	struct bench_options o;

	good("{\"size\": \"64,imix,65536\", \"load\": \"one-way\", \"rate\": \"1.5M\", "
	     "\"seconds\": \"0.3\", \"ring\": \"packed\", \"ring_size\": 100, \"in_order\": \"no\", "
	     "\"mergeable\": \"yes\", \"vlans\": 4094, \"macs\": 1000000, \"cpus\": \"0,2-3\", "
	     "\"verify\": \"full\", \"latency\": 50, \"in_flight\": 50}",
		0, &o);
	assert_int_equal(o.size_count, 3);
	assert_int_equal(o.sizes[1], BENCH_IMIX);
	assert_int_equal(o.sizes[2], 65536);
	assert_int_equal(o.load, BENCH_ONE_WAY);
	assert_true(o.rate == 1.5e6);
	assert_true(o.seconds > 0.299 && o.seconds < 0.301);
	assert_true(o.packed && o.verify_full);
	assert_int_equal(o.in_order, BENCH_NO);
	assert_int_equal(o.mergeable, BENCH_YES);
	/* VLANs without a mode: frames carry tags. */
	assert_int_equal(o.vlan, BENCH_VLAN_TRUNK);
	assert_int_equal(o.cpu_count, 3);
	assert_int_equal(o.cpus[2], 3);
	good("{\"vlan\": \"access\"}", 0, &o);
	assert_int_equal(o.vlans, 1);
}

static void
test_sockets_make_pairs(void **state)
{
	struct bench_options o;

	good("{}", 4, &o);
	assert_int_equal(o.pairs, 2);
	assert_int_equal(o.macs, 4);
	assert_string_equal(o.sockets[3], "/d");
	good("{\"pairs\": 2, \"listen\": true}", 4, &o);
	assert_true(o.listen);
}

static void
test_refused(void **state)
{
	static const struct {
		unsigned sockets;
		const char *params, *says;
	} rows[] = {
		{3, "{}", "3 sockets"},
		{4, "{\"pairs\": 1}", "2 sockets"},
		{2, "{\"daemon\": \"/x\"}", "daemon"},
		{2, "{\"workers\": \"1\"}", "workers"},
		{0, "{\"listen\": true}", "--socket"},
		{0, "{\"control\": \"/x\"}", "--socket"},
		{0, "{\"size\": \"63\"}", "64..65536"},
		{0, "{\"size\": \"65537\"}", "64..65536"},
		{0, "{\"size\": \"64;128\"}", "64..65536"},
		{0, "{\"size\": \"64,,128\"}", "64..65536"},
		{0, "{\"size\": \"64,64,64,64,64,64,64,64,64,64,64,64,64,64,64,64,64\"}", "16"},
		{0, "{\"rate\": \"0\"}", "rate"},
		{0, "{\"rate\": \"1x\"}", "rate"},
		{0, "{\"rate\": \"k\"}", "rate"},
		{0, "{\"rate\": \"nan\"}", "rate"},
		{0, "{\"rate\": \"10\", \"search\": true}", "exclude"},
		{0, "{\"seconds\": \"-1\"}", "seconds"},
		{0, "{\"cpus\": \"a\"}", "cpus"},
		{0, "{\"macs\": 3, \"pairs\": 2}", "macs=3"},
		{0, "{\"vlans\": 2, \"vlan\": \"access\"}", "vlan=trunk"},
		{0, "{\"ring_size\": 1000}", "power of two"},
		{0, "{\"in_flight\": 513}", "in_flight"},
		{0, "{\"offload\": \"tso\"}", "64"},
		{0, "{\"load\": \"sideways\"}", "load"},
		{0, "{\"pairs\": 33}", "pairs"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench_options o;
		struct err err;
		int rc = read_sockets(rows[i].params, rows[i].sockets, &o, &err);

		if (rc != -EINVAL && rc != -ERANGE)
			fail_msg("%s with %u sockets: %d", rows[i].params, rows[i].sockets, rc);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].params, err.text,
				rows[i].says);
	}
}

static void
test_json_tells_what_was_asked_for(void **state)
{
	struct bench_options o;
	json_t *json;

	good("{\"ring\": \"packed\", \"vlan\": \"mixed\", \"verify\": \"full\"}", 0, &o);
	json = bench_options_json(&o);
	assert_string_equal(json_string_value(json_object_get(json, "ring")), "packed");
	assert_string_equal(json_string_value(json_object_get(json, "vlan")), "mixed");
	assert_string_equal(json_string_value(json_object_get(json, "verify")), "full");
	assert_int_equal(json_integer_value(json_object_get(json, "pairs")), 1);
	json_decref(json);
}

static int
drop_params(void **state)
{
	json_decref(params);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_sockets_make_pairs),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_json_tells_what_was_asked_for),
	};

	return cmocka_run_group_tests_name("bench_options", tests, NULL, drop_params);
}
