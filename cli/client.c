/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/schema.h"
#include "cli/client.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/unix_socket.h"

#define REPLY_MAX       ((size_t)512 << 20) /* bytes of one reply: a full MAC table has its place */
#define READ_SIZE       ((size_t)64 << 10)
#define BACKLOG_WAIT_MS 20 /* between two attempts while the listener's backlog is full */

static int64_t
deadline_after(unsigned ms)
{
	return (int64_t)(clock_ns() / 1000000) + ms;
}

static int
remaining_ms(int64_t deadline)
{
	int64_t left = deadline - (int64_t)(clock_ns() / 1000000);

	return left > 0 ? (int)left : 0;
}

static int
refuse_permission(const char *path, struct err *err)
{
	const struct passwd *user;
	const struct group *group;
	char owner[64], name[64];
	struct stat st;

	if (stat(path, &st))
		return err_set(err, -EACCES,
			"permission denied on %s: its directory may not be searched by this user; "
			"run this as the user that runs patchbayd, or as root",
			path);
	user = getpwuid(st.st_uid);
	group = getgrgid(st.st_gid);
	snprintf(owner, sizeof(owner), "%u", st.st_uid);
	snprintf(name, sizeof(name), "%u", st.st_gid);
	return err_set(err, -EACCES,
		"permission denied on %s: it belongs to %s:%s %04o, add yourself to group %s or "
		"run this as %s",
		path, user ? user->pw_name : owner, group ? group->gr_name : name,
		st.st_mode & 07777u, group ? group->gr_name : name, user ? user->pw_name : owner);
}

/* A listener with a full backlog is busy: waited for within the time-out. */
static int
connect_to(const char *path, unsigned timeout_ms, int *fd, struct err *err)
{
	int64_t deadline = deadline_after(timeout_ms);
	int r;

	for (;;) {
		r = unix_socket_connect(path, fd, err);
		if (r != -EAGAIN)
			return r;
		if (remaining_ms(deadline) == 0)
			break;
		poll(NULL, 0, BACKLOG_WAIT_MS);
	}
	return err_set(err, -ETIMEDOUT, "patchbayd on %s is too busy to take a connection", path);
}

static bool
is_nobody(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR;
}

static int
explain(int r, const char *path, bool chosen, struct err *err)
{
	if (r == -EACCES || r == -EPERM)
		return refuse_permission(path, err);
	if (!is_nobody(r))
		return r;
	return err_set(err, r, "no patchbayd is listening on %s: start it with `patchbayd%s%s`",
		path, chosen ? " --socket " : "", chosen ? path : "");
}

static void
client_init(struct client *client, const char *peer, unsigned timeout_ms)
{
	memset(client, 0, sizeof(*client));
	client->fd = -1;
	client->peer = peer;
	client->timeout_ms = timeout_ms;
}

int
client_open_peer(struct client *client, const char *socket, const char *peer, unsigned timeout_ms,
	struct err *err)
{
	client_init(client, peer, timeout_ms);
	return unix_socket_connect(socket, &client->fd, err);
}

int
client_open(struct client *client, const char *socket, unsigned timeout_ms, struct err *err)
{
	const char *system = API_SYSTEM_DIR "/" API_SOCKET_NAME;
	char dir[UNIX_SOCKET_PATH_SIZE], own[UNIX_SOCKET_PATH_SIZE + 16];
	int r;

	client_init(client, "patchbayd", timeout_ms);
	if (!socket || !*socket)
		socket = getenv("PATCHBAY_SOCKET");
	if (socket && *socket) {
		r = connect_to(socket, timeout_ms, &client->fd, err);
		return r ? explain(r, socket, true, err) : 0;
	}
	r = api_runtime_dir(dir, sizeof(dir));
	if (r)
		return err_set(err, r, "$XDG_RUNTIME_DIR is too long for a socket's path");
	snprintf(own, sizeof(own), "%s/%s", dir, API_SOCKET_NAME);
	r = connect_to(own, timeout_ms, &client->fd, err);
	if (is_nobody(r) && strcmp(own, system) != 0) {
		int s = connect_to(system, timeout_ms, &client->fd, err);

		if (!is_nobody(s))
			return s ? explain(s, system, false, err) : 0;
	}
	return r ? explain(r, own, false, err) : 0;
}

static int
wait_for(struct client *client, short events, int64_t deadline, struct err *err)
{
	struct pollfd p = {.fd = client->fd, .events = events};

	for (;;) {
		int r = poll(&p, 1, remaining_ms(deadline));

		if (r > 0)
			return 0;
		if (r < 0 && errno == EINTR) {
			if (client->stopped && *client->stopped)
				return err_set(err, -EINTR, "interrupted");
			continue;
		}
		if (r < 0)
			return err_set(err, -errno, "cannot wait for %s: %s", client->peer,
				strerror(errno));
		return err_set(err, -ETIMEDOUT,
			"%s did not answer within %u s (--timeout SECONDS waits longer)",
			client->peer, client->timeout_ms / 1000);
	}
}

static int
send_all(struct client *client, const char *data, size_t size, int64_t deadline, struct err *err)
{
	while (size > 0) {
		ssize_t n = send(client->fd, data, size, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		/* Who hangs up has said why: that is read next. */
		if (errno == EPIPE)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return err_set(err, -errno, "cannot send to %s: %s", client->peer,
				strerror(errno));
		r = wait_for(client, POLLOUT, deadline, err);
		if (r)
			return r;
	}
	return 0;
}

static int
make_room(struct client *client, struct err *err)
{
	size_t size = client->size ? client->size * 2 : READ_SIZE;
	char *buffer;

	if (client->used < client->size)
		return 0;
	if (size > REPLY_MAX)
		return err_set(err, -EMSGSIZE, "the answer of %s is longer than %zu MiB",
			client->peer, REPLY_MAX >> 20);
	buffer = realloc(client->buffer, size);
	if (!buffer)
		return err_set(err, -ENOMEM, "out of memory for the answer of %s", client->peer);
	client->buffer = buffer;
	client->size = size;
	return 0;
}

/* Waits for a whole line; *length is without the newline. */
static int
receive_line(struct client *client, size_t *length, int64_t deadline, struct err *err)
{
	size_t searched = 0;

	for (;;) {
		char *end = client->used > searched ? memchr(client->buffer + searched, '\n',
							      client->used - searched)
						    : NULL;
		ssize_t n;
		int r;

		if (end) {
			*length = (size_t)(end - client->buffer);
			return 0;
		}
		searched = client->used;
		r = make_room(client, err);
		if (r)
			return r;
		n = fd_pass_receive(client->fd, client->buffer + client->used,
			client->size - client->used, client->fds, FD_PASS_MAX, &client->fd_count);
		if (n == 0)
			return err_set(err, -ECONNRESET,
				"%s closed the connection without an answer", client->peer);
		if (n > 0) {
			client->used += (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return err_set(err, (int)n, "cannot receive from %s: %s", client->peer,
				strerror((int)-n));
		r = wait_for(client, POLLIN, deadline, err);
		if (r)
			return r;
	}
}

/* The next message, taken out of the buffer; a new reference. */
static int
receive_message(struct client *client, json_t **message, int64_t deadline, struct err *err)
{
	json_error_t error;
	size_t length = 0;
	int r = receive_line(client, &length, deadline, err);

	if (r)
		return r;
	*message = json_loadb(client->buffer, length, 0, &error);
	client->used -= length + 1;
	memmove(client->buffer, client->buffer + length + 1, client->used);
	if (!json_is_object(*message)) {
		json_decref(*message);
		return err_set(err, -EPROTO, "what answers on the socket is not %s", client->peer);
	}
	return 0;
}

static int
take_answer(const json_t *message, json_t **result, struct err *err)
{
	const json_t *error = json_object_get(message, "error");
	const char *text = json_string_value(json_object_get(error, "message"));

	if (error)
		return err_set(
			err, -EREMOTEIO, "%s", text ? text : "patchbayd refused without a reason");
	*result = json_incref(json_object_get(message, "result"));
	if (!*result)
		return err_set(err, -EPROTO, "the answer of patchbayd has no result");
	return 0;
}

static int
send_request(struct client *client, const char *method, json_t *params, int64_t deadline,
	struct err *err)
{
	json_t *request = json_pack("{s:s, s:I, s:s, s:O*}", "jsonrpc", "2.0", "id",
		(json_int_t)++client->last_id, "method", method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int r = -ENOMEM;

	json_decref(request);
	if (!text)
		return err_set(err, r, "out of memory");
	if (strlen(text) >= API_LINE_MAX)
		r = err_set(
			err, -EMSGSIZE, "the request is longer than %u MiB", API_LINE_MAX >> 20);
	else
		r = send_all(client, text, strlen(text), deadline, err);
	if (r == 0)
		r = send_all(client, "\n", 1, deadline, err);
	free(text);
	return r;
}

int
client_call(
	struct client *client, const char *method, json_t *params, json_t **result, struct err *err)
{
	int64_t deadline = deadline_after(client->timeout_ms);
	int r = send_request(client, method, params, deadline, err);

	while (r == 0) {
		json_t *message, *id;

		r = receive_message(client, &message, deadline, err);
		if (r)
			break;
		/* Notifications and answers to requests that were given up are passed over; an
		 * error without id is about a request that could not be read: ours. */
		id = json_object_get(message, "id");
		if (json_integer_value(id) == client->last_id ||
			(json_is_null(id) && json_object_get(message, "error"))) {
			r = take_answer(message, result, err);
			json_decref(message);
			return r;
		}
		json_decref(message);
	}
	return r;
}

void
client_close(struct client *client)
{
	fd_close(&client->fd);
	fds_close(client->fds, client->fd_count);
	client->fd_count = 0;
	free(client->buffer);
	client->buffer = NULL;
	client->used = client->size = 0;
}
