/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/schema.h"
#include "launcher/lines.h"
#include "launcher/switch_ports.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/unix_socket.h"
#include "vhost/path_watch.h"

#define ANSWER_SECONDS 10 /* longest wait for an answer */
#define REMOVE_SECONDS 3  /* when nothing depends on it any more */
#define RETRY_MIN_MS   10 /* patchbayd binds its socket before it listens */
#define RETRY_MAX_MS   500

enum purpose { ADD, RESTORE, REMOVE };

struct switch_ports {
	struct event_base *loop;
	const struct vm_definition *def;
	struct switch_ports_handler handler;
	char paths[2][UNIX_SOCKET_PATH_SIZE]; /* where to look for patchbayd */
	unsigned path_count;
	const char *path; /* where it was */
	struct path_watch *watch;

	enum purpose purpose;
	bool busy, missing; /* a conversation goes on; ports are to be restored */
	struct lines *lines;
	json_t *requests; /* that are to be sent, in order; the answer to the first is awaited */
	bool showing;     /* and it is the one to port.show */
	struct event *timer;
	unsigned retry_ms;
	uid_t switch_user;
};

bool
definition_has_ports(const struct vm_definition *def)
{
	for (unsigned i = 0; i < def->net_count; i++)
		if (def->nets[i].port[0])
			return true;
	return false;
}

/* ---- requests ---- */

static json_t *
request(const char *method, json_t *params)
{
	return json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method,
		"params", params);
}

static void
plan_del(struct switch_ports *p, const struct definition_net *net)
{
	json_array_append_new(p->requests,
		request("port.del", json_pack("{s:s, s:b}", "name", net->port, "force", 1)));
}

static void
plan_add(struct switch_ports *p, const struct definition_net *net)
{
	static const char *const same[] = {
		"bridge", "queues", "mac", "mtu", "vlan_mode", "tag", "trunks", "profile"};
	json_t *params = json_pack("{s:s, s:s, s:s, s:o}", "name", net->port, "type", "vhost-user",
		"path", net->path, "owner", json_sprintf("vm:%s", p->def->vm.name));
	const struct passwd *user = getpwuid(geteuid());

	for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		json_t *value = schema_get(noun_key(&noun_net, same[i]), &net->set, false);

		if (value)
			json_object_set_new(params, same[i], value);
	}
	/* A patchbayd of another user makes sockets that are not ours to connect to. */
	if (p->switch_user != geteuid() && geteuid() != 0 && user)
		json_object_set_new(params, "socket_owner", json_string(user->pw_name));
	json_array_append_new(p->requests, request("port.add", params));
}

static const json_t *
find_row(const json_t *rows, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *own = json_string_value(json_object_get(row, "name"));

		if (own && strcmp(own, name) == 0)
			return row;
	}
	return NULL;
}

/* Has another port of the switch the address? */
static int
check_mac(const json_t *rows, const struct definition_net *net, struct err *err)
{
	char mac[MAC_TEXT_SIZE];
	const json_t *row;
	size_t i;

	mac_format(&net->set.mac, mac);
	json_array_foreach (rows, i, row) {
		const char *own = json_string_value(json_object_get(row, "mac"));
		const char *name = json_string_value(json_object_get(row, "name"));

		if (own && name && strcmp(own, mac) == 0 && strcmp(name, net->port) != 0)
			return err_set(err, -EEXIST,
				"the address %s belongs to port \"%s\" of the switch: give another "
				"with mac=",
				mac, name);
	}
	return 0;
}

/* What there is on the switch decides what is to be done there. */
static int
plan(struct switch_ports *p, const json_t *rows, struct err *err)
{
	for (unsigned i = 0; i < p->def->net_count; i++) {
		const struct definition_net *net = &p->def->nets[i];
		const json_t *row = net->port[0] ? find_row(rows, net->port) : NULL;
		const char *path = json_string_value(json_object_get(row, "path"));
		bool ours = path && strcmp(path, net->path) == 0;
		int r;

		if (!net->port[0])
			continue;
		if (p->purpose == REMOVE) {
			if (ours)
				plan_del(p, net);
			continue;
		}
		r = check_mac(rows, net, err);
		if (r)
			return r;
		if (row && !ours)
			return err_set(err, -EEXIST,
				"the switch has a port \"%s\" already, which is not of this virtual "
				"machine: `patchbay port del %s`",
				net->port, net->port);
		/* What is left of a supervisor that was killed may have other settings. */
		if (ours && p->purpose == ADD)
			plan_del(p, net);
		if (!ours || p->purpose == ADD)
			plan_add(p, net);
	}
	return 0;
}

/* ---- the conversation ---- */

static void
set_timer(struct switch_ports *p, unsigned ms)
{
	const struct timeval time = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	event_add(p->timer, &time);
}

static void
hang_up(struct switch_ports *p)
{
	event_del(p->timer);
	lines_destroy(p->lines);
	p->lines = NULL;
	json_decref(p->requests);
	p->requests = NULL;
	p->busy = false;
}

static void
on_path(void *arg)
{
	struct switch_ports *p = arg;

	if (path_watch_lost(p->watch)) {
		path_watch_del(p->watch);
		p->watch = NULL;
	}
	/* It is gone, or there is a new one: that will be seen. */
	p->missing = true;
	p->retry_ms = RETRY_MIN_MS;
	if (!p->busy)
		set_timer(p, p->retry_ms);
}

static void
watch_switch(struct switch_ports *p)
{
	if (!p->watch && p->path)
		path_watch_add(&p->watch, p->loop, p->path, on_path, p);
}

static void
retry(struct switch_ports *p)
{
	p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
	set_timer(p, p->retry_ms);
}

static void
finish(struct switch_ports *p, const struct err *err)
{
	static const struct err none;

	hang_up(p);
	switch (p->purpose) {
	case ADD:
		watch_switch(p);
		p->handler.ready(p->handler.arg, err ? err : &none);
		break;
	case RESTORE:
		if (err) {
			log_warning("the ports are not back on the switch: %s", err->text);
			retry(p);
			break;
		}
		p->missing = false;
		log_info("the ports are on the switch");
		break;
	case REMOVE:
		p->handler.removed(p->handler.arg);
		break;
	}
}

static void
send_next(struct switch_ports *p)
{
	lines_send(p->lines, json_incref(json_array_get(p->requests, 0)));
	set_timer(p, (p->purpose == REMOVE ? REMOVE_SECONDS : ANSWER_SECONDS) * 1000);
}

static void
on_answer(void *arg, json_t *message)
{
	const json_t *error = json_object_get(message, "error");
	const char *text = json_string_value(json_object_get(error, "message"));
	struct switch_ports *p = arg;
	struct err err = {0};

	if (!json_object_get(message, "id"))
		return;
	if (error && p->purpose != REMOVE)
		err_set(&err, -EREMOTEIO, "the switch: %s",
			text ? text : "refused without a reason");
	json_array_remove(p->requests, 0);
	if (p->showing && !err.code)
		plan(p, json_object_get(json_object_get(message, "result"), "rows"), &err);
	p->showing = false;
	if (err.code)
		finish(p, &err);
	else if (json_array_size(p->requests))
		send_next(p);
	else
		finish(p, NULL);
}

static void
on_end(void *arg)
{
	struct switch_ports *p = arg;
	struct err err;

	err_set(&err, -ECONNRESET, "patchbayd closed the connection without an answer");
	finish(p, &err);
}

static int
connect_switch(struct switch_ports *p, int *fd, struct err *err)
{
	struct unix_peer peer = {.uid = geteuid()};
	int r = -ENOENT;

	for (unsigned i = 0; i < p->path_count && (r == -ENOENT || r == -ECONNREFUSED); i++) {
		const char *path = p->path ? p->path : p->paths[i];

		r = unix_socket_connect(path, fd, err);
		if (r == 0) {
			p->path = path;
			unix_socket_peer(*fd, &peer);
			p->switch_user = peer.uid;
		}
	}
	return r;
}

static void
converse(struct switch_ports *p, enum purpose purpose)
{
	const struct lines_handler handler = {on_answer, on_end, p};
	struct err err;
	int fd = -1, r;

	hang_up(p);
	p->purpose = purpose;
	r = connect_switch(p, &fd, &err);
	if (r) {
		if (r == -ENOENT || r == -ECONNREFUSED)
			err_set(&err, r,
				"no patchbayd is listening on %s, and bridge= needs one: start it with "
				"`patchbayd &`, or this with `patchbay up`",
				p->path ? p->path : p->paths[0]);
		finish(p, &err);
		return;
	}
	p->lines = lines_create(p->loop, fd, &handler);
	p->requests = json_array();
	if (!p->lines || !p->requests) {
		err_set(&err, -ENOMEM, "out of memory");
		finish(p, &err);
		return;
	}
	p->busy = p->showing = true;
	json_array_append_new(p->requests, request("port.show", json_object()));
	send_next(p);
}

/* ---- events ---- */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct switch_ports *p = arg;
	struct err err;

	if (p->busy) {
		err_set(&err, -ETIMEDOUT, "patchbayd did not answer in time");
		finish(p, &err);
		return;
	}
	if (!p->path) { /* the first time */
		converse(p, ADD);
		return;
	}
	watch_switch(p);
	if (p->missing && (access(p->path, F_OK) == 0 || !p->watch))
		converse(p, RESTORE);
}

/* ---- life ---- */

static int
find_paths(struct switch_ports *p, const char *socket, struct err *err)
{
	const char *given = socket && *socket ? socket : getenv("PATCHBAY_SOCKET");
	char dir[UNIX_SOCKET_PATH_SIZE];
	int n;

	p->path_count = 1;
	if (given && *given) {
		n = snprintf(p->paths[0], sizeof(p->paths[0]), "%s", given);
	} else {
		if (api_runtime_dir(dir, sizeof(dir)))
			dir[0] = '\0';
		n = snprintf(p->paths[0], sizeof(p->paths[0]), "%.80s/%s", dir, API_SOCKET_NAME);
		snprintf(
			p->paths[1], sizeof(p->paths[1]), "%s/%s", API_SYSTEM_DIR, API_SOCKET_NAME);
		p->path_count = 2;
	}
	if (n >= (int)sizeof(p->paths[0]))
		return err_set(err, -ENAMETOOLONG, "the path of patchbayd's socket is too long");
	return 0;
}

int
switch_ports_create(struct switch_ports **ports, struct event_base *loop,
	const struct vm_definition *def, const char *socket,
	const struct switch_ports_handler *handler, struct err *err)
{
	struct switch_ports *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->loop = loop;
	p->def = def;
	p->handler = *handler;
	p->switch_user = geteuid();
	r = find_paths(p, socket, err);
	p->timer = evtimer_new(loop, on_timer, p);
	if (r == 0 && !p->timer)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r) {
		switch_ports_destroy(p);
		return r;
	}
	set_timer(p, 0);
	*ports = p;
	return 0;
}

void
switch_ports_remove(struct switch_ports *p)
{
	path_watch_del(p->watch);
	p->watch = NULL;
	converse(p, REMOVE);
}

void
switch_ports_destroy(struct switch_ports *p)
{
	if (!p)
		return;
	if (p->timer)
		hang_up(p);
	path_watch_del(p->watch);
	if (p->timer)
		event_free(p->timer);
	free(p);
}
