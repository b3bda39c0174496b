/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/result.h"
#include "cli/vm.h"
#include "launcher/attach.h"
#include "launcher/supervisor.h"
#include "launcher/vm_dir.h"
#include "lib/fd.h"
#include "lib/unix_socket.h"

/* A virtual machine as the command that has started it sees it. */
struct run {
	const char *name;
	int line;
	bool foreground;  /* its console is on the terminal */
	json_t *running;  /* the row, once it runs */
	json_t *ended;    /* {how, text} */
	struct err error; /* it could not be started */
	unsigned interrupts;
};

/* ---- what is said on the way ---- */

/* In raw mode a line needs its carriage return. */
static void
say(const char *name, const char *text)
{
	fprintf(stderr, "%s: %s%s\n", name, text, isatty(STDERR_FILENO) ? "\r" : "");
}

static void
send_json(int fd, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);

	if (text) {
		send(fd, text, strlen(text), MSG_NOSIGNAL);
		send(fd, "\n", 1, MSG_NOSIGNAL);
	}
	free(text);
	json_decref(message);
}

static bool
on_message(void *arg, const json_t *message)
{
	const char *text = json_string_value(json_object_get(message, "note"));
	const json_t *failed = json_object_get(message, "failed");
	struct run *run = arg;

	if (text)
		say(run->name, text);
	if (failed) {
		text = json_string_value(json_object_get(failed, "text"));
		err_set(&run->error, (int)json_integer_value(json_object_get(failed, "code")), "%s",
			run->interrupts ? "interrupted"
			: text          ? text
					: "it could not be started");
		return true;
	}
	if (json_object_get(message, "running")) {
		run->running = json_incref(json_object_get(message, "running"));
		if (!run->foreground)
			return true;
		if (terminal_raw())
			say(run->name,
				"runs; Ctrl-] d leaves the console, Ctrl-] ? shows more keys");
	}
	run->ended = json_incref(json_object_get(message, "ended"));
	return run->ended != NULL;
}

static void
on_action(void *arg, enum escape_action action)
{
	struct run *run = arg;

	if (action == ESCAPE_KILL)
		send_json(run->line, json_pack("{s:b}", "kill", 1));
	else
		send_json(run->line, json_pack("{s:i}", "stop", SUPERVISOR_STOP_SECONDS));
}

/* The first signal asks the guest, the second does not. */
static bool
on_signal(void *arg, int number)
{
	struct run *run = arg;

	if (run->interrupts++ == 0 && run->running) {
		say(run->name, "the power button is pressed; once more kills it");
		on_action(run, ESCAPE_STOP);
	} else {
		on_action(run, ESCAPE_KILL);
	}
	return false;
}

/* ---- start ---- */

static int
lost(struct err *err)
{
	return err_set(err, -EPIPE, "its supervisor has died");
}

static int
start(struct run *run, const struct vm_definition *def, const char *socket, int *console,
	struct err *err)
{
	int r;

	run->name = def->vm.name;
	run->line = -1;
	r = supervisor_start(def, socket, &run->line, console, err);
	return r;
}

static void
run_free(struct run *run)
{
	json_decref(run->running);
	json_decref(run->ended);
	fd_close(&run->line);
}

int
vm_start(const struct vm_definition *def, const char *socket, json_t **row, struct err *err)
{
	int signals = terminal_catch_signals(), r;
	struct run run = {0};
	struct attach attach = {.console = -1,
		.signals = signals,
		.message = on_message,
		.action = on_action,
		.signal = on_signal,
		.arg = &run};

	if (signals < 0)
		return err_set(err, signals, "signalfd: %s", strerror(-signals));
	r = start(&run, def, socket, NULL, err);
	if (r == 0) {
		attach.line = run.line;
		if (attach_run(&attach) != ATTACH_DONE)
			r = lost(err);
		else if (run.error.code)
			*err = run.error, r = run.error.code;
		else if (run.running)
			send_json(run.line, json_pack("{s:b}", "release", 1));
		else
			r = err_set(err, -EINTR,
				run.interrupts ? "interrupted" : "it has ended at once");
	}
	if (r == 0)
		*row = json_incref(run.running);
	else
		err_prefix(err, "%s", def->vm.name);
	run_free(&run);
	return r;
}

static int
run_detached(const struct command *c, const struct vm_definition *def, struct err *err)
{
	json_t *row = NULL;
	int r = vm_start(def, c->socket, &row, err);

	if (r == 0 && c->json)
		r = result_print_json(row, isatty(STDOUT_FILENO), stdout);
	json_decref(row);
	return r ? EXIT_FAILED : EXIT_OK;
}

/* ---- in the foreground ---- */

static int
exit_code(const char *how)
{
	if (how && strcmp(how, "shutdown") == 0)
		return EXIT_OK;
	if (how && strcmp(how, "reboot") == 0)
		return EXIT_VM_REBOOT;
	return how && strcmp(how, "kill") == 0 ? EXIT_VM_KILL : EXIT_VM_CRASH;
}

static int
conclude(struct run *run, enum attach_end end, struct err *err)
{
	const char *text = json_string_value(json_object_get(run->ended, "text"));

	if (end == ATTACH_LEFT) {
		send_json(run->line, json_pack("{s:b}", "release", 1));
		fprintf(stderr, "\n%s goes on: `patchbay vm console %s` comes back\n", run->name,
			run->name);
		return EXIT_OK;
	}
	if (run->error.code) {
		*err = run->error;
		err_prefix(err, "%s", run->name);
		return EXIT_FAILED;
	}
	if (end != ATTACH_DONE || !run->ended) {
		lost(err);
		err_prefix(err, "%s", run->name);
		return EXIT_VM_CRASH;
	}
	say(run->name, text ? text : "has ended");
	return exit_code(json_string_value(json_object_get(run->ended, "how")));
}

static int
run_foreground(const struct command *c, const struct vm_definition *def, struct err *err)
{
	int signals = terminal_catch_signals(), console = -1, code = EXIT_FAILED;
	struct run run = {.foreground = true};
	struct attach attach = {.signals = signals,
		.use_input = true,
		.use_escape = isatty(STDIN_FILENO),
		.message = on_message,
		.action = on_action,
		.signal = on_signal,
		.arg = &run};
	enum attach_end end;

	if (signals < 0) {
		err_set(err, signals, "signalfd: %s", strerror(-signals));
		return EXIT_FAILED;
	}
	if (start(&run, def, c->socket, &console, err) == 0) {
		attach.line = run.line;
		attach.console = console;
		end = attach_run(&attach);
		terminal_restore();
		code = conclude(&run, end, err);
	}
	fd_close(&console);
	run_free(&run);
	return code;
}

/* ---- the definition ---- */

static bool
is_file(const char *word)
{
	const char *dot = strrchr(word, '.');

	/* A name has no slash, and does not begin with a dot. */
	return word[0] == '.' || strchr(word, '/') ||
	       (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0));
}

/* What was typed, over what the file says. */
static int
read_definition(struct vm_definition *def, const struct command *c, struct err *err)
{
	const char *what = json_string_value(json_object_get(c->params, "vm"));
	json_t *typed = json_copy(c->params);
	int r = 0;

	if (!typed)
		return err_set(err, -ENOMEM, "out of memory");
	json_object_del(typed, "vm");
	json_object_del(typed, "detach");
	definition_init(def);
	if (is_file(what)) {
		r = definition_load(def, what, err);
	} else if (json_object_get(typed, "name")) {
		r = err_set(err, -EINVAL, "it has two names: \"%s\" and name=", what);
	} else {
		json_object_set(typed, "name", json_object_get(c->params, "vm"));
	}
	if (r == 0)
		r = definition_take(def, NULL, typed, NULL, err);
	if (r == 0)
		r = definition_complete(def, err);
	json_decref(typed);
	return r;
}

int
vm_run_verb(const struct command *c, struct err *err)
{
	bool detach = json_is_true(json_object_get(c->params, "detach"));
	struct vm_definition *def = malloc(sizeof(*def));
	int code, r;

	if (!def) {
		err_set(err, -ENOMEM, "out of memory");
		return EXIT_FAILED;
	}
	r = read_definition(def, c, err);
	if (r == 0 && c->json && !detach)
		r = err_set(
			err, -EINVAL, "--json needs --detach: else standard output is the console");
	if (r)
		code = r == -EINVAL || r == -ERANGE ? EXIT_USAGE : EXIT_FAILED;
	else
		code = detach ? run_detached(c, def, err) : run_foreground(c, def, err);
	free(def);
	return code;
}

/* ---- vm console ---- */

static bool
no_message(void *arg, const json_t *message)
{
	return false;
}

/* The answer, at the end of the virtual machine, is that the console closes. */
static void
console_action(void *arg, enum escape_action action)
{
	struct client *client = arg;

	send_json(client->fd, json_pack("{s:s, s:i, s:s}", "jsonrpc", "2.0", "id", 1, "method",
				      action == ESCAPE_KILL ? "vm.kill" : "vm.stop"));
}

static bool
leave_on_signal(void *arg, int number)
{
	return true;
}

int
vm_console_verb(const struct command *c, struct err *err)
{
	const char *name = json_string_value(json_object_get(c->params, "name"));
	struct client client;
	struct attach attach = {.line = -1,
		.signals = terminal_catch_signals(),
		.use_input = true,
		.use_escape = isatty(STDIN_FILENO),
		.message = no_message,
		.action = console_action,
		.signal = leave_on_signal,
		.arg = &client};
	char path[PATH_MAX];
	struct vm_dir dir;
	enum attach_end end;

	if (vm_open(&client, name, c->timeout_ms, err) || vm_dir_find(&dir, name, err) ||
		unix_socket_connect(vm_dir_file(&dir, "console.sock", path, sizeof(path)),
			&attach.console, err)) {
		client_close(&client);
		return EXIT_FAILED;
	}
	if (terminal_raw())
		say(name, "Ctrl-] d leaves the console, Ctrl-] ? shows more keys");
	end = attach_run(&attach);
	terminal_restore();
	if (end == ATTACH_CONSOLE_CLOSED)
		fprintf(stderr, "%s: the console was closed\n", name);
	else
		fputc('\n', stderr);
	client_close(&client);
	close(attach.console);
	return EXIT_OK;
}
