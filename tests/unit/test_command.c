/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands on a real datapath, without guests: every verb has a handler, every change takes
 * effect or is refused with a reason, and what fails half way leaves nothing behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "control/command.h"
#include "control/cpu.h"
#include "control/rights.h"
#include "lib/clock.h"

static struct event_base *loop;
static struct state control;
static char directory[64];
static struct rpc_peer root = {.may_change = true}, guest;

/* Calls a method with printf-made params; the answer, or NULL with *error. */
static json_t *
call(struct rpc_error *error, const char *method, const char *params, ...)
{
	char text[4096];
	json_t *json, *result;
	va_list args;

	va_start(args, params);
	vsnprintf(text, sizeof(text), params, args);
	va_end(args);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	memset(error, 0, sizeof(*error));
	result = command_call(&control, method, json, &root, error);
	json_decref(json);
	return result;
}

#define DO(...)                                     \
	do {                                        \
		struct rpc_error e;                 \
		json_t *r = call(&e, __VA_ARGS__);  \
		if (!r)                             \
			fail_msg("%s", e.err.text); \
		json_decref(r);                     \
	} while (0)

#define REFUSED(number, words, ...)                                                                \
	do {                                                                                       \
		struct rpc_error e;                                                                \
		json_t *r = call(&e, __VA_ARGS__);                                                 \
		assert_null(r);                                                                    \
		if (e.err.code != (number) || !strstr(e.err.text, words))                          \
			fail_msg("%d \"%s\" instead of %d \"%s\"", e.err.code, e.err.text, number, \
				words);                                                            \
	} while (0)

/* The member `path` ("rows.0.name") of a method's result, as JSON text. */
static void
expect_member(const char *method, const char *params, const char *path, const char *want)
{
	struct rpc_error error;
	json_t *result = call(&error, method, "%s", params), *value = result;
	char copy[128], *rest = NULL, *text;

	if (!result)
		fail_msg("%s", error.err.text);
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *word = strtok_r(copy, ".", &rest); word; word = strtok_r(NULL, ".", &rest))
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(word))
					     : json_object_get(value, word);
	text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("absent");
	assert_string_equal(text, want);
	free(text);
	json_decref(result);
}

static int
setup(void **state)
{
	struct datapath_options options = {.hugepages = false};
	struct err err = {0};

	(void)state;
	loop = event_base_new();
	control.started_ns = clock_ns();
	snprintf(directory, sizeof(directory), "/tmp/test_command.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	if (datapath_start(&options, &err) < 0)
		fail_msg("%s", err.text);
	return live_create(&control.live, loop, RIGHTS_ALL_TYPES);
}

static int
teardown(void **state)
{
	(void)state;
	state_clear(&control);
	datapath_stop();
	event_base_free(loop);
	return rmdir(directory);
}

/* Everything that runs ends; the datapath stays for the next test. */
static int
clear(void **state)
{
	(void)state;
	DO("config.apply", "{\"text\": \"\"}");
	assert_int_equal(control.running.port_count, 0);
	return 0;
}

static void
every_verb_has_a_handler(void **state)
{
	struct err err = {0};

	(void)state;
	if (command_check_tables(&err) < 0)
		fail_msg("%s", err.text);
}

static void
bridges(void **state)
{
	(void)state;
	DO("bridge.add", "{\"name\": \"br0\"}");
	DO("bridge.add", "{\"name\": \"br1\", \"ageing\": 5, \"capacity\": 1000}");
	REFUSED(-EEXIST, "\"br0\" exists already", "bridge.add", "{\"name\": \"br0\"}");
	DO("bridge.set", "{\"name\": \"br0\", \"ageing\": 77}");
	expect_member("bridge.show", "{\"name\": \"br0\"}", "rows.0.ageing", "77");
	DO("bridge.set", "{\"name\": \"br0\", \"ageing\": null}");
	expect_member("bridge.show", "{\"name\": \"br0\"}", "rows.0.ageing", "300");
	expect_member("bridge.show", "{}", "rows.1.capacity", "1000");
	expect_member("bridge.show", "{}", "rows.1.entries", "0");
	REFUSED(-ENOENT, "\"br7\" does not exist", "bridge.set",
		"{\"name\": \"br7\", \"ageing\": 5}");
	REFUSED(-ENOENT, "\"br7\" does not exist", "bridge.del", "{\"name\": \"br7\"}");
	REFUSED(-ENOENT, "\"br7\" does not exist", "bridge.show", "{\"name\": \"br7\"}");
	REFUSED(-ERANGE, "ageing", "bridge.set", "{\"name\": \"br0\", \"ageing\": 100000}");
	REFUSED(-EINVAL, "did you mean \"ageing\"", "bridge.add",
		"{\"name\": \"b\", \"agein\": 1}");
	DO("port.add", "{\"name\": \"n\", \"type\": \"null\", \"bridge\": \"br0\"}");
	REFUSED(-EBUSY, "has 1 port (n): delete them", "bridge.del", "{\"name\": \"br0\"}");
	expect_member("bridge.show", "{}", "rows.0.port_names", "[\"n\"]");
	DO("port.del", "{\"name\": \"n\"}");
	DO("bridge.del", "{\"name\": \"br0\"}");
	expect_member("bridge.show", "{}", "rows.1", "absent");
}

static void
ports(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/vm1.sock", directory);
	DO("bridge.add", "{\"name\": \"br0\"}");
	DO("port.add",
		"{\"name\": \"vm1\", \"type\": \"vhost-user\", \"bridge\": \"br0\", \"path\": \"%s\", "
		"\"queues\": 2, \"mac\": \"52:54:00:00:00:01\"}",
		path);
	assert_int_equal(access(path, F_OK), 0);
	expect_member("port.show", "{}", "rows.0.link", "\"down\"");
	expect_member("port.show", "{}", "rows.0.reason", "\"waiting for a connection\"");
	expect_member("port.show", "{}", "rows.0.profile", "\"vm\"");
	expect_member("port.show", "{}", "rows.0.mac_lock", "true");
	expect_member("port.show", "{}", "rows.0.storm_unknown", "1000");
	expect_member("port.show", "{}", "rows.0.vlan_mode", "\"trunk\"");
	expect_member("port.show", "{}", "rows.0.vhost.connected", "false");
	expect_member("port.show", "{}", "rows.0.workers", "[0,0]");
	DO("port.set", "{\"name\": \"vm1\", \"tag\": 7}");
	expect_member("port.show", "{\"name\": \"vm1\"}", "rows.0.vlan_mode", "\"access\"");
	expect_member("port.show", "{\"name\": \"vm1\"}", "rows.0.tag", "7");
	REFUSED(-EINVAL, "cannot be changed", "port.set", "{\"name\": \"vm1\", \"queues\": 4}");
	REFUSED(-EEXIST, "belongs to port \"vm1\"", "port.add",
		"{\"name\": \"vm2\", \"type\": \"vhost-user\", \"path\": \"%s\"}", path);
	REFUSED(-EEXIST, "\"vm1\" exists already", "port.add",
		"{\"name\": \"vm1\", \"type\": \"null\"}");
	REFUSED(-ENOENT, "mkdir -p /nowhere", "port.add",
		"{\"name\": \"vm2\", \"type\": \"vhost-user\", \"path\": \"/nowhere/x\"}");
	REFUSED(-ENOENT, "bridge \"br9\" does not exist", "port.set",
		"{\"name\": \"vm1\", \"bridge\": \"br9\"}");
	REFUSED(-ENOENT, "\"vm9\" does not exist", "port.del", "{\"name\": \"vm9\"}");
	REFUSED(-ENOENT, "\"vm9\" does not exist", "port.set", "{\"name\": \"vm9\", \"tag\": 5}");
	REFUSED(-ENODEV, "does not exist", "port.add",
		"{\"name\": \"p\", \"type\": \"afpacket\", \"dev\": \"no_such_if\"}");
	REFUSED(-EINVAL, "no_such_user", "port.add",
		"{\"name\": \"v\", \"type\": \"vhost-user\", \"path\": \"%s/v\", \"socket_owner\": "
		"\"no_such_user\"}",
		directory);
	expect_member("port.show", "{}", "rows.1", "absent");
	expect_member("stats.show", "{}", "rows.0.rx_packets", "0");
	expect_member("stats.show", "{\"port\": \"vm1\"}", "rows.0.drops", "{}");
	REFUSED(-ENOENT, "does not exist", "stats.show", "{\"port\": \"vm9\"}");
	DO("port.del", "{\"name\": \"vm1\"}");
	assert_int_equal(access(path, F_OK), -1);
}

static void
addresses(void **state)
{
	(void)state;
	DO("bridge.add", "{\"name\": \"br0\"}");
	DO("bridge.add", "{\"name\": \"br1\"}");
	DO("port.add", "{\"name\": \"n\", \"type\": \"null\", \"bridge\": \"br0\"}");
	DO("fdb.add", "{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"n\"}");
	DO("fdb.add",
		"{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"n\", \"vlan\": 5}");
	REFUSED(-EEXIST, "static already", "fdb.add",
		"{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"n\"}");
	REFUSED(-EINVAL, "not a port of bridge \"br1\"", "fdb.add",
		"{\"bridge\": \"br1\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"n\"}");
	expect_member("fdb.show", "{\"vlan\": 5}", "rows.0.type", "\"static\"");
	expect_member("fdb.show", "{\"vlan\": 5}", "rows.1", "absent");
	expect_member("fdb.show", "{\"mac\": \"02:00:00:00:00:01\"}", "rows.1.port", "\"n\"");
	expect_member("fdb.show", "{\"bridge\": \"br1\"}", "rows", "[]");
	REFUSED(-ENOENT, "does not exist", "fdb.show", "{\"bridge\": \"br7\"}");
	expect_member("fdb.flush", "{}", "flushed", "0");
	expect_member("fdb.flush", "{\"vlan\": 5, \"static\": true}", "flushed", "1");
	assert_int_equal(control.running.fdb_count, 1);
	REFUSED(-ENOENT, "does not know address", "fdb.del",
		"{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\", \"vlan\": 5}");
	DO("fdb.del", "{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\"}");
	expect_member("fdb.show", "{}", "rows", "[]");
	/* They go with their port, to another bridge and to the end. */
	DO("fdb.add", "{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"n\"}");
	DO("port.set", "{\"name\": \"n\", \"bridge\": \"br1\"}");
	assert_int_equal(control.running.fdb_count, 0);
	expect_member("fdb.show", "{}", "rows", "[]");
	DO("fdb.add", "{\"bridge\": \"br1\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"n\"}");
	DO("port.del", "{\"name\": \"n\"}");
	expect_member("fdb.show", "{}", "rows", "[]");
}

/* A large table is listed in part, and says so. */
static void
large_tables(void **state)
{
	struct fdb *fdb;

	(void)state;
	DO("bridge.add", "{\"name\": \"br0\"}");
	DO("port.add",
		"{\"name\": \"n\", \"type\": \"null\", \"bridge\": \"br0\", \"mac_limit\": 60000}");
	fdb = datapath_bridge_fdb(control.live->bridges[0].bridge);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t mac[] = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		fdb_learn(fdb, fdb_make_key(mac, 0), live_port(control.live, "n")->port->index,
			datapath_now_s());
	}
	expect_member("fdb.show", "{}", "truncated", "true");
	expect_member("fdb.show", "{}", "rows.9999.port", "\"n\"");
	expect_member("fdb.show", "{}", "rows.10000", "absent");
	expect_member("fdb.show", "{\"mac\": \"02:00:00:00:12:34\"}", "truncated", "absent");
	expect_member("fdb.show", "{\"mac\": \"02:00:00:00:12:34\"}", "rows.0.type", "\"learnt\"");
	expect_member("fdb.show", "{\"limit\": 30000}", "truncated", "absent");
	expect_member("fdb.flush", "{\"port\": \"n\"}", "flushed", "20000");
}

static void
workers(void **state)
{
	(void)state;
	DO("port.add", "{\"name\": \"n\", \"type\": \"null\"}");
	expect_member("worker.show", "{}", "rows.0.queues", "1");
	expect_member("worker.show", "{}", "rows.0.queue_list", "[{\"port\":\"n\",\"queue\":0}]");
	expect_member("worker.show", "{}", "rows.1", "absent");
	DO("worker.reset", "{}");
	DO("worker.reset", "{\"worker\": 0}");
	DO("worker.set", "{\"worker\": 0, \"port\": \"n\", \"queue\": 0}");
	REFUSED(-ENOENT, "worker 5 does not exist", "worker.reset", "{\"worker\": 5}");
	REFUSED(-ENOENT, "worker 5 does not exist", "worker.set",
		"{\"worker\": 5, \"port\": \"n\", \"queue\": 0}");
	REFUSED(-ENOENT, "no queue 3", "worker.set",
		"{\"worker\": 0, \"port\": \"n\", \"queue\": 3}");
	REFUSED(-ENOENT, "\"x\" does not exist", "worker.set",
		"{\"worker\": 0, \"port\": \"x\", \"queue\": 0}");
}

static void
daemon_itself(void **state)
{
	(void)state;
	expect_member("daemon.ping", "{}", "", "{}");
	expect_member("daemon.version", "{}", "version", "\"" PATCHBAY_VERSION "\"");
	expect_member("daemon.version", "{}", "api", "1");
	REFUSED(-ENOSYS, "no method", "daemon.nope", "{}");
}

static void
permissions(void **state)
{
	struct rpc_error error = {0};
	json_t *result;

	(void)state;
	assert_null(command_call(&control, "bridge.add", NULL, &guest, &error));
	assert_int_equal(error.code, API_DENIED);
	assert_int_equal(error.err.code, -EPERM);
	result = command_call(&control, "bridge.show", NULL, &guest, &error);
	assert_non_null(result);
	json_decref(result);
}

#define APPLY \
	"{\"text\": \"bridges: {br0: }\\nports: {vm1: {type: vhost-user, bridge: br0, path: %s}%s}\"}"

/* A configuration that fails half way changes nothing, nor disturbs what runs. */
static void
configurations(void **state)
{
	char path[128], other[128];
	const struct port *port;

	(void)state;
	snprintf(path, sizeof(path), "%s/vm1.sock", directory);
	snprintf(other, sizeof(other), "%s/vm2.sock", directory);
	DO("config.apply", APPLY, path, "");
	port = live_port(control.live, "vm1")->port;
	REFUSED(-ENOENT, "configuration: port \"x\": cannot create socket /nowhere/x",
		"config.apply", APPLY, path,
		", n: {type: \\\"null\\\"}, x: {type: vhost-user, path: /nowhere/x}");
	assert_int_equal(control.running.port_count, 1);
	assert_null(live_port(control.live, "n"));
	assert_null(live_port(control.live, "x"));
	assert_ptr_equal(live_port(control.live, "vm1")->port, port);
	/* A rebuilt port is rebuilt as it was. */
	REFUSED(-ENOENT, "/nowhere/x", "config.apply", APPLY, other,
		", x: {type: vhost-user, path: /nowhere/x}");
	assert_string_equal(control.running.ports[0].path, path);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(other, F_OK), -1);
	/* Nothing happens in a dry run. */
	expect_member("config.apply", "{\"text\": \"\", \"dry_run\": true}", "changes",
		"[\"del port vm1\",\"del bridge br0\"]");
	assert_int_equal(access(path, F_OK), 0);
	DO("config.apply", APPLY, other, "");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
	REFUSED(-EINVAL, "f.yaml:1: ", "config.apply",
		"{\"text\": \"a: [\", \"source\": \"f.yaml\"}");
}

/* What is shown is what runs. */
static void
config_round_trip(void **state)
{
	struct rpc_error error;
	json_t *shown, *params, *result;

	(void)state;
	DO("bridge.add", "{\"name\": \"br0\", \"flood_vlans\": \"1-3\"}");
	DO("port.add",
		"{\"name\": \"vm1\", \"type\": \"vhost-user\", \"bridge\": \"br0\", \"path\": "
		"\"%s/a\", \"mode\": \"client\", \"trunks\": [5, 6]}",
		directory);
	DO("fdb.add", "{\"bridge\": \"br0\", \"mac\": \"02:00:00:00:00:01\", \"port\": \"vm1\"}");
	shown = call(&error, "config.show", "{}");
	assert_non_null(shown);
	params = json_pack("{s:O}", "text", json_object_get(shown, "text"));
	result = command_call(&control, "config.apply", params, &root, &error);
	assert_non_null(result);
	assert_int_equal(json_array_size(json_object_get(result, "changes")), 0);
	json_decref(result);
	json_decref(params);
	json_decref(shown);
}

static bool
has_no_popcnt(const char *name)
{
	return strcmp(name, "popcnt") != 0;
}

static void
unsupported_cpu(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(cpu_check(cpu_has, &err), 0);
	assert_int_equal(cpu_check(has_no_popcnt, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "this CPU lacks popcnt"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_has_a_handler),
		cmocka_unit_test(unsupported_cpu),
		cmocka_unit_test_setup_teardown(bridges, NULL, clear),
		cmocka_unit_test_setup_teardown(ports, NULL, clear),
		cmocka_unit_test_setup_teardown(addresses, NULL, clear),
		cmocka_unit_test_setup_teardown(large_tables, NULL, clear),
		cmocka_unit_test_setup_teardown(workers, NULL, clear),
		cmocka_unit_test(daemon_itself),
		cmocka_unit_test(permissions),
		cmocka_unit_test_setup_teardown(configurations, NULL, clear),
		cmocka_unit_test_setup_teardown(config_round_trip, NULL, clear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
