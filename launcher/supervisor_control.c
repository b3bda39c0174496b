/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: only the user's own processes may connect (mode 0600), yet no number of them, no half
 * of a line and no reader that sleeps keeps the virtual machine from going on.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "api/schema.h"
#include "launcher/supervisor_state.h"

/* What a client waits for. */
enum awaited { NOTHING, END, PAUSED, RUNNING };

struct client {
	LIST_ENTRY(client) entry;
	struct control *control;
	struct lines *lines;
	enum awaited awaited;
	json_t *id; /* of the request that is not answered yet */
};

struct control {
	struct supervisor *s;
	struct unix_socket socket;
	struct evconnlistener *listener;
	LIST_HEAD(, client) clients;
	unsigned count;
};

/* ---- answers ---- */

static void
answer(struct client *c, json_t *id, json_t *result)
{
	lines_send(c->lines,
		json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result));
}

static void
refuse(struct client *c, json_t *id, int code, const char *text)
{
	lines_send(c->lines, json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id,
				     "error", "code", code, "message", text));
}

static void
await(struct client *c, enum awaited what, json_t *id)
{
	json_decref(c->id);
	c->id = json_incref(id);
	c->awaited = what;
}

static void
settle(struct client *c, json_t *result)
{
	answer(c, c->id, result);
	json_decref(c->id);
	c->id = NULL;
	c->awaited = NOTHING;
}

void
control_tell(struct control *control)
{
	enum supervisor_phase phase = control ? control->s->phase : PHASE_ENDING;
	struct client *c;

	if (!control)
		return;
	LIST_FOREACH (c, &control->clients, entry)
		if ((c->awaited == PAUSED && phase == PHASE_PAUSED) ||
			(c->awaited == RUNNING && phase == PHASE_RUNNING))
			settle(c, json_object());
}

void
control_finish(struct control *control)
{
	struct client *c;

	if (!control)
		return;
	LIST_FOREACH (c, &control->clients, entry) {
		if (c->awaited == END)
			settle(c, supervisor_describe_end(control->s));
		else if (c->awaited != NOTHING)
			refuse(c, c->id, API_FAILED, "the virtual machine has ended");
		lines_flush(c->lines, 100);
	}
}

/* ---- requests ---- */

static void
pause_or_resume(struct client *c, bool pause, json_t *id)
{
	struct supervisor *s = c->control->s;

	if (s->phase != PHASE_RUNNING && s->phase != PHASE_PAUSED) {
		refuse(c, id, API_FAILED,
			s->phase == PHASE_STARTING ? "the virtual machine does not run yet"
						   : "the virtual machine is about to end");
		return;
	}
	if (pause == (s->phase == PHASE_PAUSED)) {
		answer(c, id, json_object());
		return;
	}
	await(c, pause ? PAUSED : RUNNING, id);
	if (pause)
		s->ops->pause(s->engine);
	else
		s->ops->resume(s->engine);
}

static void
on_message(void *arg, json_t *message)
{
	const char *method = json_string_value(json_object_get(message, "method"));
	json_t *id = json_object_get(message, "id"), *wait;
	struct client *c = arg;
	struct supervisor *s = c->control->s;

	if (!method || !id)
		return;
	wait = json_object_get(json_object_get(message, "params"), "wait");
	if (strcmp(method, "vm.show") == 0) {
		answer(c, id, json_pack("{s:[o]}", "rows", supervisor_describe(s)));
	} else if (strcmp(method, "vm.stop") == 0) {
		await(c, END, id);
		supervisor_stop(s, json_is_integer(wait) ? (unsigned)json_integer_value(wait)
							 : SUPERVISOR_STOP_SECONDS);
	} else if (strcmp(method, "vm.kill") == 0) {
		await(c, END, id);
		supervisor_kill(s);
	} else if (strcmp(method, "vm.pause") == 0) {
		pause_or_resume(c, true, id);
	} else if (strcmp(method, "vm.resume") == 0) {
		pause_or_resume(c, false, id);
	} else {
		refuse(c, id, API_NO_METHOD, "a supervisor has no such method");
	}
}

/* ---- clients ---- */

static void
client_free(struct client *c)
{
	LIST_REMOVE(c, entry);
	c->control->count--;
	lines_destroy(c->lines);
	json_decref(c->id);
	free(c);
}

static void
on_end(void *arg)
{
	client_free(arg);
}

static void
on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
	int length, void *arg)
{
	struct control *control = arg;
	struct client *c = control->count < SUPERVISOR_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	const struct lines_handler handler = {on_message, on_end, c};

	if (!c) {
		close(fd);
		return;
	}
	c->control = control;
	c->lines = lines_create(control->s->loop, fd, &handler);
	if (!c->lines) {
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&control->clients, c, entry);
	control->count++;
}

/* ---- life ---- */

int
control_create(struct control **control, struct supervisor *s, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	char path[PATH_MAX];
	const struct unix_socket_options options = {
		.path = path, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1};
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->s = s;
	c->socket.fd = -1;
	LIST_INIT(&c->clients);
	vm_dir_file(&s->dir, "control.sock", path, sizeof(path));
	r = unix_socket_listen(&c->socket, &options, err);
	if (r == 0) {
		c->listener = evconnlistener_new(
			s->loop, on_connection, c, LEV_OPT_CLOSE_ON_EXEC, 0, c->socket.fd);
		if (!c->listener)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r)
		control_destroy(c);
	else
		*control = c;
	return r;
}

void
control_destroy(struct control *c)
{
	if (!c)
		return;
	while (!LIST_EMPTY(&c->clients))
		client_free(LIST_FIRST(&c->clients));
	if (c->listener)
		evconnlistener_free(c->listener);
	unix_socket_close(&c->socket);
	free(c);
}
