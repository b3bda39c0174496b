/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/result.h"
#include "cli/vm.h"
#include "launcher/supervisor.h"
#include "launcher/vm_dir.h"

#define SHOW_MS 2000 /* longest wait for a supervisor when many are asked */

/* ---- supervisors ---- */

int
vm_open(struct client *client, const char *name, unsigned timeout_ms, struct err *err)
{
	char path[PATH_MAX];
	struct vm_dir dir;
	int r = vm_dir_find(&dir, name, err);

	memset(client, 0, sizeof(*client));
	client->fd = -1;
	if (r)
		return r;
	if (!vm_dir_is_alive(&dir))
		return err_set(err, -ESRCH,
			"the supervisor of \"%s\" was killed: `patchbay vm kill %s` removes what it left",
			name, name);
	r = client_open_peer(client, vm_dir_file(&dir, "control.sock", path, sizeof(path)),
		"the supervisor", timeout_ms, err);
	if (r == -ENOENT)
		return err_set(err, r, "virtual machine \"%s\" is about to start or to end", name);
	return r;
}

json_t *
vm_ask(const char *name, const char *method, struct err *err)
{
	json_t *result = NULL;
	struct client client;

	if (vm_open(&client, name, SHOW_MS, err) == 0)
		client_call(&client, method, NULL, &result, err);
	client_close(&client);
	return result;
}

int
vm_end_and_wait(const char *name, unsigned seconds, json_t **result, struct err *err)
{
	json_t *params = seconds ? json_pack("{s:i}", "wait", (int)seconds) : NULL;
	struct client client;
	int r = vm_open(&client, name, (seconds + 20) * 1000, err);

	if (r == 0)
		r = client_call(&client, seconds ? "vm.stop" : "vm.kill", params, result, err);
	client_close(&client);
	json_decref(params);
	return r;
}

/* ---- list, show ---- */

static int
print(const struct command *c, json_t *result, struct err *err)
{
	int r = c->json ? result_print_json(result, isatty(STDOUT_FILENO), stdout)
			: result_print(c->verb, c->params, result, NULL, stdout);

	json_decref(result);
	return r ? (err_set(err, r, "out of memory"), EXIT_FAILED) : EXIT_OK;
}

static void
list_one(void *arg, const char *name)
{
	struct err err;
	json_t *rows = arg, *result = vm_ask(name, "vm.show", &err);
	json_t *row = json_array_get(json_object_get(result, "rows"), 0);

	if (row)
		json_array_append(rows, row);
	else
		json_array_append_new(rows, json_pack("{s:s, s:s}", "name", name, "state",
						    err.code == -ESRCH ? "lost" : "starting"));
	json_decref(result);
}

int
vm_list_verb(const struct command *c, struct err *err)
{
	json_t *rows = json_array();

	vm_dir_each(list_one, rows);
	return print(c, json_pack("{s:o}", "rows", rows), err);
}

static const char *
name_of(const struct command *c)
{
	return json_string_value(json_object_get(c->params, "name"));
}

int
vm_show_verb(const struct command *c, struct err *err)
{
	json_t *result = vm_ask(name_of(c), "vm.show", err);

	return result ? print(c, result, err) : EXIT_FAILED;
}

/* ---- stop, kill, pause, resume ---- */

/* What a supervisor that was killed has left behind: its folder, and ports on the switch. */
static int
clean_up(const struct command *c, const char *name, struct err *err)
{
	struct client client;
	struct vm_dir dir;
	json_t *def, *net, *result;
	size_t i;
	int r = vm_dir_find(&dir, name, err);

	if (r)
		return EXIT_FAILED;
	def = vm_dir_definition(&dir);
	if (client_open(&client, c->socket, c->timeout_ms, NULL) == 0) {
		json_array_foreach (json_object_get(def, "net"), i, net) {
			json_t *params = json_pack(
				"{s:o, s:b}", "name", json_sprintf("%s.%zu", name, i), "force", 1);

			result = NULL;
			if (json_object_get(net, "bridge"))
				client_call(&client, "port.del", params, &result, NULL);
			json_decref(result);
			json_decref(params);
		}
	}
	client_close(&client);
	json_decref(def);
	vm_dir_sweep(&dir);
	return print(
		c, json_pack("{s:s, s:s}", "how", "kill", "text", "what was left is removed"), err);
}

int
vm_call_verb(const struct command *c, struct err *err)
{
	const json_t *wait = json_object_get(c->params, "wait");
	bool stop = strcmp(c->verb->name, "stop") == 0, kill = strcmp(c->verb->name, "kill") == 0;
	unsigned seconds = json_is_integer(wait) ? (unsigned)json_integer_value(wait)
						 : SUPERVISOR_STOP_SECONDS;
	json_t *result = NULL;
	struct client client;
	char method[64];
	int r;

	r = vm_open(&client, name_of(c), c->timeout_ms + (stop ? seconds * 1000 : 0), err);
	if (r == -ESRCH && kill)
		return clean_up(c, name_of(c), err);
	if (r == 0)
		r = client_call(&client, verb_method(c->verb, method, sizeof(method)), c->params,
			&result, err);
	client_close(&client);
	if (r)
		return EXIT_FAILED;
	return json_object_size(result) || c->json ? print(c, result, err)
						   : (json_decref(result), EXIT_OK);
}

/* ---- log ---- */

/* Prints a file as it is, for `less` and the like; on a terminal without what could change it. */
static bool
print_file(const char *path)
{
	bool tidy = isatty(STDOUT_FILENO);
	FILE *file = fopen(path, "re");
	int c;

	if (!file)
		return false;
	while ((c = getc(file)) != EOF)
		putchar(!tidy || c == '\n' || c == '\t' || c == '\r' || c >= 0x20 ? c : '?');
	fclose(file);
	return true;
}

int
vm_log_verb(const struct command *c, struct err *err)
{
	char runtime[UNIX_SOCKET_PATH_SIZE], path[PATH_MAX];
	bool old;

	if (api_runtime_dir(runtime, sizeof(runtime)))
		runtime[0] = '\0';
	snprintf(path, sizeof(path), "%s/log/%s.console.1", runtime, name_of(c));
	old = print_file(path);
	snprintf(path, sizeof(path), "%s/log/%s.console", runtime, name_of(c));
	if (print_file(path) || old)
		return EXIT_OK;
	err_set(err, -errno, "there is no log of \"%s\": %s: %s", name_of(c), path,
		strerror(errno));
	return EXIT_FAILED;
}
