/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/unix_socket.h"

static char directory[64];

static const char *
in_directory(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", directory, name);
	return p;
}

static int
listen_at(struct unix_socket *s, const char *path, struct err *err)
{
	struct unix_socket_options options = {.path = path, .owner = (uid_t)-1, .group = (gid_t)-1};

	memset(err, 0, sizeof(*err));
	return unix_socket_listen(s, &options, err);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/unix_socket.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void
listens_connects_and_cleans_up(void **state)
{
	struct unix_socket s;
	struct unix_peer peer;
	struct err err;
	struct stat st;
	int client, server;

	(void)state;
	umask(077);
	assert_int_equal(listen_at(&s, in_directory("a.sock"), &err), 0);
	assert_int_equal(umask(022), 077); /* put back */
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(unix_socket_accept(&s, &server), -EAGAIN);
	assert_int_equal(unix_socket_connect(s.path, &client, &err), 0);
	assert_int_equal(unix_socket_accept(&s, &server), 0);
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(unix_socket_peer(server, &peer), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, geteuid());
	assert_true(unix_socket_peer_in_group(server, getegid()));
	assert_false(unix_socket_peer_in_group(server, 54321));
	close(client);
	close(server);
	unix_socket_close(&s);
	unix_socket_close(&s);
	assert_int_equal(access(in_directory("a.sock"), F_OK), -1);
	assert_int_equal(unix_socket_connect(in_directory("a.sock"), &client, &err), -ENOENT);
	assert_int_equal(client, -1);
}

static void
live_socket_is_refused(void **state)
{
	struct unix_socket s, second;
	struct err err;

	(void)state;
	assert_int_equal(listen_at(&s, in_directory("a.sock"), &err), 0);
	assert_int_equal(listen_at(&second, in_directory("a.sock"), &err), -EADDRINUSE);
	assert_int_equal(second.fd, -1);
	assert_non_null(strstr(err.text, "a.sock is in use"));
	assert_int_equal(access(s.path, F_OK), 0);
	unix_socket_close(&s);
}

static void
stale_socket_is_replaced(void **state)
{
	struct unix_socket s, second;
	struct err err;
	int client;

	(void)state;
	assert_int_equal(listen_at(&s, in_directory("a.sock"), &err), 0);
	close(s.fd); /* as a crash leaves it */
	assert_int_equal(unix_socket_connect(s.path, &client, &err), -ECONNREFUSED);
	assert_int_equal(listen_at(&second, in_directory("a.sock"), &err), 0);
	assert_int_equal(unix_socket_connect(second.path, &client, &err), 0);
	close(client);
	unix_socket_close(&second);
	assert_int_equal(rmdir(directory), 0); /* nothing was left aside */
	assert_int_equal(mkdir(directory, 0700), 0);
}

/* Somebody removed our file and another program listens in its place: it keeps its file. */
static void
foreign_file_is_not_removed(void **state)
{
	struct unix_socket s, second;
	struct err err;

	(void)state;
	assert_int_equal(listen_at(&s, in_directory("a.sock"), &err), 0);
	assert_int_equal(unlink(s.path), 0);
	assert_int_equal(listen_at(&second, s.path, &err), 0);
	unix_socket_close(&s);
	assert_int_equal(access(second.path, F_OK), 0);
	unix_socket_close(&second);
}

static void
other_files_are_refused(void **state)
{
	struct unix_socket s;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct err err;
	int fd;

	(void)state;
	fd = open(in_directory("file"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_at(&s, in_directory("file"), &err), -EEXIST);
	assert_non_null(strstr(err.text, "regular file"));
	assert_int_equal(access(in_directory("file"), F_OK), 0);
	assert_int_equal(unix_socket_connect(in_directory("file"), &fd, &err), -ENOTSOCK);

	assert_int_equal(mkdir(in_directory("dir"), 0700), 0);
	assert_int_equal(listen_at(&s, in_directory("dir"), &err), -EEXIST);
	assert_int_equal(symlink("nowhere", in_directory("link")), 0);
	assert_int_equal(listen_at(&s, in_directory("link"), &err), -EEXIST);
	assert_non_null(strstr(err.text, "symbolic link"));

	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	strcpy(address.sun_path, in_directory("dgram"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen_at(&s, in_directory("dgram"), &err), -EADDRINUSE);
	close(fd);
}

static void
bad_paths_are_named(void **state)
{
	struct unix_socket s;
	struct err err;
	char path[256];

	(void)state;
	assert_int_equal(listen_at(&s, "relative.sock", &err), -EINVAL);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	assert_int_equal(listen_at(&s, path, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "108 bytes: at most 107"));
	assert_int_equal(listen_at(&s, in_directory("no/a.sock"), &err), -ENOENT);
	assert_non_null(strstr(err.text, "mkdir -p"));
	close(open(in_directory("file"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(listen_at(&s, in_directory("file/a.sock"), &err), -ENOTDIR);
}

/* 107 bytes is the longest path; a stale file there is replaced, too. */
static void
longest_path(void **state)
{
	struct unix_socket s;
	struct err err;
	char path[UNIX_SOCKET_PATH_SIZE];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s/", directory);

	(void)state;
	memset(path + n, 'y', sizeof(path) - n);
	path[107] = '\0';
	assert_int_equal(listen_at(&s, path, &err), 0);
	close(s.fd);
	assert_int_equal(listen_at(&s, path, &err), 0);
	unix_socket_close(&s);
}

static void
without_descriptors(void **state)
{
	struct unix_socket s;
	struct rlimit old, none;
	struct err err;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int fd = dup(2); fd >= 0; fd = dup(2))
		;
	assert_int_equal(listen_at(&s, in_directory("a.sock"), &err), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(access(in_directory("a.sock"), F_OK), -1);
}

static void
owner_and_mode(void **state)
{
	struct unix_socket_options options = {
		.path = in_directory("a.sock"), .mode = 0600, .owner = (uid_t)-1, .group = 12345};
	struct unix_socket s;
	struct err err = {0};
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	assert_int_equal(unix_socket_listen(&s, &options, &err), 0);
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_gid, 12345);
	assert_int_equal(st.st_mode & 07777, 0600);
	unix_socket_close(&s);
}

/* Runs `body` as an ordinary user in a child; its return value is the child's. */
static int
as_user(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		gid_t group = 12345;

		if (setgroups(1, &group) < 0 || setgid(23456) < 0 || setuid(23456) < 0)
			_exit(100);
		_exit(body());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
user_cannot_write(void)
{
	struct unix_socket s;
	struct err err;

	if (listen_at(&s, in_directory("a.sock"), &err) != -EACCES)
		return 1;
	return strstr(err.text, "not writable") && strstr(err.text, "root:root 0755") ? 0 : 2;
}

static int
user_keeps_off_foreign_stale(void)
{
	struct unix_socket s;
	struct err err;

	return listen_at(&s, in_directory("foreign"), &err) == -EEXIST ? 0 : 1;
}

static int
user_cannot_give_away(void)
{
	struct unix_socket_options options = {
		.path = in_directory("b.sock"), .owner = 0, .group = (gid_t)-1};
	struct unix_socket s;
	struct err err = {0};

	if (unix_socket_listen(&s, &options, &err) != -EPERM)
		return 1;
	return access(options.path, F_OK) == 0 ? 2 : 0; /* nothing left behind */
}

static void
ordinary_user(void **state)
{
	struct unix_socket s;
	struct err err;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(as_user(user_cannot_write), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(listen_at(&s, in_directory("foreign"), &err), 0);
	close(s.fd);
	assert_int_equal(chmod(in_directory("foreign"), 0666), 0);
	assert_int_equal(as_user(user_keeps_off_foreign_stale), 0);
	assert_int_equal(as_user(user_cannot_give_away), 0);
}

static struct unix_socket group_socket;

static int
user_connects(void)
{
	struct err err;
	int fd;
	char c;

	if (unix_socket_connect(group_socket.path, &fd, &err) < 0)
		return 1;
	/* Until the other side has looked. */
	fcntl(fd, F_SETFL, 0);
	return read(fd, &c, 1) == 0 ? 0 : 2;
}

static void
supplementary_group_is_seen(void **state)
{
	struct unix_socket_options options = {.path = in_directory("g.sock"),
		.mode = 0666,
		.owner = (uid_t)-1,
		.group = (gid_t)-1};
	struct err err = {0};
	int fd, status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(unix_socket_listen(&group_socket, &options, &err), 0);
	pid = fork();
	if (pid == 0)
		_exit(as_user(user_connects));
	fcntl(group_socket.fd, F_SETFL, 0);
	assert_int_equal(unix_socket_accept(&group_socket, &fd), 0);
	assert_true(unix_socket_peer_in_group(fd, 12345));
	assert_true(unix_socket_peer_in_group(fd, 23456));
	assert_false(unix_socket_peer_in_group(fd, 0));
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	unix_socket_close(&group_socket);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(listens_connects_and_cleans_up, setup, teardown),
		cmocka_unit_test_setup_teardown(live_socket_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_file_is_not_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(other_files_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_paths_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(longest_path, setup, teardown),
		cmocka_unit_test_setup_teardown(without_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(owner_and_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(ordinary_user, setup, teardown),
		cmocka_unit_test_setup_teardown(supplementary_group_is_seen, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
