/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each case confines a process of its own and looks at what is left.  What went wrong is its exit code:
 * the line in this file.
 */
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/confine.h"

#define NO_SUCH_CALL 500
#define NET_ADMIN    NEEDS_CAPABILITY(CAP_NET_ADMIN)

/* Ends the child with a line number, of which a wait status keeps 8 bits. */
#define EXPECT(condition)                          \
	do {                                       \
		if (!(condition))                  \
			_exit(__LINE__ % 255 + 1); \
	} while (0)

static const struct needs_call calls[] = {
#ifdef __SANITIZE_ADDRESS__
	NEEDS_CALL(sigaltstack), /* of its own run-time library */
#endif
	NEEDS_SOCKET(AF_UNIX), NEEDS_CALL(getpriority), NEEDS_NO_MORE};
static const struct needs needs = {.capabilities = NET_ADMIN, .calls = calls};

static void
enter(void)
{
	static const struct needs *const all[] = {&process_needs, &needs};
	struct err err = {0};

	if (confine(all, 2, &err) == 0)
		return;
	fprintf(stderr, "%s\n", err.text);
	EXPECT(false);
}

/* The wait status of a process that does it. */
static int
status_of(void (*inside)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		inside();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
succeeds(void (*inside)(void))
{
	int status = status_of(inside);

	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("signal %d, line (%% 255 + 1) %d", WTERMSIG(status), WEXITSTATUS(status));
}

/* ---- system calls ---- */

static void
listed_and_not(void)
{
	struct confine_refusal refusal;
	char name[40];

	enter();
	EXPECT(getpriority(PRIO_PROCESS, 0) == 0);
	EXPECT(!confine_refused(&refusal));
	for (int i = 0; i < 3; i++)
		EXPECT(setpriority(PRIO_PROCESS, 0, 1) == -1 && errno == EPERM);
	EXPECT(syscall(NO_SUCH_CALL) == -1 && errno == ENOSYS);
	EXPECT(confine_refused(&refusal));
	EXPECT(refusal.number == SYS_setpriority && refusal.times == 3 && refusal.argument == 0);
	EXPECT(confine_refused(&refusal));
	EXPECT(refusal.number == NO_SUCH_CALL && refusal.times == 1);
	EXPECT(!confine_refused(&refusal));
	confine_call_name(SYS_setpriority, name, sizeof(name));
	EXPECT(strcmp(name, "setpriority") == 0);
	confine_call_name(NO_SUCH_CALL, name, sizeof(name));
	EXPECT(strcmp(name, "?") == 0);
}

static void
test_what_is_not_listed_is_refused_and_counted(void **state)
{
	(void)state;
	succeeds(listed_and_not);
}

static void
families(void)
{
	enter();
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	EXPECT(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM);
	/* The upper half of a register is not looked at by the kernel. */
	EXPECT(syscall(SYS_socket, UINT64_C(1) << 32 | AF_INET, SOCK_STREAM, 0) == -1);
}

static void
test_arguments_count(void **state)
{
	(void)state;
	succeeds(families);
}

static void
mappings(void)
{
	char *page;

	enter();
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0) == MAP_FAILED &&
		errno == EPERM);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(page != MAP_FAILED);
	EXPECT(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == -1);
	EXPECT(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
	/* The name of a library that is loaded late. */
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		MAP_FAILED);
}

static void
test_no_memory_is_writable_and_executable(void **state)
{
	(void)state;
	succeeds(mappings);
}

static void
do_execute(void)
{
	enter();
	execl("/bin/true", "true", NULL);
}

static void
do_trace(void)
{
	enter();
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void
do_mount(void)
{
	enter();
	syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL);
}

static void
do_regain(void)
{
	enter();
	syscall(SYS_capset, NULL, NULL);
}

static void
do_signal_others(void)
{
	enter();
	EXPECT(kill(getppid(), 0) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 && errno == EPERM);
}

static void
test_what_only_an_attacker_does_is_the_end(void **state)
{
	void (*const deeds[])(void) = {do_execute, do_trace, do_mount, do_regain};

	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		int status = status_of(deeds[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
	succeeds(do_signal_others);
}

/* ---- threads and capabilities ---- */

static sem_t confined;

/* A line of a thread's status, as a number. */
static unsigned long long
status_number(const char *name)
{
	unsigned long long number = ~0ULL;
	char line[200];
	FILE *file = fopen("/proc/thread-self/status", "re");
	size_t length = strlen(name);

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			number = strtoull(line + length + 1, NULL, 16);
	}
	if (file)
		fclose(file);
	return number;
}

static void *
look(void *arg)
{
	(void)arg;
	while (sem_wait(&confined) < 0)
		;
	EXPECT(status_number("CapPrm") == 0 && status_number("CapEff") == 0);
	EXPECT(status_number("NoNewPrivs") == 1 && status_number("Seccomp") == 2);
	EXPECT(setpriority(PRIO_PROCESS, 0, 1) == -1 && errno == EPERM);
	return NULL;
}

static void
threads(void)
{
	unsigned long long had = status_number("CapPrm");
	pthread_t thread[3];

	EXPECT(sem_init(&confined, 0, 0) == 0);
	for (int i = 0; i < 3; i++)
		EXPECT(pthread_create(&thread[i], NULL, look, NULL) == 0);
	enter();
	EXPECT(status_number("CapPrm") == (had & NET_ADMIN));
	EXPECT(status_number("CapEff") == (had & NET_ADMIN));
	EXPECT(status_number("CapInh") == 0 && status_number("CapAmb") == 0);
	for (int i = 0; i < 3; i++)
		sem_post(&confined);
	for (int i = 0; i < 3; i++)
		EXPECT(pthread_join(thread[i], NULL) == 0);
}

static void
test_all_threads_are_confined(void **state)
{
	(void)state;
	succeeds(threads);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_listed_is_refused_and_counted),
		cmocka_unit_test(test_arguments_count),
		cmocka_unit_test(test_no_memory_is_writable_and_executable),
		cmocka_unit_test(test_what_only_an_attacker_does_is_the_end),
		cmocka_unit_test(test_all_threads_are_confined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
