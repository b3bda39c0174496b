/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/result.h"
#include "cli/up.h"
#include "cli/up_file.h"
#include "cli/up_switch.h"
#include "cli/vm.h"
#include "launcher/supervisor.h"
#include "launcher/terminal.h"
#include "launcher/vm_dir.h"

struct up {
	struct up_file file;
	struct client client;
	const char *socket;
	json_t *record, *changes;
};

static void __attribute__((format(printf, 2, 3))) change(struct up *up, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(up->changes, json_string(text));
}

static int
call(struct up *up, const char *method, json_t *params, struct err *err)
{
	json_t *result = NULL;
	int r = client_call(&up->client, method, params, &result, err);

	json_decref(result);
	return r;
}

static int
interrupted(struct err *err)
{
	return terminal_signal() ? err_set(err, -EINTR, "interrupted") : 0;
}

/* ---- the switch ---- */

/* "bridge br0", "port p", "address 52:54:... of bridge br0", "rule 10 of port p". */
static void
name_object(const struct up_object *object, char *text, size_t size)
{
	const char *name = json_string_value(json_object_get(object->params, "name"));
	const char *mac = json_string_value(json_object_get(object->params, "mac"));
	const json_t *priority = json_object_get(object->params, "priority");

	if (strcmp(object->method, "fdb.add") == 0)
		snprintf(text, size, "address %s of bridge %s", mac ? mac : "",
			json_string_value(json_object_get(object->params, "bridge")));
	else if (strcmp(object->method, "filter.add") == 0)
		snprintf(text, size, "rule %d of port %s", (int)json_integer_value(priority),
			json_string_value(json_object_get(object->params, "port")));
	else
		snprintf(text, size, "%.*s %s", (int)strcspn(object->method, "."), object->method,
			name ? name : "");
}

/* The verb that looks at such objects, or deletes one. */
static void
name_method(const struct up_object *object, const char *verb, char *method, size_t size)
{
	snprintf(method, size, "%.*s.%s", (int)strcspn(object->method, "."), object->method, verb);
}

/* The key that is, with others, the identity of such an object; NULL behind the last. */
static const struct key *
identity(const struct up_object *object, unsigned i)
{
	const struct verb *verb = verb_by_method(object->method);
	const struct noun *noun = verb->object ? verb->object : &noun_bridge; /* a name */

	for (unsigned k = 0; k < noun->key_count; k++)
		if (noun->keys[k].flags & KEY_IDENTITY && i-- == 0)
			return &noun->keys[k];
	return NULL;
}

/* Do they agree in it, written as number or as text? */
static bool
is_same(const struct key *key, const json_t *given, const json_t *own)
{
	json_t *canonical = own ? key_canonical(key, own, NULL) : NULL;
	bool same = given ? json_equal(given, canonical) : json_integer_value(canonical) == 0;

	json_decref(canonical);
	return same;
}

/* Is there such an object already? */
static int
is_there(struct up *up, const struct up_object *object, bool *there, struct err *err)
{
	json_t *result = NULL, *row;
	const struct key *key;
	char method[32];
	size_t i;
	int r;

	name_method(object, "show", method, sizeof(method));
	r = client_call(&up->client, method, NULL, &result, err);
	*there = false;
	json_array_foreach (json_object_get(result, "rows"), i, row) {
		bool same = true;

		for (unsigned k = 0; (key = identity(object, k)); k++)
			same = same && is_same(key, json_object_get(object->params, key->name),
					       json_object_get(row, key->name));
		*there |= same;
	}
	json_decref(result);
	return r;
}

/* What takes the object away again. */
static json_t *
undo_of(const struct up_object *object)
{
	json_t *params = json_object();
	const struct key *key;
	char method[32];

	for (unsigned k = 0; (key = identity(object, k)); k++) {
		json_t *value = json_object_get(object->params, key->name);

		if (value)
			json_object_set(params, key->name, value);
	}
	name_method(object, "del", method, sizeof(method));
	return json_pack("[s, o]", method, params);
}

static int
add_object(struct up *up, const struct up_object *object, struct err *err)
{
	char name[160];
	bool there;
	int r = is_there(up, object, &there, err);

	if (r || there)
		return r;
	r = call(up, object->method, object->params, err);
	if (r)
		return document_prefix(&up->file.document, object->line, err);
	json_array_append_new(json_object_get(up->record, "undo"), undo_of(object));
	name_object(object, name, sizeof(name));
	change(up, "add %s", name);
	return 0;
}

static int
open_switch(struct up *up, unsigned timeout_ms, struct err *err)
{
	pid_t pid;
	int r = client_open(&up->client, up->socket, timeout_ms, err);

	if (r != -ENOENT && r != -ECONNREFUSED && r != -ENOTDIR)
		return r;
	r = up_switch_start(&up->client, up->socket, &pid, err);
	if (r)
		return r;
	json_object_set_new(up->record, "switch", json_integer(pid));
	change(up, "start patchbayd (process %d)", (int)pid);
	return 0;
}

/* ---- virtual machines ---- */

static int
start_vm(struct up *up, const struct vm_definition *def, struct err *err)
{
	struct vm_dir dir;
	json_t *row = NULL;
	int r;

	if (vm_dir_find(&dir, def->vm.name, NULL) == 0 && vm_dir_is_alive(&dir))
		return 0;
	r = vm_start(def, up->socket, &row, err);
	if (r)
		return r;
	json_array_append_new(json_object_get(up->record, "vms"), json_string(def->vm.name));
	change(up, "start virtual machine %s (engine %s)", def->vm.name,
		json_string_value(json_object_get(row, "engine")));
	json_decref(row);
	return 0;
}

/* All of them at once, each in a process of its own; those that ended already are fine. */
static void
end_vms(struct up *up, unsigned seconds)
{
	const json_t *vms = json_object_get(up->record, "vms"), *name;
	pid_t pids[256];
	size_t i;

	fflush(NULL);
	json_array_foreach (vms, i, name) {
		pids[i % 256] = fork();
		if (pids[i % 256] == 0) {
			json_t *result = NULL;

			_exit(vm_end_and_wait(json_string_value(name), seconds, &result, NULL) ? 1
											       : 0);
		}
		if (i == 255)
			break;
	}
	for (size_t j = 0; j < i && j < 256; j++) {
		int status = 0;

		waitpid(pids[j], &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			change(up, "end virtual machine %s",
				json_string_value(json_array_get(vms, j)));
	}
}

/* ---- the way back ---- */

static bool
has_objects(struct up *up)
{
	static const char *const methods[] = {"port.show", "bridge.show"};
	bool some = false;

	for (unsigned i = 0; i < 2; i++) {
		json_t *result = NULL;

		if (client_call(&up->client, methods[i], NULL, &result, NULL) == 0)
			some |= json_array_size(json_object_get(result, "rows")) > 0;
		json_decref(result);
	}
	return some;
}

static void
take_down(struct up *up, unsigned seconds)
{
	const json_t *undo = json_object_get(up->record, "undo");
	pid_t pid = (pid_t)json_integer_value(json_object_get(up->record, "switch"));

	end_vms(up, seconds);
	for (size_t i = json_array_size(undo); i-- > 0 && up->client.fd >= 0;) {
		const json_t *step = json_array_get(undo, i);
		const char *method = json_string_value(json_array_get(step, 0));
		json_t *params = json_array_get(step, 1);
		const char *name = json_string_value(json_object_get(params, "name"));

		/* What somebody else has taken away is no fault of ours. */
		if (method && call(up, method, params, NULL) == 0 && name)
			change(up, "delete %.*s %s", (int)strcspn(method, "."), method, name);
	}
	/* Somebody else may have begun to use it. */
	if (pid && !has_objects(up)) {
		up_switch_stop(&up->client, pid);
		change(up, "stop patchbayd");
	}
}

/* ---- the verbs ---- */

static int
begin(struct up *up, const struct command *c, struct err *err)
{
	int r = up_file_read(&up->file, json_string_value(json_object_get(c->params, "file")), err);

	up->client.fd = -1;
	up->socket = c->socket;
	up->changes = json_array();
	if (r == 0) {
		r = terminal_catch_signals();
		r = r < 0 ? err_set(err, r, "signalfd: %s", strerror(-r)) : 0;
	}
	return r;
}

static int
finish(struct up *up, const struct command *c, int r, struct err *err)
{
	json_t *result = json_pack("{s:O}", "changes", up->changes);

	if (r == 0 && c->json)
		r = result_print_json(result, isatty(STDOUT_FILENO), stdout);
	else if (r == 0)
		r = result_print(c->verb, c->params, result, NULL, stdout);
	if (r && !err->code)
		err_set(err, r, "out of memory");
	json_decref(result);
	json_decref(up->changes);
	json_decref(up->record);
	client_close(&up->client);
	up_file_free(&up->file);
	if (r == -EINVAL || r == -ERANGE)
		return EXIT_USAGE;
	return r ? EXIT_FAILED : EXIT_OK;
}

static int
add_objects(struct up *up, bool late, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; i < up->file.object_count && r == 0; i++) {
		if (up->file.objects[i].late != late)
			continue;
		r = interrupted(err);
		if (r == 0)
			r = add_object(up, &up->file.objects[i], err);
	}
	return r;
}

static int
bring_up(struct up *up, unsigned timeout_ms, struct err *err)
{
	int r = open_switch(up, timeout_ms, err);

	if (r == 0)
		r = add_objects(up, false, err);
	for (unsigned i = 0; i < up->file.vm_count && r == 0; i++) {
		r = interrupted(err);
		if (r == 0)
			r = start_vm(up, &up->file.vms[i], err);
	}
	if (r == 0)
		r = add_objects(up, true, err);
	return r ? r : up_record_write(up->file.path, up->record, err);
}

int
up_run_verb(const struct command *c, struct err *err)
{
	struct up up = {.client = {.fd = -1}};
	int r = begin(&up, c, err);

	/* Once more `up` after a VM has ended starts that one again. */
	if (r == 0 && up_record_read(up.file.path, &up.record, NULL))
		up.record = json_pack("{s:[], s:[]}", "undo", "vms");
	if (r == 0) {
		json_t *before = json_deep_copy(up.record);

		r = bring_up(&up, c->timeout_ms, err);
		if (r && !json_equal(before, up.record)) {
			json_decref(json_object_get(before, "nothing"));
			take_down(&up, 0);
			up_record_remove(up.file.path);
		}
		json_decref(before);
	}
	return finish(&up, c, r, err);
}

int
down_run_verb(const struct command *c, struct err *err)
{
	const json_t *wait = json_object_get(c->params, "wait");
	struct up up = {.client = {.fd = -1}};
	int r = begin(&up, c, err);

	if (r == 0)
		r = up_record_read(up.file.path, &up.record, err);
	if (r == 0) {
		/* Without a switch the virtual machines are still to be ended. */
		client_open(&up.client, up.socket, c->timeout_ms, NULL);
		take_down(&up, json_is_integer(wait) ? (unsigned)json_integer_value(wait)
						     : SUPERVISOR_STOP_SECONDS);
		up_record_remove(up.file.path);
	}
	return finish(&up, c, r, err);
}
