/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/apply.h"
#include "control/config_file.h"

static struct model
model_of(const char *yaml)
{
	struct config_file file;
	struct err err = {0};

	if (config_read(&file, "test", yaml, strlen(yaml), &err) < 0)
		fail_msg("%s", err.text);
	document_free(&file.document);
	return file.model;
}

/* Compares the texts of a plan with lines. */
static void
expect_plan(const char *from, const char *to, const char *lines)
{
	struct model a = model_of(from), b = model_of(to);
	char all[8192] = "", text[1024];
	struct plan plan;

	assert_int_equal(plan_make(&plan, &a, &b), 0);
	for (unsigned i = 0; i < plan.count; i++) {
		step_text(&plan.steps[i], text, sizeof(text));
		strcat(strcat(all, text), "\n");
	}
	assert_string_equal(all, lines);
	plan_free(&plan);
	model_free(&a);
	model_free(&b);
}

#define ONE                                                                 \
	"bridges: {br0: }\n"                                                \
	"ports:\n"                                                          \
	"  vm1: {type: vhost-user, bridge: br0, path: /run/vm1, tag: 10}\n" \
	"fdb: [{bridge: br0, mac: \"52:54:00:00:00:01\", port: vm1}]\n"

static void
equal_models_need_nothing(void **state)
{
	(void)state;
	expect_plan(ONE, ONE, "");
	expect_plan("", "", "");
}

static void
builds_up_and_tears_down(void **state)
{
	(void)state;
	expect_plan("", ONE,
		"add bridge br0\nadd port vm1\nadd fdb br0 52:54:00:00:00:01 vlan 0 port vm1\n");
	expect_plan(ONE, "",
		"del fdb br0 52:54:00:00:00:01 vlan 0 port vm1\ndel port vm1\ndel bridge br0\n");
}

static void
live_changes_are_sets(void **state)
{
	(void)state;
	expect_plan(ONE,
		"bridges: {br0: {ageing: 60}}\n"
		"ports:\n"
		"  vm1: {type: vhost-user, bridge: br0, path: /run/vm1, tag: 20, mtu: 9000}\n"
		"fdb: [{bridge: br0, mac: \"52:54:00:00:00:01\", port: vm1}]\n",
		"set port vm1 mtu: unset -> 9000, tag: 10 -> 20\nset bridge br0 ageing: 300 -> 60\n");
}

static void
other_changes_rebuild(void **state)
{
	(void)state;
	expect_plan(ONE,
		"bridges: {br0: }\n"
		"ports:\n"
		"  vm1: {type: vhost-user, bridge: br0, path: /run/vm1, tag: 10, queues: 4}\n"
		"fdb: [{bridge: br0, mac: \"52:54:00:00:00:01\", port: vm1}]\n",
		"del fdb br0 52:54:00:00:00:01 vlan 0 port vm1\n"
		"del port vm1\n"
		"add port vm1\n"
		"add fdb br0 52:54:00:00:00:01 vlan 0 port vm1\n");
}

/* What may fail comes before what works is touched. */
static void
additions_come_first(void **state)
{
	(void)state;
	expect_plan(ONE,
		"bridges: {br1: }\nports: {vm2: {type: vhost-user, bridge: br1, path: /run/vm2}}",
		"add bridge br1\n"
		"add port vm2\n"
		"del fdb br0 52:54:00:00:00:01 vlan 0 port vm1\n"
		"del port vm1\n"
		"del bridge br0\n");
}

/* Unless they need what another one has. */
static void
paths_change_hands(void **state)
{
	(void)state;
	expect_plan("ports: {a: {type: vhost-user, path: /a}, b: {type: vhost-user, path: /b}}",
		"ports: {a: {type: vhost-user, path: /b}, b: {type: vhost-user, path: /a}}",
		"del port b\ndel port a\nadd port a\nadd port b\n");
	expect_plan("ports: {a: {type: tap, dev: t0}}", "ports: {b: {type: afpacket, dev: t0}}",
		"del port a\nadd port b\n");
}

/* A port that leaves a bridge leaves it before the bridge goes. */
static void
bridges_are_renamed_under_ports(void **state)
{
	(void)state;
	expect_plan("bridges: {br0: }\nports: {n: {type: \"null\", bridge: br0}}",
		"bridges: {br1: }\nports: {n: {type: \"null\", bridge: br1}}",
		"add bridge br1\nset port n bridge: br0 -> br1\ndel bridge br0\n");
}

/* ---- apply: a switch that is a list of names, and fails where it is told ---- */

struct fake {
	char objects[64][64];
	unsigned count;
	unsigned steps, fail_at, fail_again_at; /* 0 = never */
	unsigned lost;
};

static void
identity(const struct step *step, const void *object, char *name, size_t size)
{
	struct step only = {step->from && step->to ? STEP_ADD_PORT : step->kind, NULL, object};
	char text[1024];

	if (step->from && step->to && step_noun(step) == &noun_bridge)
		only.kind = STEP_ADD_BRIDGE;
	step_text(&only, text, sizeof(text));
	snprintf(name, size, "%.60s", text + 4); /* without the verb */
}

static int
fake_perform(void *arg, const struct step *step, struct err *err)
{
	struct fake *fake = arg;
	char name[64];

	fake->steps++;
	if (fake->steps == fake->fail_at || fake->steps == fake->fail_again_at)
		return err_set(err, -EIO, "told to fail");
	if (step->from && step->to)
		return 0;
	identity(step, step->to ? step->to : step->from, name, sizeof(name));
	if (step->to) {
		for (unsigned i = 0; i < fake->count; i++)
			assert_string_not_equal(fake->objects[i], name);
		strcpy(fake->objects[fake->count++], name);
		return 0;
	}
	for (unsigned i = 0; i < fake->count; i++) {
		if (strcmp(fake->objects[i], name) == 0) {
			memcpy(fake->objects[i], fake->objects[--fake->count], sizeof(name));
			return 0;
		}
	}
	fail_msg("%s is not there", name);
	return 0;
}

static void
fake_lost(void *arg, const struct step *inverse, const struct err *why)
{
	struct fake *fake = arg;

	(void)inverse;
	assert_string_equal(why->text, "told to fail");
	fake->lost++;
}

static const struct apply_ops fake_ops = {fake_perform, fake_lost};

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

#define MANY                                                       \
	"bridges: {br1: , br2: {ageing: 5}}\n"                     \
	"ports:\n"                                                 \
	"  vm1: {type: vhost-user, bridge: br1, path: /run/vm2}\n" \
	"  vm2: {type: vhost-user, bridge: br2, path: /run/vm1}\n" \
	"  n: {type: \"null\"}\n"                                  \
	"fdb: [{bridge: br1, mac: \"52:54:00:00:00:01\", port: vm1}]\n"

/* Wherever it fails, what was there is there again. */
static void
all_or_nothing(void **state)
{
	struct model empty = {0}, a = model_of(ONE), b = model_of(MANY);
	struct plan up, plan;
	struct fake before = {0};

	(void)state;
	assert_int_equal(plan_make(&up, &empty, &a), 0);
	assert_int_equal(apply_plan(&up, &fake_ops, &before, NULL), 0);
	qsort(before.objects, before.count, sizeof(before.objects[0]), compare);
	assert_int_equal(plan_make(&plan, &a, &b), 0);
	assert_true(plan.count >= 8);
	for (unsigned at = 1; at <= plan.count; at++) {
		struct fake fake = before;
		struct err err = {0};

		fake.steps = 0;
		fake.fail_at = at;
		assert_int_equal(apply_plan(&plan, &fake_ops, &fake, &err), -EIO);
		assert_string_equal(err.text, "told to fail");
		assert_int_equal(fake.count, before.count);
		qsort(fake.objects, fake.count, sizeof(fake.objects[0]), compare);
		for (unsigned i = 0; i < fake.count; i++)
			assert_string_equal(fake.objects[i], before.objects[i]);
		assert_int_equal(fake.lost, 0);
		assert_int_equal(fake.steps, 2 * at - 1);
	}
	plan_free(&up);
	plan_free(&plan);
	model_free(&a);
	model_free(&b);
}

static void
what_cannot_be_restored_is_reported(void **state)
{
	struct model a = model_of(ONE), b = model_of(MANY);
	struct fake fake = {.fail_at = 3, .fail_again_at = 4};
	struct plan plan;

	(void)state;
	strcpy(fake.objects[fake.count++], "port vm1");
	strcpy(fake.objects[fake.count++], "fdb br0 52:54:00:00:00:01 vlan 0 port vm1");
	assert_int_equal(plan_make(&plan, &a, &b), 0);
	assert_int_equal(apply_plan(&plan, &fake_ops, &fake, NULL), -EIO);
	assert_int_equal(fake.lost, 1);
	assert_int_equal(fake.steps, 5);
	plan_free(&plan);
	model_free(&a);
	model_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_models_need_nothing),
		cmocka_unit_test(builds_up_and_tears_down),
		cmocka_unit_test(live_changes_are_sets),
		cmocka_unit_test(other_changes_rebuild),
		cmocka_unit_test(additions_come_first),
		cmocka_unit_test(paths_change_hands),
		cmocka_unit_test(bridges_are_renamed_under_ports),
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(what_cannot_be_restored_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
