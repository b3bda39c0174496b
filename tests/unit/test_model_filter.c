/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of filters and sets of addresses in a model, and the plans between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "control/plan.h"

static int
add_rule(struct model *m, const char *port, int direction, uint32_t priority)
{
	struct filter_config f;

	schema_defaults(&noun_filter, &f);
	snprintf(f.port, sizeof(f.port), "%s", port);
	f.direction = direction;
	f.priority = priority;
	f.action = FILTER_DENY;
	return model_add_filter(m, &f, NULL);
}

static int
add_addresses(struct model *m, const char *set, const char *text)
{
	struct ip_prefix *list;
	unsigned count;
	int rc = set_addresses_parse(text, &list, &count, NULL);

	if (rc < 0)
		return rc;
	rc = model_add_set(m, set, list, count, NULL);
	free(list);
	return rc;
}

static void
rules_stand_in_order(void **state)
{
	struct model m = {0}, copy;

	(void)state;
	assert_int_equal(add_rule(&m, "b", FILTER_IN, 20), 0);
	assert_int_equal(add_rule(&m, "b", FILTER_OUT, 5), 0);
	assert_int_equal(add_rule(&m, "a", FILTER_IN, 7), 0);
	assert_int_equal(add_rule(&m, "b", FILTER_IN, 10), 0);
	assert_int_equal(add_rule(&m, "b", FILTER_IN, 10), -EEXIST);
	assert_int_equal(m.filter_count, 4);
	assert_string_equal(m.filters[0].port, "a");
	assert_int_equal(m.filters[1].priority, 10);
	assert_int_equal(m.filters[2].priority, 20);
	assert_int_equal(m.filters[3].direction, FILTER_OUT);
	assert_ptr_equal(model_first_filter(&m, "b"), &m.filters[1]);
	assert_int_equal(model_group_filters(&m.filters[1]), 3);
	assert_int_equal(model_group_filters(NULL), 0);
	assert_null(model_filter(&m, "b", FILTER_IN, 11));

	assert_int_equal(model_copy(&copy, &m), 0);
	model_del_filter(&copy, model_filter(&copy, "b", FILTER_IN, 20));
	assert_int_equal(model_group_filters(model_first_filter(&copy, "b")), 2);
	assert_int_equal(model_put_filters(&copy, "b", model_first_filter(&m, "b"), NULL), 0);
	assert_memory_equal(copy.filters, m.filters, 4 * sizeof(*m.filters));
	assert_int_equal(model_put_filters(&copy, "a", NULL, NULL), 0);
	assert_int_equal(copy.filter_count, 3);
	model_free(&copy);
	model_free(&m);
}

static void
sets_hold_each_address_once(void **state)
{
	struct ip_prefix *list;
	struct model m = {0};
	unsigned count;

	(void)state;
	assert_int_equal(add_addresses(&m, "s", "10.0.0.1, 10.0.0.0/8\n# all\n2001:db8::/32"), 0);
	assert_int_equal(add_addresses(&m, "s", "10.0.0.1,02:00:00:00:00:01"), 0);
	assert_int_equal(add_addresses(&m, "r", ""), 0);
	assert_int_equal(model_group_set(model_first_set(&m, "s")), 5);
	assert_int_equal(model_group_set(model_first_set(&m, "r")), 1);
	assert_int_equal(model_first_set(&m, "s")->address.version, SET_ITSELF);
	assert_null(model_first_set(&m, "t"));
	assert_int_equal(set_addresses_parse("10.0.0.1,10.0.0.1/8", &list, &count, NULL), -EINVAL);

	assert_int_equal(set_addresses_parse("10.0.0.1 10.0.0.2", &list, &count, NULL), 0);
	assert_int_equal(model_del_set_addresses(&m, "s", list, 2, NULL), -ENOENT);
	assert_int_equal(model_group_set(model_first_set(&m, "s")), 5);
	assert_int_equal(model_del_set_addresses(&m, "s", list, 1, NULL), 0);
	free(list);
	assert_int_equal(model_group_set(model_first_set(&m, "s")), 4);
	model_del_set(&m, "s");
	assert_int_equal(m.set_count, 1);
	model_free(&m);
}

static void
plans_bring_rules_before_and_take_them_behind(void **state)
{
	struct model from = {0}, to;
	struct plan plan;
	char text[256];

	(void)state;
	assert_int_equal(add_addresses(&from, "s", "10.0.0.1"), 0);
	assert_int_equal(add_rule(&from, "a", FILTER_IN, 1), 0);
	assert_int_equal(add_rule(&from, "b", FILTER_IN, 1), 0);
	assert_int_equal(model_copy(&to, &from), 0);
	assert_int_equal(plan_make(&plan, &from, &to), 0);
	assert_int_equal(plan.count, 0);
	plan_free(&plan);

	assert_int_equal(add_rule(&to, "a", FILTER_OUT, 1), 0);
	model_put_filters(&to, "b", NULL, NULL);
	model_del_set(&to, "s");
	assert_int_equal(add_addresses(&to, "t", "10.0.0.1"), 0);
	assert_int_equal(plan_make(&plan, &from, &to), 0);
	assert_int_equal(plan.count, 4);
	step_text(&plan.steps[0], text, sizeof(text));
	assert_string_equal(text, "add set t: 1 addresses");
	step_text(&plan.steps[1], text, sizeof(text));
	assert_string_equal(text, "set filter of port a: 1 -> 2 rules");
	step_text(&plan.steps[2], text, sizeof(text));
	assert_string_equal(text, "set filter of port b: 1 -> 0 rules");
	step_text(&plan.steps[3], text, sizeof(text));
	assert_string_equal(text, "del set s: 1 addresses");
	plan_free(&plan);
	model_free(&from);
	model_free(&to);
}

static void
others_keep_their_ports(void **state)
{
	struct model running = {0}, file = {0}, shown;
	struct bridge_config bridge;
	struct port_config port;
	struct fdb_config fdb;
	struct err err = {0};

	(void)state;
	schema_defaults(&noun_bridge, &bridge);
	strcpy(bridge.name, "br0");
	schema_defaults(&noun_port, &port);
	port.type = PORT_TYPE_NULL;
	strcpy(port.name, "vm1.0");
	strcpy(port.bridge, "br0");
	strcpy(port.owner, "vm:vm1");
	schema_defaults(&noun_fdb, &fdb);
	strcpy(fdb.bridge, "br0");
	strcpy(fdb.port, "vm1.0");
	fdb.mac.b[0] = 2;
	assert_int_equal(model_add_bridge(&running, &bridge, NULL), 0);
	assert_int_equal(model_add_port(&running, &port, NULL), 0);
	assert_int_equal(model_add_fdb(&running, &fdb, NULL), 0);
	assert_int_equal(add_rule(&running, "vm1.0", FILTER_IN, 10), 0);
	strcpy(running.filters[0].src_set, "good");
	assert_int_equal(add_addresses(&running, "good", "10.0.0.1,10.0.0.2"), 0);
	assert_int_equal(add_addresses(&running, "other", "10.0.0.3"), 0);
	assert_int_equal(model_check(&running, NULL, &err), 0);

	/* What is shown has none of it, but for the sets. */
	assert_int_equal(model_copy_unowned(&shown, &running), 0);
	assert_int_equal(shown.port_count + shown.fdb_count + shown.filter_count, 0);
	assert_int_equal(shown.set_count, 5);
	model_free(&shown);

	/* A file without its bridge cannot be applied; one with it gets all that the port has. */
	assert_int_equal(model_keep_owned(&file, &running, &err), -EBUSY);
	assert_non_null(strstr(err.text, "vm:vm1"));
	assert_int_equal(model_add_bridge(&file, &bridge, NULL), 0);
	assert_int_equal(model_keep_owned(&file, &running, &err), 0);
	assert_int_equal(model_check(&file, NULL, &err), 0);
	assert_memory_equal(&file.ports[0], &running.ports[0], sizeof(port));
	assert_int_equal(file.fdb_count, 1);
	assert_int_equal(file.filter_count, 1);
	assert_int_equal(file.set_count, 3);
	assert_null(model_first_set(&file, "other"));

	/* As it runs, not as the file has it; and not somebody else's under the same name. */
	file.ports[0].mtu = 1400;
	assert_int_equal(model_keep_owned(&file, &running, &err), 0);
	assert_int_equal(file.port_count, 1);
	assert_int_equal(file.ports[0].mtu, 0);
	assert_int_equal(file.fdb_count, 1);
	file.ports[0].owner[0] = '\0';
	assert_int_equal(model_keep_owned(&file, &running, &err), -EEXIST);
	assert_non_null(strstr(err.text, "\"vm1.0\" belongs to vm:vm1"));
	model_free(&file);
	model_free(&running);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_stand_in_order),
		cmocka_unit_test(sets_hold_each_address_once),
		cmocka_unit_test(plans_bring_rules_before_and_take_them_behind),
		cmocka_unit_test(others_keep_their_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
