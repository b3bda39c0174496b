/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/model.h"

static void
load(const struct noun *noun, void *object, const char *members)
{
	json_t *json = json_loads(members, 0, NULL);
	struct err err = {0};

	assert_non_null(json);
	schema_defaults(noun, object);
	if (schema_load(noun, object, json, false, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(json);
}

static void
add_bridge(struct model *m, const char *members)
{
	struct bridge_config config;

	load(&noun_bridge, &config, members);
	assert_int_equal(model_add_bridge(m, &config, NULL), 0);
}

static void
add_port(struct model *m, const char *members)
{
	struct port_config config;

	load(&noun_port, &config, members);
	assert_int_equal(model_add_port(m, &config, NULL), 0);
}

static void
add_fdb(struct model *m, const char *members)
{
	struct fdb_config config;

	load(&noun_fdb, &config, members);
	assert_int_equal(model_add_fdb(m, &config, NULL), 0);
}

/* Two bridges, a port on each, a static address. */
static struct model
sample(void)
{
	struct model m = {0};

	add_bridge(&m, "{\"name\": \"br0\"}");
	add_bridge(&m, "{\"name\": \"br1\"}");
	add_port(&m, "{\"name\": \"vm1\", \"type\": \"vhost-user\", \"bridge\": \"br0\", "
		     "\"path\": \"/run/vm1\", \"mac\": \"52:54:00:00:00:01\"}");
	add_port(&m,
		"{\"name\": \"t1\", \"type\": \"tap\", \"bridge\": \"br1\", \"dev\": \"tap1\"}");
	add_fdb(&m, "{\"bridge\": \"br0\", \"mac\": \"52:54:00:00:00:09\", \"port\": \"vm1\"}");
	return m;
}

static void
expect(struct model *m, int code, const char *words, const struct noun *noun, unsigned index,
	const char *key)
{
	struct model_fault fault;
	struct err err = {0};
	int rc = model_check(m, &fault, &err);

	if (rc != code)
		fail_msg("%d instead of %d: %s", rc, code, err.text);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	assert_ptr_equal(fault.noun, noun);
	assert_int_equal(fault.index, index);
	if (key)
		assert_string_equal(fault.key, key);
	else
		assert_null(fault.key);
	model_free(m);
}

static void
copies_and_deletes(void **state)
{
	struct model m = sample(), copy;
	struct err err = {0};

	(void)state;
	assert_int_equal(model_check(&m, NULL, &err), 0);
	assert_int_equal(model_copy(&copy, &m), 0);
	model_del_port(&copy, model_port(&copy, "vm1"));
	assert_int_equal(copy.port_count, 1);
	assert_int_equal(copy.fdb_count, 0); /* went with its port */
	assert_null(model_port(&copy, "vm1"));
	assert_string_equal(copy.ports[0].name, "t1");
	model_del_bridge(&copy, model_bridge(&copy, "br0"));
	assert_null(model_bridge(&copy, "br0"));
	assert_int_equal(model_check(&copy, NULL, &err), 0);
	/* A copy that shrank grows again. */
	add_port(&copy, "{\"name\": \"n1\", \"type\": \"null\", \"bridge\": \"br1\"}");
	add_port(&copy, "{\"name\": \"n2\", \"type\": \"null\", \"bridge\": \"br1\"}");
	assert_int_equal(model_check(&copy, NULL, &err), 0);
	assert_int_equal(m.port_count, 2);
	assert_non_null(model_fdb(&m, "br0", &m.fdb[0].mac, 0));
	assert_null(model_fdb(&m, "br0", &m.fdb[0].mac, 1));
	model_free(&copy);
	model_free(&m);
}

static void
refuses_duplicates(void **state)
{
	struct model m;

	(void)state;
	m = sample();
	add_bridge(&m, "{\"name\": \"br0\"}");
	expect(&m, -EEXIST, "bridge \"br0\" exists already", &noun_bridge, 2, "name");
	m = sample();
	add_port(&m, "{\"name\": \"vm1\", \"type\": \"null\"}");
	expect(&m, -EEXIST, "port \"vm1\" exists already", &noun_port, 2, "name");
	m = sample();
	add_port(&m, "{\"name\": \"vm2\", \"type\": \"vhost-user\", \"path\": \"/run/vm1\"}");
	expect(&m, -EEXIST, "port \"vm2\": path /run/vm1 belongs to port \"vm1\" already",
		&noun_port, 2, "path");
	m = sample();
	add_port(&m, "{\"name\": \"p\", \"type\": \"afpacket\", \"dev\": \"tap1\"}");
	expect(&m, -EEXIST, "dev tap1 belongs to port \"t1\"", &noun_port, 2, "dev");
	m = sample();
	add_port(&m, "{\"name\": \"p1\", \"type\": \"pcap\", \"file\": \"/f\"}");
	add_port(&m, "{\"name\": \"p2\", \"type\": \"pcap\", \"file\": \"/f\"}");
	expect(&m, -EEXIST, "file /f belongs to port \"p1\"", &noun_port, 3, "file");
	m = sample();
	add_fdb(&m, "{\"bridge\": \"br0\", \"mac\": \"52:54:00:00:00:09\", \"port\": \"vm1\"}");
	expect(&m, -EEXIST, "given already", &noun_fdb, 1, NULL);
}

static void
one_mac_per_bridge(void **state)
{
	struct model m = sample();

	(void)state;
	add_port(&m, "{\"name\": \"n\", \"type\": \"null\", \"bridge\": \"br1\", "
		     "\"mac\": \"52:54:00:00:00:01\"}");
	assert_int_equal(model_check(&m, NULL, NULL), 0);
	strcpy(m.ports[2].bridge, "br0");
	expect(&m, -EEXIST, "mac 52:54:00:00:00:01 on bridge br0 belongs to port \"vm1\"",
		&noun_port, 2, "mac");
}

static void
refuses_what_does_not_exist(void **state)
{
	struct model m;

	(void)state;
	m = sample();
	add_port(&m, "{\"name\": \"n\", \"type\": \"null\", \"bridge\": \"br7\"}");
	expect(&m, -ENOENT, "bridge \"br7\" does not exist: add it with", &noun_port, 2, "bridge");
	m = sample();
	add_fdb(&m, "{\"bridge\": \"br7\", \"mac\": \"52:54:00:00:00:0a\", \"port\": \"vm1\"}");
	expect(&m, -ENOENT, "bridge \"br7\" does not exist", &noun_fdb, 1, "bridge");
	m = sample();
	add_fdb(&m, "{\"bridge\": \"br0\", \"mac\": \"52:54:00:00:00:0a\", \"port\": \"vm7\"}");
	expect(&m, -ENOENT, "port \"vm7\" does not exist", &noun_fdb, 1, "port");
	m = sample();
	add_fdb(&m, "{\"bridge\": \"br0\", \"mac\": \"52:54:00:00:00:0a\", \"port\": \"t1\"}");
	expect(&m, -EINVAL, "not a port of bridge \"br0\" but of \"br1\"", &noun_fdb, 1, "port");
}

static void
refuses_keys_that_do_not_suit(void **state)
{
	struct model m;

	(void)state;
	m = sample();
	add_port(&m, "{\"name\": \"n\", \"type\": \"null\", \"vlan_mode\": \"access\"}");
	expect(&m, -EINVAL, "vlan_mode=access needs a VLAN", &noun_port, 2, "vlan_mode");
	m = sample();
	add_port(&m, "{\"name\": \"n\", \"type\": \"null\", \"cvlans\": \"1-5\"}");
	expect(&m, -EINVAL, "cvlans is for ports with vlan_mode=dot1q-tunnel", &noun_port, 2,
		"cvlans");
	m = sample();
	add_port(&m, "{\"name\": \"n\", \"type\": \"vhost-user\"}");
	expect(&m, -EINVAL, "needs path=", &noun_port, 2, NULL);
	/* A tag alone makes an access port. */
	m = sample();
	add_port(&m, "{\"name\": \"n\", \"type\": \"null\", \"tag\": 5}");
	assert_int_equal(model_check(&m, NULL, NULL), 0);
	model_free(&m);
}

static void
holds_limits(void **state)
{
	struct model m = sample();
	struct port_config port = m.ports[1];
	struct fdb_config fdb = m.fdb[0];
	struct err err = {0};

	(void)state;
	while (m.port_count < CONFIG_PORTS_MAX) {
		snprintf(port.name, sizeof(port.name), "p%u", m.port_count);
		snprintf(port.dev, sizeof(port.dev), "d%u", m.port_count);
		assert_int_equal(model_add_port(&m, &port, &err), 0);
	}
	assert_int_equal(model_check(&m, NULL, &err), 0);
	assert_int_equal(model_add_port(&m, &port, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "1024"));
	/* A bridge's capacity holds for static addresses, too. */
	m.bridges[0].capacity = 64;
	while (m.fdb_count < 65) {
		fdb.mac.b[4] = (uint8_t)m.fdb_count;
		assert_int_equal(model_add_fdb(&m, &fdb, &err), 0);
	}
	assert_int_equal(model_check(&m, NULL, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "capacity of 64"));
	model_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_and_deletes),
		cmocka_unit_test(refuses_duplicates),
		cmocka_unit_test(one_mac_per_bridge),
		cmocka_unit_test(refuses_what_does_not_exist),
		cmocka_unit_test(refuses_keys_that_do_not_suit),
		cmocka_unit_test(holds_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
