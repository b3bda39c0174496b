/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "control/config_file.h"
#include "control/port_types.h"
#include "control/tables.h"
#include "control/taker.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/file.h"
#include "lib/log.h"

#define ANSWER_MS  2000
#define ANSWER_MAX 4096

/* ---- finding the other daemon ---- */

/* One line to the control socket, one line back. */
static int
ask(int fd, const char *line, char answer[ANSWER_MAX])
{
	uint64_t until = clock_ns() + (uint64_t)ANSWER_MS * 1000000;
	size_t have = 0;

	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return -errno;
	while (have < ANSWER_MAX - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_ns();
		ssize_t n;

		if (now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) == 0)
			return -ETIMEDOUT;
		n = recv(fd, answer + have, ANSWER_MAX - 1 - have, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		have += (size_t)n;
		answer[have] = '\0';
		if (memchr(answer, '\n', have))
			return 0;
	}
	return -EMSGSIZE;
}

static int
ask_for_place(int fd, char name[TAKEOVER_NAME_SIZE], struct err *err)
{
	static const char line[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.takeover\"}\n";
	char answer[ANSWER_MAX];
	const char *text, *why;
	json_t *root;
	int rc = ask(fd, line, answer);

	if (rc)
		return err_set(err, rc, "the running daemon does not answer: %s", strerror(-rc));
	root = json_loads(answer, 0, NULL);
	text = json_string_value(json_object_get(json_object_get(root, "result"), "name"));
	why = json_string_value(json_object_get(json_object_get(root, "error"), "message"));
	if (!text || strlen(text) >= TAKEOVER_NAME_SIZE)
		rc = err_set(err, -ECANCELED, "the running daemon refuses: %s",
			why ? why : "its answer is not understood");
	else
		memcpy(name, text, strlen(text) + 1);
	json_decref(root);
	return rc;
}

static int
connect_abstract(const char *name, int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	int rc;

	memcpy(address.sun_path + 1, name, strlen(name));
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	if (connect(*fd, (struct sockaddr *)&address, size) == 0)
		return 0;
	rc = -errno;
	fd_close(fd);
	return rc;
}

int
taker_connect(struct taker *taker, const char *socket_path, struct err *err)
{
	char name[TAKEOVER_NAME_SIZE];
	int fd, rc = unix_socket_connect(socket_path, &fd, err);

	if (rc)
		return rc;
	rc = ask_for_place(fd, name, err);
	fd_close(&fd);
	if (rc)
		return rc;
	rc = connect_abstract(name, &taker->peer);
	if (rc)
		return err_set(err, rc, "cannot reach the running daemon: %s", strerror(-rc));
	return 0;
}

void
taker_close(struct taker *taker)
{
	fd_close(&taker->peer);
}

/* ---- what runs there ---- */

static int
receive_config(struct taker *t, struct config_file *file, struct err *err)
{
	struct takeover_record record;
	size_t size = 0;
	char *text = NULL;
	int rc = takeover_expect(t->peer, TAKEOVER_CONFIG, &record, TAKEOVER_PREPARE_MS, err);

	if (rc)
		return rc;
	rc = record.item.fd_count == 1
		     ? file_read(record.item.fds[0], CONFIG_TEXT_MAX, &text, &size)
		     : -EPROTO;
	takeover_record_close(&record);
	if (rc)
		return err_set(err, rc, "the other daemon's configuration cannot be read: %s",
			strerror(-rc));
	rc = config_read(file, "the running configuration", text, size, err);
	free(text);
	return rc;
}

/* What is left of a model without the ports that must wait until the other daemon has closed them. */
static int
without_others(struct model *to, const struct model *from)
{
	if (model_copy(to, from))
		return -ENOMEM;
	for (unsigned i = 0; i < from->port_count; i++) {
		if (!port_kind(from->ports[i].type)->handover)
			model_del_port(to, model_port(to, from->ports[i].name));
	}
	return 0;
}

static int
prepare(struct state *state, const struct model *wanted, struct err *err)
{
	struct model first;
	int rc = without_others(&first, wanted);

	if (rc)
		return err_set(err, rc, "out of memory");
	state->live->adopting = true;
	rc = state_change(state, &first, false, NULL, err);
	state->live->adopting = false;
	model_free(&first);
	return rc;
}

/* ---- what is handed over ---- */

static int
take_socket(struct handover_item *item, struct unix_socket *socket, struct err *err)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	uint64_t file[2];

	if (item->fd_count != 1 || item->size != sizeof(file) ||
		getsockname(item->fds[0], (struct sockaddr *)&address, &size) ||
		address.sun_family != AF_UNIX)
		return err_set(err, -EPROTO, "that is no control socket");
	memcpy(file, item->bytes, sizeof(file));
	socket->fd = fd_take(&item->fds[0]);
	socket->device = (dev_t)file[0];
	socket->inode = (ino_t)file[1];
	snprintf(socket->path, sizeof(socket->path), "%.*s", (int)sizeof(socket->path) - 1,
		address.sun_path);
	return 0;
}

/* The port that the next items are for; one that is not here keeps its connection. */
static int
name_port(struct state *state, struct handover_item *item, struct live_port **port, struct err *err)
{
	item->bytes[sizeof(item->bytes) - 1] = '\0';
	*port = live_port(state->live, (const char *)item->bytes);
	if (!*port || !(*port)->type->handover)
		return err_set(
			err, -EPROTO, "port %.31s was not announced", (const char *)item->bytes);
	return 0;
}

/* A front end whose state makes no sense here has to connect again; the others do not. */
static void
import_item(struct live_port *port, struct handover_item *item)
{
	struct err err = {0};

	if (port->type->handover->import(port->port, item, &err))
		log_error("port %s: the connection is not taken over: %s", port->name, err.text);
}

static int
take_record(struct state *state, struct takeover_record *record, struct unix_socket *socket,
	struct live_port **port, struct err *err)
{
	switch ((enum takeover_type)record->type) {
	case TAKEOVER_SOCKET:
		return take_socket(&record->item, socket, err);
	case TAKEOVER_PORT:
		return name_port(state, &record->item, port, err);
	case TAKEOVER_ITEM:
		if (!*port)
			return err_set(err, -EPROTO, "an item of no port");
		import_item(*port, &record->item);
		return 0;
	case TAKEOVER_TABLES:
		if (record->item.fd_count != 1)
			return err_set(err, -EPROTO, "tables without a file");
		return tables_read(record->item.fds[0], state->live, err);
	case TAKEOVER_ABORT:
		record->item.bytes[sizeof(record->item.bytes) - 1] = '\0';
		return err_set(err, -ECANCELED, "%s", (const char *)record->item.bytes);
	default:
		return err_set(err, -EPROTO, "record %u where none belongs", record->type);
	}
}

/* Until END. */
static int
receive_state(struct taker *t, struct state *state, struct unix_socket *socket, struct err *err)
{
	struct live_port *port = NULL;
	struct takeover_record record;

	for (;;) {
		int rc = takeover_receive(t->peer, &record, TAKEOVER_HOLD_MS);

		if (rc)
			return err_set(
				err, rc, "the running daemon does not go on: %s", strerror(-rc));
		if (record.type == TAKEOVER_END) {
			takeover_record_close(&record);
			return 0;
		}
		rc = take_record(state, &record, socket, &port, err);
		takeover_record_close(&record);
		if (rc)
			return rc;
	}
}

static int
take(struct taker *t, struct state *state, const struct model *wanted, struct unix_socket *socket,
	struct err *err)
{
	struct takeover_record record;
	int rc = prepare(state, wanted, err);

	if (!rc) {
		rc = takeover_expect(t->peer, TAKEOVER_TABLES, &record, TAKEOVER_PREPARE_MS, err);
		if (!rc) {
			rc = take_record(state, &record, socket, &(struct live_port *){NULL}, err);
			takeover_record_close(&record);
		}
	}
	if (rc) {
		takeover_say(t->peer, TAKEOVER_ABORT, err->text, TAKEOVER_HOLD_MS);
		return rc;
	}
	rc = takeover_say(t->peer, TAKEOVER_PREPARED, "", TAKEOVER_HOLD_MS);
	if (rc)
		return err_set(err, rc, "the running daemon is gone: %s", strerror(-rc));
	rc = receive_state(t, state, socket, err);
	if (!rc && socket->fd < 0)
		rc = err_set(err, -EPROTO, "the running daemon gave no control socket");
	if (rc) {
		takeover_say(t->peer, TAKEOVER_ABORT, err->text, TAKEOVER_HOLD_MS);
		return rc;
	}
	rc = takeover_say(t->peer, TAKEOVER_READY, "", TAKEOVER_HOLD_MS);
	if (!rc)
		rc = takeover_expect(t->peer, TAKEOVER_GO, &record, TAKEOVER_PREPARE_MS, err);
	if (rc)
		return rc;
	takeover_record_close(&record);
	return 0;
}

int
taker_run(struct taker *taker, struct state *state, struct unix_socket *socket, struct err *err)
{
	struct config_file file;
	int rc = receive_config(taker, &file, err);

	if (rc)
		return rc;
	rc = take(taker, state, &file.model, socket, err);
	if (rc) {
		/* The file is the other daemon's: leave it there. */
		fd_close(&socket->fd);
	} else {
		live_adopt(state->live);
		state_add_each(state, &file.model);
	}
	config_free(&file);
	return rc;
}
