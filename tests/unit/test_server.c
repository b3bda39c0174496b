/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server in a loop of its own thread, with a handler that knows three methods; clients are
 * blocking sockets with a deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "api/schema.h"
#include "control/server.h"
#include "lib/clock.h"
#include "lib/fd.h"

#define LINE_MAX_BYTES (1u << 20)
#define PATIENCE_MS    300
#define ANSWER_MS      20000

static struct {
	char directory[64], path[108];
	struct unix_socket listener;
	struct event_base *loop;
	struct server *server;
	struct event *stop;
	int stop_pipe[2];
	pthread_t thread;
	atomic_uint calls, gone;
} bench;

static void
on_gone(void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
}

/*
 * "echo" gives its params back, "fill" a string of n bytes, "whoami" whether it may change, "pass" a
 * descriptor of the test's pipe; it wants to know when the peer has gone.
 */
static json_t *
handle(void *arg, const char *method, json_t *params, struct rpc_peer *peer,
	struct rpc_error *error)
{
	(void)arg;
	atomic_fetch_add(&bench.calls, 1);
	if (strcmp(method, "echo") == 0)
		return params ? json_incref(params) : json_object();
	if (strcmp(method, "whoami") == 0)
		return json_pack("{s:b}", "may_change", (int)peer->may_change);
	if (strcmp(method, "pass") == 0) {
		peer->fds[0] = fd_duplicate(bench.stop_pipe[0]);
		peer->fd_count = 1;
		peer->gone = on_gone;
		peer->arg = &bench.gone;
		return json_object();
	}
	if (strcmp(method, "fill") == 0) {
		size_t n = (size_t)json_integer_value(json_object_get(params, "n"));
		char *text = malloc(n + 1);
		json_t *result;

		memset(text, 'x', n);
		text[n] = '\0';
		result = json_pack("{s:s}", "text", text);
		free(text);
		return result;
	}
	error->code = API_NO_METHOD;
	err_set(&error->err, -ENOSYS, "no method \"%.20s\"", method);
	return NULL;
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_base_loopbreak(bench.loop);
}

static void *
serve(void *arg)
{
	(void)arg;
	event_base_dispatch(bench.loop);
	return NULL;
}

static int
setup(void **state)
{
	struct unix_socket_options listen = {
		.path = bench.path, .mode = 0666, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct server_options options = {
		.listener = &bench.listener,
		.handler = {handle, NULL},
		.group = 12345,
		.read_group = (gid_t)-1,
		.line_max = LINE_MAX_BYTES,
		.patience_ms = PATIENCE_MS,
	};
	struct err err;

	(void)state;
	memset(&bench, 0, sizeof(bench));
	snprintf(bench.directory, sizeof(bench.directory), "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(bench.directory));
	assert_int_equal(chmod(bench.directory, 0755), 0);
	snprintf(bench.path, sizeof(bench.path), "%s/c.sock", bench.directory);
	assert_int_equal(unix_socket_listen(&bench.listener, &listen, &err), 0);
	assert_int_equal(pipe(bench.stop_pipe), 0);
	bench.loop = options.loop = event_base_new();
	bench.stop = event_new(bench.loop, bench.stop_pipe[0], EV_READ, on_stop, NULL);
	event_add(bench.stop, NULL);
	assert_int_equal(server_create(&bench.server, &options, &err), 0);
	return pthread_create(&bench.thread, NULL, serve, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(write(bench.stop_pipe[1], "x", 1), 1);
	pthread_join(bench.thread, NULL);
	server_destroy(bench.server);
	event_free(bench.stop);
	event_base_free(bench.loop);
	unix_socket_close(&bench.listener);
	close(bench.stop_pipe[0]);
	close(bench.stop_pipe[1]);
	return rmdir(bench.directory);
}

static int
connect_client(void)
{
	struct err err;
	int fd;

	assert_int_equal(unix_socket_connect(bench.path, &fd, &err), 0);
	return fd;
}

static void
say(int fd, const void *text, size_t size)
{
	const char *p = text;
	uint64_t deadline = clock_ns() + ANSWER_MS * UINT64_C(1000000);

	while (size) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
		struct pollfd poll_fd = {fd, POLLOUT, 0};

		if (n < 0 && errno == EAGAIN && clock_ns() < deadline) {
			poll(&poll_fd, 1, 100);
			continue;
		}
		assert_true(n > 0);
		p += n;
		size -= (size_t)n;
	}
}

/* Reads a line; 0 at the end of the connection.  The newline is cut off. */
static size_t
hear(int fd, char *line, size_t size)
{
	uint64_t deadline = clock_ns() + ANSWER_MS * UINT64_C(1000000);
	size_t n = 0;

	while (n < size - 1) {
		struct pollfd poll_fd = {fd, POLLIN, 0};
		char *newline;
		ssize_t got;

		assert_true(clock_ns() < deadline);
		if (poll(&poll_fd, 1, 100) == 0)
			continue;
		got = recv(fd, line + n, size - 1 - n, MSG_PEEK);
		if (got <= 0)
			break;
		newline = memchr(line + n, '\n', (size_t)got);
		if (newline)
			got = newline + 1 - (line + n);
		assert_int_equal(recv(fd, line + n, (size_t)got, 0), got);
		n += (size_t)got;
		if (newline) {
			n--;
			break;
		}
	}
	line[n] = '\0';
	return n;
}

static void
expect(int fd, const char *request, const char *answer)
{
	char line[4096];

	say(fd, request, strlen(request));
	say(fd, "\n", 1);
	hear(fd, line, sizeof(line));
	if (!strstr(line, answer))
		fail_msg("\"%s\" instead of \"%s\" to %.200s", line, answer, request);
}

static void
expect_end(int fd)
{
	char line[4096];

	assert_int_equal(hear(fd, line, sizeof(line)), 0);
	close(fd);
}

#define ECHO   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":1}}"
#define ECHOED "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}"

static void
answers(void **state)
{
	int fd = connect_client();
	char line[256];

	(void)state;
	expect(fd, ECHO, ECHOED);
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nope\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32601,\"message\":\"no method "
		"\\\"nope\\\"\",\"data\":{\"errno\":\"ENOSYS\"}}}");
	/* A notification has no answer; a carriage return and empty lines do no harm. */
	say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n\n\r\n" ECHO "\r\n",
		strlen("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n\n\r\n" ECHO "\r\n"));
	hear(fd, line, sizeof(line));
	assert_string_equal(line, ECHOED);
	assert_int_equal(atomic_load(&bench.calls), 4);
	close(fd);
}

static void
refuses_bad_requests(void **state)
{
	static const char *const cases[][2] = {
		{"{", "-32700"},
		{"nonsense", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"echo\"}", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"echo\"}", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"echo\"}", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\\u0000b\"}", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\ud800\"}", "-32700"},
		{"[" ECHO "]", "batches are not supported"},
		{"[]", "-32600"},
		{"5", "-32600"},
		{"{\"id\":1,\"method\":\"echo\"}", "\\\"jsonrpc\\\" must be"},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", "\\\"method\\\" must be a string"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", "\\\"id\\\" must be"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"extra\":1}", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[1]}", "-32602"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":5}", "-32602"},
	};
	int fd = connect_client();
	char line[512];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(fd, cases[i][0], cases[i][1]);
	assert_int_equal(atomic_load(&bench.calls), 0);
	/* A NUL byte in the middle of a line. */
	say(fd, "{\"jsonrpc\":\0\"2.0\"}\n", 19);
	hear(fd, line, sizeof(line));
	assert_non_null(strstr(line, "-32700"));
	expect(fd, ECHO, ECHOED);
	close(fd);
}

static void
bounds_nesting_and_values(void **state)
{
	char *text = malloc(LINE_MAX_BYTES);
	int fd = connect_client();
	size_t n = 0;

	(void)state;
	memset(text, '[', 100000);
	text[100000] = '\0';
	expect(fd, text, "nested more than 16 deep");
	n = (size_t)sprintf(text, "{\"a\":[");
	while (n < 300000)
		n += (size_t)sprintf(text + n, "1,");
	sprintf(text + n, "1]}");
	expect(fd, text, "more than 100000 values");
	/* Brackets in a string are none. */
	n = (size_t)sprintf(
		text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"t\":\"\\\"");
	memset(text + n, '[', 100);
	sprintf(text + n + 100, "\"}}");
	expect(fd, text, "\"result\"");
	close(fd);
	free(text);
}

/* A line without end is refused at its limit, whatever follows. */
static void
refuses_endless_line(void **state)
{
	char block[65536], line[512];
	int fd = connect_client(), other = connect_client();
	struct rusage before, after;
	size_t sent = 0;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	memset(block, 'x', sizeof(block));
	while (sent < (1u << 30)) {
		ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);
		struct pollfd poll_fd = {fd, POLLOUT, 0};

		if (n < 0 && errno == EAGAIN) {
			poll(&poll_fd, 1, 1000);
			continue;
		}
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	assert_true(sent < 8u << 20);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
	hear(fd, line, sizeof(line));
	assert_non_null(strstr(line, "longer than a line may be"));
	expect_end(fd);
	expect(other, ECHO, ECHOED);
	close(other);
}

/* A line of exactly the limit is served. */
static void
longest_line(void **state)
{
	char *text = malloc(LINE_MAX_BYTES + 16);
	int fd = connect_client();

	(void)state;
	memset(text, ' ', LINE_MAX_BYTES);
	memcpy(text, ECHO, strlen(ECHO));
	text[LINE_MAX_BYTES] = '\0';
	expect(fd, text, ECHOED);
	memset(text, ' ', LINE_MAX_BYTES + 1);
	text[LINE_MAX_BYTES + 1] = '\0';
	expect(fd, text, "longer than a line may be");
	close(fd);
	free(text);
}

/* Half a request, and one byte at a time, cost that client only. */
static void
unfinished_requests_end(void **state)
{
	int half = connect_client(), slow = connect_client(), idle = connect_client();
	int other = connect_client();
	uint64_t start = clock_ns(), slowest = 0;

	(void)state;
	say(half, "{\"jsonrpc\":", 11);
	while (clock_ns() - start < 2 * PATIENCE_MS * UINT64_C(1000000)) {
		uint64_t t = clock_ns();

		if (send(slow, " ", 1, MSG_NOSIGNAL) < 0)
			break;
		expect(other, ECHO, ECHOED);
		if (clock_ns() - t > slowest)
			slowest = clock_ns() - t;
		usleep(5000);
	}
	assert_true(clock_ns() - start > PATIENCE_MS * UINT64_C(900000));
	assert_true(slowest < PATIENCE_MS * UINT64_C(1000000));
	expect_end(half);
	expect_end(slow);
	/* Saying nothing at all is allowed. */
	expect(idle, ECHO, ECHOED);
	close(idle);
	close(other);
}

/* A reader that never reads is disconnected; its answers do not pile up. */
static void
reader_that_never_reads(void **state)
{
	static const char fill[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fill\",\"params\":{\"n\":300000}}\n";
	int fd = connect_client(), other = connect_client();
	uint64_t start = clock_ns();
	struct pollfd hangup = {fd, 0, 0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		if (send(fd, fill, sizeof(fill) - 1, MSG_NOSIGNAL) < 0)
			break;
	}
	while (!(hangup.revents & POLLHUP)) {
		assert_true(clock_ns() - start < ANSWER_MS * UINT64_C(1000000));
		poll(&hangup, 1, 20);
		expect(other, ECHO, ECHOED);
	}
	/* One answer too many, and what a socket buffer holds, were made: not a thousand. */
	assert_true(atomic_load(&bench.calls) > 1);
	close(fd);
	close(other);
}

/* Many requests at once, read late but read: all are answered in order. */
static void
pipelined_requests(void **state)
{
	int fd = connect_client();
	char request[128], line[256], want[64];

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		int n = snprintf(request, sizeof(request),
			"{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"echo\"}\n", i);

		say(fd, request, (size_t)n);
	}
	shutdown(fd, SHUT_WR);
	for (unsigned i = 0; i < 2000; i++) {
		hear(fd, line, sizeof(line));
		snprintf(want, sizeof(want), "{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\":{}}", i);
		assert_string_equal(line, want);
	}
	expect_end(fd);
}

static void
large_answers(void **state)
{
	static char line[4000000];
	int fd = connect_client();
	static const char fill[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fill\",\"params\":{\"n\":3000000}}\n";

	(void)state;
	say(fd, fill, sizeof(fill) - 1);
	assert_true(hear(fd, line, sizeof(line)) > 3000000);
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fill\",\"params\":{\"n\":30000000}}",
		"the answer is too long");
	expect(fd, ECHO, ECHOED);
	close(fd);
}

static void
many_clients(void **state)
{
	int fds[SERVER_CLIENTS_MAX], extra;
	char line[512];

	(void)state;
	for (unsigned i = 0; i < SERVER_CLIENTS_MAX; i++)
		fds[i] = connect_client();
	for (unsigned i = 0; i < SERVER_CLIENTS_MAX; i++)
		expect(fds[i], ECHO, ECHOED);
	extra = connect_client();
	hear(extra, line, sizeof(line));
	assert_non_null(strstr(line, "64 clients are connected already"));
	assert_non_null(strstr(line, "EUSERS"));
	expect_end(extra);
	/* A place that becomes free can be taken. */
	close(fds[0]);
	for (unsigned i = 0; i < 100; i++) {
		extra = connect_client();
		say(extra, ECHO "\n", strlen(ECHO) + 1);
		hear(extra, line, sizeof(line));
		if (strcmp(line, ECHOED) == 0)
			break;
		close(extra);
		usleep(10000);
	}
	assert_string_equal(line, ECHOED);
	close(extra);
	for (unsigned i = 1; i < SERVER_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void
connects_and_disconnects(void **state)
{
	int other = connect_client();

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct err err;
		int fd;

		if (unix_socket_connect(bench.path, &fd, &err) == -EAGAIN) {
			usleep(1000);
			continue;
		}
		if (i % 2)
			(void)!send(fd, ECHO "\n", i % (strlen(ECHO) + 2), MSG_NOSIGNAL);
		close(fd);
	}
	expect(other, ECHO, ECHOED);
	close(other);
}

/* Runs as another user; exits with what it found. */
static void
as_user(gid_t group, const char *answer)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char line[512];
		int fd;

		if (setgroups(1, &group) < 0 || setgid(23456) < 0 || setuid(23456) < 0)
			_exit(100);
		fd = connect_client();
		say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}\n", 44);
		hear(fd, line, sizeof(line));
		_exit(strstr(line, answer) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
peers_are_told_apart(void **state)
{
	int fd = connect_client();

	(void)state;
	expect(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}", "true");
	close(fd);
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	as_user(12345, "true");
	as_user(54321, "false");
}

static unsigned
count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void
descriptors_go_with_an_answer(void **state)
{
	const char *request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pass\"}\n";
	uint64_t deadline = clock_ns() + ANSWER_MS * UINT64_C(1000000);
	int client = connect_client(), passed[2] = {-1, -1};
	unsigned before;
	struct stat ours, theirs;
	char line[256];
	size_t count = 0;
	ssize_t n;

	(void)state;
	expect(client, ECHO, ECHOED);
	before = count_descriptors();
	say(client, request, strlen(request));
	while ((n = fd_pass_receive(client, line, sizeof(line), passed, 2, &count)) == -EAGAIN)
		assert_true(clock_ns() < deadline);
	assert_true(n > 0);
	assert_int_equal(line[n - 1], '\n');
	assert_int_equal(count, 1);
	assert_true(fcntl(passed[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(passed[0], &theirs) + fstat(bench.stop_pipe[0], &ours), 0);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	/* Once only. */
	expect(client, ECHO, ECHOED);
	close(passed[0]);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(atomic_load(&bench.gone), 0);
	close(client);
	while (!atomic_load(&bench.gone))
		assert_true(clock_ns() < deadline);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(descriptors_go_with_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(answers, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_nesting_and_values, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_endless_line, setup, teardown),
		cmocka_unit_test_setup_teardown(longest_line, setup, teardown),
		cmocka_unit_test_setup_teardown(unfinished_requests_end, setup, teardown),
		cmocka_unit_test_setup_teardown(reader_that_never_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(pipelined_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(large_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(many_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(connects_and_disconnects, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_are_told_apart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
