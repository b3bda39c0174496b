/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/config_file.h"
#include "control/plan.h"

/* ---- YAML as such ---- */

static void
expect_json(const char *yaml, const char *json)
{
	struct document d;
	struct err err = {0};
	char *text;

	if (document_parse(&d, "f", yaml, strlen(yaml), &err) < 0)
		fail_msg("%s", err.text);
	text = d.root ? json_dumps(d.root, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("");
	assert_string_equal(text, json);
	free(text);
	document_free(&d);
}

static void
expect_refusal(const char *yaml, size_t size, int code, const char *text)
{
	struct document d;
	struct err err = {0};
	int rc = document_parse(&d, "f", yaml, size, &err);

	if (rc != code || strncmp(err.text, text, strlen(text)) != 0)
		fail_msg("%d \"%s\" instead of %d \"%s\"", rc, err.text, code, text);
	assert_null(d.root);
}

static void
refused(const char *yaml, const char *text)
{
	expect_refusal(yaml, strlen(yaml), -EINVAL, text);
}

static void
reads_values(void **state)
{
	(void)state;
	expect_json("", "");
	expect_json("# nothing\n", "");
	expect_json("a: b\nc:\n  d: 10\n  e: ~\n  f:\n",
		"{\"a\":\"b\",\"c\":{\"d\":\"10\",\"e\":null,"
		"\"f\":null}}");
	expect_json("- 1\n- 5-10\n- \"7\"\n- 007\n", "[1,\"5-10\",\"7\",\"007\"]");
	expect_json("{a: [x, {y: z}], \"b c\": 'it''s'}",
		"{\"a\":[\"x\",{\"y\":\"z\"}],\"b c\":\"it's\"}");
	expect_json("a: yes\nb: \"null\"\nc: null\n", "{\"a\":\"yes\",\"b\":\"null\",\"c\":null}");
	expect_json("{}", "{}");
}

static void
refuses_with_line(void **state)
{
	(void)state;
	refused("a: 1\nb: [\n", "f:2: did not find expected node content");
	refused("a: 1\na: 2\n", "f:2: key given twice: a (first in line 1)");
	refused("a: &x 1\n", "f:1: anchors and aliases");
	refused("a: 1\nb: *x\n", "f:2: anchors and aliases");
	refused("a: &x [1]\n", "f:1: anchors and aliases");
	refused("a: !!int 5\n", "f:1: tags");
	refused("a: !x {b: 1}\n", "f:1: tags");
	refused("[a]: 1\n", "f:1: a key must be a plain text");
	refused("a: 1\n---\nb: 2\n", "f:2: more than one document");
	refused("a: 1\n\tb: 2\n", "f:2: ");
	refused("a: b: c\n", "f:1: mapping values are not allowed");
	refused("a: 1\nb: \"\xff\"\n", "f:");
	expect_refusal("a: 1\nb\0: 2\n", 11, -EINVAL, "f:");
}

static void
is_bounded(void **state)
{
	char *text = malloc(3u << 20);
	size_t n = 0;

	(void)state;
	/* Depth. */
	for (unsigned i = 0; i < 1000000; i++)
		text[n++] = '[';
	expect_refusal(text, n, -E2BIG, "f:1: nested too deeply");
	n = 0;
	for (unsigned i = 0; i < 500; i++)
		n += (size_t)sprintf(text + n, "%*sa:\n", (int)i, "");
	expect_refusal(text, n, -E2BIG, "f:9: nested too deeply");
	/* Number of values. */
	n = 0;
	text[n++] = '[';
	while (n < (3u << 20) - 2) {
		text[n++] = '1';
		text[n++] = ',';
	}
	expect_refusal(text, n, -E2BIG, "f:1: too many values");
	free(text);
}

static void
prints_what_it_reads(void **state)
{
	static const char *const values[] = {"{\"a\":\"x\"}", "{\"a\":{},\"b\":[]}",
		"{\"a\":[{\"b\":\"c\",\"d\":[1,2]},{\"e\":\"f\"}]}",
		"{\"a\":\"null\",\"b\":\"yes\",\"c\":\"52:54:00:12:34:56\",\"d\":\"- x: #\",\"e\":\"\"}",
		"{\"a\":\"tab\\tquote\\\"back\\\\\",\"b\":\"\xc3\xa4\",\"null\":\"x\"}"};

	(void)state;
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		json_t *value = json_loads(values[i], 0, NULL);
		char *text = document_print(value);

		assert_non_null(text);
		expect_json(text, values[i]);
		free(text);
		json_decref(value);
	}
}

/* ---- configurations ---- */

static void
config_refused(const char *yaml, int code, const char *text)
{
	struct config_file file;
	struct err err = {0};
	int rc = config_read(&file, "c.yaml", yaml, strlen(yaml), &err);

	if (rc != code || !strstr(err.text, text) || strncmp(err.text, "c.yaml", 6) != 0)
		fail_msg("%d \"%s\" instead of %d \"%s\"", rc, err.text, code, text);
	config_free(&file);
}

static void
semantic_errors_have_lines(void **state)
{
	(void)state;
	config_refused("bridges:\n  br0:\n    agein: 3\n", -EINVAL,
		"c.yaml:3: a bridge has no key \"agein\": did you mean \"ageing\"?");
	config_refused("bridges:\n  br0:\n    ageing: 999999\n", -ERANGE, "c.yaml:3: ageing");
	config_refused("brdges:\n", -EINVAL,
		"c.yaml:1: unknown key \"brdges\": did you mean \"bridges\"?");
	config_refused("bridges: [br0]\n", -EINVAL, "c.yaml:1: \"bridges\" is a mapping");
	config_refused("fdb: {a: b}\n", -EINVAL, "c.yaml:1: \"fdb\" is a list");
	config_refused("bridges:\n  br0: 5\n", -EINVAL, "c.yaml:2: a bridge is a mapping");
	config_refused("bridges:\n  -x: \n", -EINVAL, "c.yaml:2: name");
	config_refused(
		"bridges:\n  br0: {name: br1}\n", -EINVAL, "c.yaml:2: bridge \"br0\": its name");
	config_refused("just text", -EINVAL, "c.yaml: a configuration is a mapping");
	config_refused("ports:\n  p:\n    bridge: x\n", -EINVAL,
		"c.yaml:2: port \"p\": a port needs a type");
	config_refused("ports:\n  p:\n    type: nul\n", -EINVAL, "c.yaml:3: type");
	config_refused("ports:\n  p:\n    path: /x\n    type: tap\n    dev: t\n", -EINVAL,
		"c.yaml:3: a port of type tap takes no \"path\"");
	config_refused(
		"ports:\n  p:\n    type: \"null\"\n    tag: 4095\n", -ERANGE, "c.yaml:4: tag");
	config_refused("ports:\n  p:\n    type: \"null\"\n\n    bridge: br7\n", -ENOENT,
		"c.yaml:5: port \"p\": bridge \"br7\" does not exist");
	config_refused("ports:\n  a: {type: tap, dev: t}\n  b: {type: tap, dev: t}\n", -EEXIST,
		"c.yaml:3: port \"b\": dev t belongs to port \"a\" already");
	config_refused("bridges: {b: }\nports: {n: {type: \"null\", bridge: b}}\nfdb:\n"
		       "- {bridge: b, mac: \"02:00:00:00:00:01\", port: n}\n"
		       "- {bridge: b, mac: \"02:00:00:00:00:01\", port: n}\n",
		-EEXIST, "c.yaml:5: address 02:00:00:00:00:01");
	config_refused(
		"bridges: {b: }\nfdb:\n- bridge: b\n  mac: \"02:00:00:00:00:01\"\n  port: x\n",
		-ENOENT, "c.yaml:5: address 02:00:00:00:00:01: port \"x\" does not exist");
	config_refused("fdb:\n- 5\n", -EINVAL, "c.yaml:2: a fdb is a mapping");
}

#define FULL                                                                                         \
	"bridges:\n"                                                                                 \
	"  br0: {ageing: 60, capacity: 1024, forward_bpdu: yes, flood_vlans: [5, 7-9]}\n"            \
	"  br1:\n"                                                                                   \
	"ports:\n"                                                                                   \
	"  vm1:\n"                                                                                   \
	"    type: vhost-user\n"                                                                     \
	"    bridge: br0\n"                                                                          \
	"    path: /run/patchbay/vm1.sock\n"                                                         \
	"    mode: client\n"                                                                         \
	"    queues: 4\n"                                                                            \
	"    mac: \"52:54:00:12:34:56\"\n"                                                           \
	"    mtu: 9000\n"                                                                            \
	"    vlan_mode: native-untagged\n"                                                           \
	"    tag: 0\n"                                                                               \
	"    trunks: 10,20-30\n"                                                                     \
	"    socket_mode: 0600\n"                                                                    \
	"    profile: vm\n"                                                                          \
	"    storm: 5\n"                                                                             \
	"  q: {type: tap, dev: tap0, vlan_mode: dot1q-tunnel, tag: 9, cvlans: \"1\", qinq_ethtype: " \
	"802.1q}\n"                                                                                  \
	"  n: {type: \"null\"}\n"                                                                    \
	"fdb:\n"                                                                                     \
	"  - {bridge: br0, mac: \"52:54:00:12:34:57\", vlan: 10, port: vm1}\n"

/* What `config show` prints is accepted by `config apply` and yields no change. */
static void
round_trip(void **state)
{
	struct config_file first, second;
	struct plan plan;
	struct err err = {0};
	json_t *json;
	char *text;

	(void)state;
	if (config_read(&first, "c", FULL, strlen(FULL), &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(first.model.bridges[0].ageing, 60);
	assert_true(vlan_set_has(&first.model.bridges[0].flood_vlans, 8));
	assert_int_equal(first.model.ports[0].socket_mode, 0600);
	assert_int_equal(first.model.ports[0].tag, 0);
	json = config_store(&first.model);
	text = document_print(json);
	assert_non_null(text);
	if (config_read(&second, "c", text, strlen(text), &err) < 0)
		fail_msg("%s in\n%s", err.text, text);
	assert_int_equal(plan_make(&plan, &first.model, &second.model), 0);
	assert_int_equal(plan.count, 0);
	assert_int_equal(second.model.port_count, 3);
	plan_free(&plan);
	free(text);
	json_decref(json);
	config_free(&first);
	config_free(&second);
}

/* Cut anywhere or with any byte changed: an error or a model, never a crash. */
static void
damaged_texts(void **state)
{
	char text[sizeof(FULL)];
	unsigned good = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(FULL); n++) {
		struct config_file file;

		good += config_read(&file, "c", FULL, n, NULL) == 0;
		config_free(&file);
	}
	assert_true(good > 0 && good < sizeof(FULL));
	for (size_t i = 0; i < 8 * (sizeof(FULL) - 1); i++) {
		struct config_file file;

		memcpy(text, FULL, sizeof(text));
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		config_read(&file, "c", text, sizeof(text) - 1, NULL);
		config_free(&file);
	}
}

static void
files_that_cannot_be_read(void **state)
{
	struct config_file file;
	struct err err = {0};
	char path[] = "/tmp/test_yaml.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(config_load(&file, "/nowhere/x.yaml", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/x.yaml: No such file"));
	assert_int_equal(config_load(&file, "/tmp", &err), -EISDIR);
	assert_int_equal(config_load(&file, "/dev/null", &err), -EINVAL);
	assert_int_equal(ftruncate(fd, CONFIG_TEXT_MAX + 1), 0);
	assert_int_equal(config_load(&file, path, &err), -EFBIG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(write(fd, FULL, strlen(FULL)), strlen(FULL));
	assert_int_equal(config_load(&file, path, &err), 0);
	assert_int_equal(file.model.port_count, 3);
	config_free(&file);
	close(fd);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_values),
		cmocka_unit_test(refuses_with_line),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(prints_what_it_reads),
		cmocka_unit_test(semantic_errors_have_lines),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(damaged_texts),
		cmocka_unit_test(files_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
