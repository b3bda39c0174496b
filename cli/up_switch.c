/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/schema.h"
#include "cli/up_switch.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/unix_socket.h"

#define START_MS 15000
#define STOP_MS  5000
#define RETRY_MS 5
#define CALL_MS  30000

const char *
up_switch_program(const char *given, char *path, size_t size)
{
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	static const char *const places[] = {
		"patchbayd", "../control/patchbayd", "../sbin/patchbayd"};

	if (given)
		return given;
	if (n > 0)
		*(strrchr(self, '/') + 1) = '\0';
	for (unsigned i = 0; n > 0 && i < sizeof(places) / sizeof(places[0]); i++)
		if (snprintf(path, size, "%s%s", self, places[i]) < (int)size &&
			access(path, X_OK) == 0)
			return path;
	return "patchbayd";
}

static void __attribute__((noreturn)) run_daemon(const char *program, char *socket, const char *log)
{
	char *argv[] = {
		(char *)(uintptr_t) "patchbayd", (char *)(uintptr_t) "--socket", socket, NULL};
	int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(program, argv);
	dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* The last line of the log. */
static void
read_words(const char *log, char *words, size_t size)
{
	FILE *file = fopen(log, "re");
	char line[ERR_TEXT_MAX];

	words[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			snprintf(words, size, "%s", line);
	}
	if (file)
		fclose(file);
}

static int
connect_to(struct client *client, const char *socket, pid_t pid, const char *log, struct err *err)
{
	uint64_t deadline = clock_ns() + START_MS * UINT64_C(1000000);
	struct pollfd exited = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	char words[ERR_TEXT_MAX];
	int r;

	do {
		r = client_open(client, socket, CALL_MS, err);
		/* Nothing tells when the socket is there; the end of the process does. */
	} while (r && clock_ns() < deadline && poll(&exited, 1, RETRY_MS) == 0);
	fd_close(&exited.fd);
	if (r == 0)
		return 0;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	read_words(log, words, sizeof(words));
	return err_set(err, -EIO, "cannot start patchbayd: %.400s", words);
}

int
up_switch_start(struct client *client, const char *socket, pid_t *pid, struct err *err)
{
	char dir[PATH_MAX], log[PATH_MAX], own[PATH_MAX], program[PATH_MAX];
	const char *path;
	int r = api_runtime_dir(dir, sizeof(dir) - 32);

	if (r)
		return err_set(err, r, "$XDG_RUNTIME_DIR is too long");
	if (!socket)
		socket = getenv("PATCHBAY_SOCKET");
	snprintf(own, sizeof(own), "%.2000s%s", socket && *socket ? socket : dir,
		socket && *socket ? "" : "/" API_SOCKET_NAME);
	snprintf(log, sizeof(log), "%.2000s/log", dir);
	if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || (mkdir(log, 0755) < 0 && errno != EEXIST))
		return err_set(
			err, -errno, "cannot make the directory %s: %s", log, strerror(errno));
	snprintf(log, sizeof(log), "%.2000s/log/patchbayd.log", dir);
	path = up_switch_program(NULL, program, sizeof(program));
	*pid = fork();
	if (*pid < 0)
		return err_set(err, -errno, "cannot start patchbayd: %s", strerror(errno));
	if (*pid == 0)
		run_daemon(path, own, log);
	return connect_to(client, own, *pid, log, err);
}

void
up_switch_stop(struct client *client, pid_t pid)
{
	struct pollfd exited = {.fd = -1, .events = POLLIN};
	struct unix_peer peer;

	if (client->fd < 0 || unix_socket_peer(client->fd, &peer) || peer.pid != pid)
		return;
	exited.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (exited.fd < 0)
		return;
	kill(pid, SIGTERM);
	poll(&exited, 1, STOP_MS);
	fd_close(&exited.fd);
	waitpid(pid, NULL, WNOHANG);
}
