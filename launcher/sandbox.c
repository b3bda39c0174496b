/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/sandbox.h"
#include "lib/fd.h"
#include "lib/log.h"

#define END              (-1)
#define CAPABILITY_WORDS 2

/* What every thread does: locks, eventfds, memory of the C library, logging, its end. */
static const int common[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(futex),
	SCMP_SYS(close), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(madvise),
	SCMP_SYS(brk), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(gettid),
	SCMP_SYS(getpid), SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(poll), SCMP_SYS(prctl),
	SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(getrandom), SCMP_SYS(mremap),
	SCMP_SYS(sched_getaffinity),
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(sigaltstack),
#endif
	END};

static const int disk[] = {SCMP_SYS(io_uring_enter), END};

static const int card[] = {SCMP_SYS(connect), SCMP_SYS(accept4), SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(fcntl), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(fstat), SCMP_SYS(lstat), SCMP_SYS(stat), SCMP_SYS(newfstatat), END};

static const int main_thread[] = {SCMP_SYS(ioctl), SCMP_SYS(clone), SCMP_SYS(clone3),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl),
	SCMP_SYS(pread64), SCMP_SYS(fallocate), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom), SCMP_SYS(fcntl), SCMP_SYS(socketpair), SCMP_SYS(shutdown),
	SCMP_SYS(unlink), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), END};

/* Interrupts and kicks that a driver sets up, and that end with a device's reset. */
static const unsigned long device_ioctls[] = {KVM_IRQFD, KVM_IOEVENTFD, KVM_SET_GSI_ROUTING};

static int
add_calls(scmp_filter_ctx filter, const int *calls)
{
	int rc = 0;

	for (; *calls != END && !rc; calls++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, *calls, 0);
	return rc;
}

static int
add_ioctl(scmp_filter_ctx filter, unsigned long request)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, request));
}

static int
add_role(scmp_filter_ctx filter, enum sandbox_role role)
{
	static const int *const calls[] = {
		[SANDBOX_DISK] = disk, [SANDBOX_CARD] = card, [SANDBOX_MAIN] = main_thread};
	int rc = role == SANDBOX_CPU ? add_ioctl(filter, KVM_RUN) : add_calls(filter, calls[role]);

	if (!rc && role == SANDBOX_CARD) /* no network: it needs no namespace to be kept from one */
		rc = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));

	for (size_t i = 0;
		i < sizeof(device_ioctls) / sizeof(device_ioctls[0]) && !rc && role != SANDBOX_MAIN;
		i++)
		rc = add_ioctl(filter, device_ioctls[i]);
	return rc;
}

/* libseccomp writes its program to a descriptor only. */
static int
read_program(struct sandbox *sandbox, enum sandbox_role role, scmp_filter_ctx filter)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int rc = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
	off_t size = rc ? 0 : lseek(fd, 0, SEEK_END);

	if (!rc && (size <= 0 || size / (off_t)sizeof(struct sock_filter) > BPF_MAXINSNS))
		rc = -EINVAL;
	if (!rc) {
		sandbox->filters[role].code = malloc((size_t)size);
		sandbox->filters[role].count =
			(uint16_t)((size_t)size / sizeof(struct sock_filter));
		if (!sandbox->filters[role].code)
			rc = -ENOMEM;
		else if (pread(fd, sandbox->filters[role].code, (size_t)size, 0) != size)
			rc = -EIO;
	}
	fd_close(&fd);
	return rc;
}

int
sandbox_prepare(struct sandbox *sandbox, struct err *err)
{
	int rc = 0;

	for (int role = 0; role < SANDBOX_ROLES && !rc; role++) {
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

		rc = filter ? add_calls(filter, common) : -ENOMEM;
		if (!rc)
			rc = add_role(filter, (enum sandbox_role)role);
		if (!rc)
			rc = read_program(sandbox, (enum sandbox_role)role, filter);
		seccomp_release(filter);
	}
	return rc ? err_set(err, rc, "filters of system calls: %s", strerror(-rc)) : 0;
}

void
sandbox_free(struct sandbox *sandbox)
{
	for (int role = 0; role < SANDBOX_ROLES; role++)
		free(sandbox->filters[role].code);
	*sandbox = (struct sandbox){0};
}

int
sandbox_enter(const struct sandbox *sandbox, enum sandbox_role role)
{
	const struct sock_fprog program = {
		.len = sandbox->filters[role].count, .filter = sandbox->filters[role].code};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* ---- threads ---- */

struct beginning {
	const struct sandbox *sandbox;
	enum sandbox_role role;
	const char *name;
	void (*run)(void *arg);
	void *arg;
};

static void *
thread_main(void *arg)
{
	struct beginning b = *(struct beginning *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), b.name);
	if (sandbox_enter(b.sandbox, b.role)) {
		log_error("%s: its system calls cannot be filtered", b.name);
		_exit(1);
	}
	b.run(b.arg);
	return NULL;
}

int
sandbox_thread(const struct sandbox *sandbox, enum sandbox_role role, pthread_t *thread,
	const char *name, void (*run)(void *arg), void *arg, struct err *err)
{
	struct beginning *b = malloc(sizeof(*b));
	int rc = -ENOMEM;

	if (b) {
		*b = (struct beginning){sandbox, role, name, run, arg};
		rc = -pthread_create(thread, NULL, thread_main, b);
	}
	if (!rc)
		return 0;
	free(b);
	return err_set(err, rc, "%s: starting its thread: %s", name, strerror(-rc));
}

int
sandbox_process(struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[CAPABILITY_WORDS] = {0};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &head, none) < 0)
		return err_set(err, -errno, "giving up privileges: %s", strerror(errno));
	return 0;
}
