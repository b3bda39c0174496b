/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/events.h"

static int
setup(void **state)
{
	(void)state;
	events_clear();
	return 0;
}

static void
add(unsigned number)
{
	char port[16];
	struct event_subject subject = {.bridge = "br0", .port = port, .vlan = -1};

	/* Of a port each, so that none is held back. */
	snprintf(port, sizeof(port), "p%u", number);
	events_add(EVENT_PORT_BLOCKED, &subject, "number %u", number);
}

static json_t *
list(struct event_query query, size_t rows)
{
	json_t *result = events_list(&query);

	assert_non_null(result);
	assert_int_equal(json_array_size(json_object_get(result, "rows")), rows);
	return result;
}

static json_int_t
number(const json_t *result, const char *name)
{
	return json_integer_value(json_object_get(result, name));
}

static const char *
text(const json_t *result, size_t row, const char *name)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(result, "rows"), row), name));
}

static void
test_members(void **state)
{
	const struct mac mac = {{2, 0, 0, 0, 0, 7}};
	struct event_subject subject = {.bridge = "br0", .port = "vm1", .mac = &mac, .vlan = 10};
	json_t *result, *row;

	(void)state;
	events_add(EVENT_PORT_BLOCKED, &subject, "port \"%s\" is blocked", "vm1");
	events_add(EVENT_PORT_UNBLOCKED, &(struct event_subject){.vlan = -1}, "plain");
	result = list((struct event_query){0}, 2);
	assert_string_equal(text(result, 0, "type"), "port-blocked");
	assert_string_equal(text(result, 0, "level"), "warning");
	assert_string_equal(text(result, 0, "bridge"), "br0");
	assert_string_equal(text(result, 0, "port"), "vm1");
	assert_string_equal(text(result, 0, "mac"), "02:00:00:00:00:07");
	assert_string_equal(text(result, 0, "text"), "port \"vm1\" is blocked");
	assert_int_equal(strlen(text(result, 0, "time")), strlen("2026-01-31T23:59:59.123Z"));
	row = json_array_get(json_object_get(result, "rows"), 0);
	assert_int_equal(json_integer_value(json_object_get(row, "vlan")), 10);
	row = json_array_get(json_object_get(result, "rows"), 1);
	assert_null(json_object_get(row, "vlan"));
	assert_null(json_object_get(row, "mac"));
	assert_null(json_object_get(row, "port"));
	json_decref(result);
}

/* A reader asks from where it was; the list keeps so many and says what was missed. */
static void
test_since(void **state)
{
	json_t *result;

	(void)state;
	result = list((struct event_query){0}, 0);
	assert_int_equal(number(result, "next"), 1);
	json_decref(result);
	for (unsigned i = 1; i <= 10; i++)
		add(i);
	result = list((struct event_query){.since = 8}, 3);
	assert_string_equal(text(result, 0, "text"), "number 8");
	assert_int_equal(number(result, "next"), 11);
	json_decref(result);
	json_decref(list((struct event_query){.since = 11}, 0));
	/* Of a daemon that was started anew meanwhile: all it has. */
	json_decref(list((struct event_query){.since = 1000}, 10));
	result = list((struct event_query){.most = 2}, 2);
	assert_string_equal(text(result, 0, "text"), "number 9");
	json_decref(result);

	for (unsigned i = 11; i <= EVENTS_MAX + 10; i++)
		add(i);
	result = list((struct event_query){.since = 1}, EVENTS_MAX);
	assert_int_equal(number(result, "lost"), 10);
	assert_string_equal(text(result, 0, "text"), "number 11");
	json_decref(result);
	result = list((struct event_query){0}, EVENTS_MAX);
	assert_int_equal(number(result, "lost"), 0);
	json_decref(result);
}

static void
test_filters(void **state)
{
	(void)state;
	add(1);
	add(2);
	events_add(EVENT_PORT_UNBLOCKED,
		&(struct event_subject){.bridge = "br1", .port = "p1", .vlan = -1}, "x");
	json_decref(list((struct event_query){.port = "p1"}, 2));
	json_decref(list((struct event_query){.bridge = "br1"}, 1));
	json_decref(list((struct event_query){.type = "port-blocked"}, 2));
	json_decref(list((struct event_query){.type = "port-blocked", .port = "p1"}, 1));
	json_decref(list((struct event_query){.type = "none"}, 0));
}

/* What happens often about one port does not push out the rest. */
static void
test_burst(void **state)
{
	struct event_subject noisy = {.port = "noisy", .vlan = -1},
			     other = {.port = "o", .vlan = -1};
	json_t *result;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		events_add(EVENT_PORT_BLOCKED, &noisy, "again");
	events_add(EVENT_PORT_BLOCKED, &other, "once");
	events_add(EVENT_PORT_UNBLOCKED, &noisy, "another type");
	/* Twice as many where the period ended meanwhile. */
	result = events_list(&(struct event_query){.port = "noisy", .type = "port-blocked"});
	assert_in_range(
		json_array_size(json_object_get(result, "rows")), EVENTS_BURST, 2 * EVENTS_BURST);
	json_decref(result);
	json_decref(list((struct event_query){.port = "o"}, 1));
	json_decref(list((struct event_query){.type = "port-unblocked"}, 1));
}

/* The page lists every type with its meaning. */
static void
test_documentation(void **state)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/events.md", "r");
	char page[65536], row[512];

	(void)state;
	assert_non_null(file);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	fclose(file);
	for (unsigned i = 0; i < EVENT_COUNT; i++) {
		snprintf(row, sizeof(row), "| `%s` | %s |", event_name((enum event_type)i),
			event_meaning((enum event_type)i));
		if (!strstr(page, row))
			print_error("docs/events.md lacks: %s\n", row);
		assert_non_null(strstr(page, row));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_members, setup),
		cmocka_unit_test_setup(test_since, setup),
		cmocka_unit_test_setup(test_filters, setup),
		cmocka_unit_test_setup(test_burst, setup),
		cmocka_unit_test_setup(test_documentation, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
