/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A topology of our own, without workers: port 0 asks, ports 1 and 2 have addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/neighbours.h"

#define ADDRESSES 256

static struct topology topology;
static int present[ADDRESSES]; /* by the last byte of the address */

static struct mac
host(unsigned i)
{
	return (struct mac){{0x52, 0x54, 0, 0, 1, (uint8_t)i}};
}

static fdb_key
key(unsigned i, unsigned vlan)
{
	struct mac mac = host(i);

	return fdb_make_key(mac.b, vlan);
}

static void
count(struct port *port, const struct mac *mac, unsigned vlan, bool there)
{
	(void)vlan;
	assert_int_equal(port->index, 0);
	present[mac->b[5]] += there ? 1 : -1;
	assert_true(present[mac->b[5]] >= 0);
}

static const struct port_ops asking = {.type = "asking", .neighbour = count};
static const struct port_ops plain = {.type = "plain"};
static struct port ports[3];

static int
setup(void **state)
{
	(void)state;
	memset(&topology, 0, sizeof(topology));
	memset(present, 0, sizeof(present));
	for (unsigned b = 0; b < 2; b++) {
		topology.bridges[b].used = true;
		assert_int_equal(fdb_create(&topology.bridges[b].fdb, 1024, NULL), 0);
	}
	for (unsigned p = 0; p < 3; p++) {
		port_init(&ports[p], p ? &plain : &asking, "port", 1, 1);
		ports[p].index = (uint16_t)p;
		topology.ports[p].port = &ports[p];
		topology.ports[p].settings.bridge = 0;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fdb_destroy(topology.bridges[0].fdb);
	fdb_destroy(topology.bridges[1].fdb);
	return 0;
}

static void
test_learnt_moved_and_forgotten(void **state)
{
	struct fdb *fdb = topology.bridges[0].fdb;

	(void)state;
	fdb_learn(fdb, key(1, 0), 1, 10);
	fdb_learn(fdb, key(9, 0), 0, 10);
	neighbours_join(&topology, 0);
	assert_int_equal(present[1], 1);
	assert_int_equal(present[9], 0);

	fdb_learn(fdb, key(2, 0), 2, 10);
	fdb_learn(fdb, key(2, 7), 2, 10);
	assert_int_equal(present[2], 2);
	fdb_learn(fdb, key(2, 7), 1, 10); /* from a neighbour to a neighbour */
	assert_int_equal(present[2], 2);
	fdb_learn(fdb, key(2, 7), 0, 10); /* to the port itself */
	assert_int_equal(present[2], 1);
	fdb_learn(fdb, key(2, 7), 1, 10);
	assert_int_equal(present[2], 2);

	fdb_age(fdb, 10 + 400, 300);
	for (unsigned i = 0; i < ADDRESSES; i++)
		assert_int_equal(present[i], 0);
}

static void
test_static_address_becomes_and_ends(void **state)
{
	struct fdb *fdb = topology.bridges[0].fdb;

	(void)state;
	neighbours_join(&topology, 0);
	fdb_learn(fdb, key(3, 0), 1, 10);
	assert_int_equal(fdb_add_static(fdb, key(3, 0), 1), 0);
	assert_int_equal(present[3], 1);
	assert_int_equal(fdb_del(fdb, key(3, 0)), 0);
	assert_int_equal(present[3], 0);
}

static void
test_given_addresses(void **state)
{
	(void)state;
	topology.ports[1].settings.mac = host(4);
	neighbours_join(&topology, 0);
	assert_int_equal(present[4], 1);

	neighbours_leave(&topology, 1, false);
	assert_int_equal(present[4], 0);
	topology.ports[1].settings.mac = host(5);
	neighbours_join(&topology, 1);
	assert_int_equal(present[5], 1);
	neighbours_leave(&topology, 1, true);
	assert_int_equal(present[5], 0);
}

static void
test_port_changes_its_bridge(void **state)
{
	(void)state;
	fdb_learn(topology.bridges[0].fdb, key(6, 0), 1, 10);
	fdb_learn(topology.bridges[1].fdb, key(7, 0), 2, 10);
	topology.ports[2].settings.bridge = 1;
	neighbours_join(&topology, 0);
	assert_int_equal(present[6], 1);
	assert_int_equal(present[7], 0);

	neighbours_leave(&topology, 0, false);
	topology.ports[0].settings.bridge = 1;
	neighbours_join(&topology, 0);
	assert_int_equal(present[6], 0);
	assert_int_equal(present[7], 1);
	/* The bridge that was left has nothing to say. */
	fdb_learn(topology.bridges[0].fdb, key(8, 0), 1, 10);
	assert_int_equal(present[8], 0);

	neighbours_leave(&topology, 0, true);
	fdb_learn(topology.bridges[1].fdb, key(8, 0), 2, 10);
	assert_int_equal(present[8], 0);
	assert_int_equal(present[7], 1); /* told nothing any more */
}

static void
test_table_of_another_size(void **state)
{
	struct fdb *old = topology.bridges[0].fdb, *fdb;

	(void)state;
	neighbours_join(&topology, 0);
	for (unsigned i = 0; i < 200; i++)
		fdb_learn(old, key(i, 0), 1, 10);
	assert_int_equal(fdb_create(&fdb, 64, NULL), 0);
	fdb_copy(fdb, old);
	topology.bridges[0].fdb = fdb;
	neighbours_renew(&topology, 0, old);
	fdb_destroy(old);

	for (unsigned i = 0; i < 200; i++) {
		uint32_t value;
		bool kept = fdb_lookup(fdb, fdb_hash(fdb, key(i, 0)), key(i, 0), &value);

		assert_int_equal(present[i], kept);
	}
	fdb_flush(fdb, &(struct fdb_filter){.port = -1, .vlan = -1});
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(present[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learnt_moved_and_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_static_address_becomes_and_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_port_changes_its_bridge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_of_another_size, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
