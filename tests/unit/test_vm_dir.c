/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names, addresses and disks that belong to one virtual machine at a time; the escape key; what the
 * probe of KVM means in words.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/probe.h"
#include "launcher/terminal.h"
#include "launcher/vm_dir.h"

static char runtime[] = "/tmp/test_vm_dir.XXXXXX";

static void
define(struct vm_definition *def, const char *name, const char *parts)
{
	json_t *json = json_pack("{s:s, s:s}", "name", name, "kernel", "/k"), *more;
	struct err err;

	more = json_loads(parts, 0, NULL);
	assert_non_null(more);
	json_object_update(json, more);
	definition_init(def);
	assert_int_equal(definition_take(def, NULL, json, NULL, &err), 0);
	assert_int_equal(definition_complete(def, &err), 0);
	json_decref(json);
	json_decref(more);
}

static void
count(void *arg, const char *name)
{
	++*(unsigned *)arg;
}

static unsigned
folders(void)
{
	unsigned n = 0;

	vm_dir_each(count, &n);
	return n;
}

static void
test_names(void **state)
{
	struct vm_definition def;
	struct vm_dir one, two;
	struct err err = {0};
	char path[256];

	define(&def, "vm1", "{\"net\": \"br0\"}");
	assert_int_equal(vm_dir_claim(&one, &def, &err), 0);
	assert_true(vm_dir_is_alive(&one));
	snprintf(path, sizeof(path), "%s/vm/vm1/net0.sock", runtime);
	assert_string_equal(def.nets[0].path, path);
	assert_int_equal(vm_dir_claim(&two, &def, &err), -EEXIST);
	assert_non_null(strstr(err.text, "runs already"));
	vm_dir_release(&two);
	assert_int_equal(vm_dir_find(&two, "vm1", &err), 0);
	assert_true(vm_dir_is_alive(&two));
	assert_false(vm_dir_sweep(&two));
	vm_dir_release(&one);
	vm_dir_release(&one);
	assert_int_equal(vm_dir_find(&two, "vm1", &err), -ENOENT);
	assert_int_equal(folders(), 0);
}

static void
test_addresses(void **state)
{
	struct vm_definition def, other;
	struct vm_dir one, two;
	struct err err = {0};

	define(&def, "vm1", "{\"net\": [\"br0\", \"br0,mac=02:00:00:00:00:09\"]}");
	define(&other, "vm2", "{\"net\": [\"br1\", \"br1,mac=02:00:00:00:00:09\"]}");
	assert_int_equal(vm_dir_claim(&one, &def, &err), 0);
	assert_int_equal(vm_dir_claim(&two, &other, &err), -EEXIST);
	assert_non_null(strstr(err.text, "net 1: the address 02:00:00:00:00:09 belongs to"));
	assert_int_equal(folders(), 1);
	vm_dir_release(&one);
	assert_int_equal(vm_dir_claim(&two, &other, &err), 0);
	vm_dir_release(&two);
}

static void
test_disks(void **state)
{
	struct vm_definition def, other, reader;
	struct vm_dir one, two;
	struct err err = {0};
	char path[256], parts[512], link[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/disk", runtime);
	snprintf(link, sizeof(link), "%s/link", runtime);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(symlink(path, link), 0);
	snprintf(parts, sizeof(parts), "{\"disk\": \"%s,ro\"}", path);
	define(&def, "vm1", parts);
	define(&reader, "vm3", parts);
	snprintf(parts, sizeof(parts), "{\"disk\": \"%s\"}", link);
	define(&other, "vm2", parts);
	assert_int_equal(vm_dir_claim(&one, &def, &err), 0);
	assert_int_equal(vm_dir_claim(&two, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "used by virtual machine \"vm1\""));
	assert_int_equal(vm_dir_claim(&two, &reader, &err), 0);
	vm_dir_release(&two);
	vm_dir_release(&one);
	unlink(path);
	unlink(link);
}

/* The lock goes with the process; what it left is no obstacle. */
static void
test_leftovers(void **state)
{
	struct vm_definition def;
	struct vm_dir dir;
	struct err err = {0};
	pid_t pid;

	define(&def, "vm1", "{}");
	pid = fork();
	if (pid == 0) {
		vm_dir_claim(&dir, &def, &err);
		_exit(err.code ? 1 : 0);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(folders(), 1);
	assert_int_equal(vm_dir_find(&dir, "vm1", &err), 0);
	assert_false(vm_dir_is_alive(&dir));
	assert_int_equal(vm_dir_claim(&dir, &def, &err), 0);
	assert_true(vm_dir_is_alive(&dir));
	vm_dir_release(&dir);
	assert_int_equal(folders(), 0);
}

/* ---- the escape key ---- */

/* Types the keys; what the guest gets, and the last action. */
static enum escape_action
type(const char *keys, char *guest)
{
	enum escape_action action = ESCAPE_NONE;
	struct escape_output out;
	struct escape escape = {0};

	for (; *keys; keys++) {
		action = escape_take(&escape, (uint8_t)*keys, &out);
		assert_int_equal(action == ESCAPE_PASS, out.count > 0);
		for (size_t i = 0; i < out.count; i++)
			*guest++ = (char)out.bytes[i];
	}
	*guest = '\0';
	return action;
}

static void
test_escape(void **state)
{
	static const struct {
		const char *keys, *guest;
		enum escape_action last;
	} rows[] = {
		{"ls\r", "ls\r", ESCAPE_PASS},
		{"\003", "\003", ESCAPE_PASS},
		{"a\x1d", "a", ESCAPE_NONE},
		{"a\x1d"
		 "d",
			"a", ESCAPE_LEAVE},
		{"\x1d.", "", ESCAPE_LEAVE},
		{"\x1dp", "", ESCAPE_STOP},
		{"\x1dk", "", ESCAPE_KILL},
		{"\x1d?", "", ESCAPE_HELP},
		{"\x1d\x1d", "\x1d", ESCAPE_PASS},
		{"\x1d\x1d"
		 "d",
			"\x1d"
			"d",
			ESCAPE_PASS},
		{"\x1dx", "\x1dx", ESCAPE_PASS},
		{"\x1d?k", "k", ESCAPE_PASS},
	};
	char guest[16];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(type(rows[i].keys, guest), rows[i].last);
		assert_string_equal(guest, rows[i].guest);
	}
}

/* ---- the probe ---- */

static void
test_probe_words(void **state)
{
	static const struct {
		struct probe_result result;
		const char *says;
	} rows[] = {
		{{PROBE_OPEN, -ENOENT, 0, 0}, "no /dev/kvm"},
		{{PROBE_OPEN, -EACCES, 0, 0}, "group kvm"},
		{{PROBE_OPEN, -ENODEV, 0, 0}, "cannot be opened"},
		{{PROBE_CREATE, -EBUSY, 0, 0}, "makes no virtual machine"},
		{{PROBE_START, -ETIMEDOUT, 0, 0}, "did not end"},
		{{PROBE_CMPXCHG16B, 0, KVM_EXIT_INTERNAL_ERROR, 1}, "fails at cmpxchg16b"},
		{{PROBE_XRSTOR, 0, KVM_EXIT_INTERNAL_ERROR, 1}, "fails at xrstor"},
		{{PROBE_INT3, 0, KVM_EXIT_INTERNAL_ERROR, 1}, "fails at int3"},
		{{PROBE_START, 0, KVM_EXIT_FAIL_ENTRY, 0}, "first instruction"},
		{{PROBE_INT3, 0, KVM_EXIT_SHUTDOWN, 0}, "fails at int3 (exit reason"},
	};
	struct probe_result done = {.failed = PROBE_DONE};
	char text[256];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_false(probe_explain(&rows[i].result, text, sizeof(text)));
		if (!strstr(text, rows[i].says))
			fail_msg("\"%s\" does not say \"%s\"", text, rows[i].says);
	}
	assert_true(probe_explain(&done, text, sizeof(text)));
}

/* Whatever this machine is, there is an answer in time. */
static void
test_probe_here(void **state)
{
	struct probe_result result;
	char text[256];

	probe_run(&result);
	probe_explain(&result, text, sizeof(text));
	assert_true(strlen(text) > 0);
	assert_true(result.failed <= PROBE_DONE);
}

static int
set_up(void **state)
{
	return mkdtemp(runtime) && setenv("PATCHBAY_RUNTIME_DIR", runtime, 1) == 0 ? 0 : -1;
}

static int
tear_down(void **state)
{
	static const char *const names[] = {"/vm/.register", "/vm", "/log", ""};
	char path[128];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", runtime, names[i]);
		if (remove(path))
			return -1;
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_probe_words),
		cmocka_unit_test(test_probe_here),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
