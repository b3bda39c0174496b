/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: code of an attacker runs in one of our threads.  It can make system calls in any order
 * with any arguments; what it must not get is another program, other processes, the kernel's or the
 * machine's configuration.  It can switch off what is said about refused calls, not the refusing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/confine.h"
#include "lib/fd.h"
#include "lib/parse.h"

#define CAPABILITY_WORDS 2
#define CODE_SECCOMP     1   /* SYS_SECCOMP, which the C library does not name */
#define CALLS            512 /* more than there are numbers of system calls */
#define NEWEST_CALL      SYS_futex_waitv
#define THREADS_NS       UINT64_C(10000000000) /* for all threads to give up their capabilities */
#define STATUS_MAX       8192                  /* a thread's status, by far */
#define BINARY_TREE      2                     /* SCMP_FLTATR_CTL_OPTIMIZE */
#define PROT_WRITE_EXEC  (PROT_WRITE | PROT_EXEC)

/* The C library: memory, files, threads, locks, time, the end. */
static const struct needs_call process_calls[] = {NEEDS_CALL(read), NEEDS_CALL(write),
	NEEDS_CALL(readv), NEEDS_CALL(writev), NEEDS_CALL(pread64), NEEDS_CALL(pwrite64),
	NEEDS_CALL(close), NEEDS_CALL(lseek), NEEDS_CALL(fcntl), NEEDS_CALL(dup),
	NEEDS_CALL(openat), NEEDS_CALL(newfstatat), NEEDS_CALL(fstat), NEEDS_CALL(stat),
	NEEDS_CALL(lstat), NEEDS_CALL(statx), NEEDS_CALL(access), NEEDS_CALL(faccessat),
	NEEDS_CALL(faccessat2), NEEDS_CALL(readlink), NEEDS_CALL(readlinkat),
	NEEDS_CALL(getdents64), NEEDS_CALL(getcwd), NEEDS_CALL(umask), NEEDS_CALL(brk),
	NEEDS_CALL(munmap), NEEDS_CALL(mremap), NEEDS_CALL(madvise), NEEDS_CALL(futex),
	NEEDS_CALL(rt_sigaction), NEEDS_CALL(rt_sigprocmask), NEEDS_CALL(rt_sigreturn),
	NEEDS_CALL(restart_syscall), NEEDS_CALL(exit), NEEDS_CALL(exit_group), NEEDS_CALL(gettid),
	NEEDS_CALL(getpid), NEEDS_CALL(getppid), NEEDS_CALL(getuid), NEEDS_CALL(geteuid),
	NEEDS_CALL(getgid), NEEDS_CALL(getegid), NEEDS_CALL_IF(prctl, 0, UINT32_MAX, PR_SET_NAME),
	NEEDS_CALL(rseq), NEEDS_CALL(set_robust_list), NEEDS_CALL(sched_yield),
	NEEDS_CALL(sched_getaffinity), NEEDS_CALL(sched_getparam), NEEDS_CALL(sched_getscheduler),
	NEEDS_CALL(clock_gettime), NEEDS_CALL(clock_getres), NEEDS_CALL(clock_nanosleep),
	NEEDS_CALL(nanosleep), NEEDS_CALL(gettimeofday), NEEDS_CALL(time), NEEDS_CALL(getrandom),
	NEEDS_CALL(uname), NEEDS_CALL(sysinfo), NEEDS_CALL(getcpu), NEEDS_CALL(prlimit64),
	NEEDS_CALL(getrlimit), NEEDS_CALL(poll), NEEDS_CALL(ppoll), NEEDS_CALL(select),
	NEEDS_CALL(capget), NEEDS_IOCTL(TCGETS), NEEDS_NO_MORE};

const struct needs process_needs = {
	.calls = process_calls,
};

/* What only an attacker would try.  Calls of the needs are not in here. */
static const int deadly[] = {SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
	SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount,
	SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_init_module, SYS_finit_module,
	SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff,
	SYS_unshare, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid,
	SYS_setresgid, SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capset, SYS_add_key,
	SYS_request_key, SYS_keyctl, SYS_perf_event_open, SYS_open_by_handle_at, SYS_iopl,
	SYS_ioperm, SYS_modify_ldt, SYS_personality, SYS_acct, SYS_syslog, SYS_settimeofday,
	SYS_clock_settime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname, SYS_io_uring_setup,
	SYS_pidfd_getfd, SYS_seccomp};

static atomic_uint refused[CALLS];
static atomic_uint_fast64_t refused_argument[CALLS];

/* ---- capabilities ---- */

static int
keep_capabilities(uint64_t wanted)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[CAPABILITY_WORDS];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (unsigned i = 0; i < CAPABILITY_WORDS; i++) {
		data[i].permitted &= (uint32_t)(wanted >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Does a thread have any?  One that has ended has none. */
static bool
has_capabilities(int tasks, const char *thread)
{
	char path[32], text[STATUS_MAX];
	unsigned long long permitted = 1;
	const char *line;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "%.16s/status", thread);
	fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	text[size > 0 ? size : 0] = '\0';
	line = strstr(text, "\nCapPrm:");
	return size > 0 && (!line || sscanf(line, "\nCapPrm: %llx", &permitted) != 1 || permitted);
}

/* Capabilities belong to threads: another one can only be asked.  How many were; -errno. */
static int
ask_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	pid_t own = (pid_t)syscall(SYS_gettid);
	const struct dirent *entry;
	int count = 0;
	uint64_t tid;

	if (!tasks)
		return -errno;
	while ((entry = readdir(tasks))) {
		if (parse_u64(entry->d_name, 1, INT_MAX, &tid) || (pid_t)tid == own ||
			!has_capabilities(dirfd(tasks), entry->d_name))
			continue;
		syscall(SYS_tgkill, getpid(), (pid_t)tid, SIGSYS);
		count++;
	}
	closedir(tasks);
	return count;
}

static int
drop_in_threads(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	uint64_t end = clock_ns() + THREADS_NS;
	int count;

	while ((count = ask_threads()) > 0) {
		if (clock_ns() > end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return count;
}

/* ---- system calls ---- */

static void
on_sigsys(int signal, siginfo_t *info, void *context)
{
	ucontext_t *machine = context;
	int saved = errno;

	(void)signal;
	if (info->si_code == SI_TKILL && info->si_pid == getpid()) {
		keep_capabilities(0);
	} else if (info->si_code == CODE_SECCOMP) {
		if (info->si_syscall >= 0 && info->si_syscall < CALLS) {
			atomic_store(&refused_argument[info->si_syscall],
				(uint64_t)machine->uc_mcontext.gregs[REG_RSI]);
			atomic_fetch_add(&refused[info->si_syscall], 1);
		}
		machine->uc_mcontext.gregs[REG_RAX] =
			info->si_syscall > NEWEST_CALL ? -ENOSYS : -EPERM;
	}
	errno = saved;
}

bool
confine_refused(struct confine_refusal *refusal)
{
	for (int i = 0; i < CALLS; i++) {
		if (!atomic_load_explicit(&refused[i], memory_order_relaxed))
			continue;
		refusal->number = i;
		refusal->times = atomic_exchange(&refused[i], 0);
		refusal->argument = atomic_load(&refused_argument[i]);
		return true;
	}
	return false;
}

void
confine_call_name(int number, char *text, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	snprintf(text, size, "%s", name ? name : "?");
	free(name);
}

static int
allow(scmp_filter_ctx filter, const struct needs_call *call)
{
	if (!call->mask)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 0);
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 1,
		SCMP_CMP64(call->argument, SCMP_CMP_MASKED_EQ, call->mask, call->value));
}

static bool
is_needed(const struct needs *const *needs, size_t count, int number)
{
	for (size_t i = 0; i < count; i++) {
		for (const struct needs_call *c = needs[i]->calls; c->number != NEEDS_END; c++) {
			if (c->number == number)
				return true;
		}
	}
	return false;
}

/* Never writable and executable at once. */
static int
allow_mapping(scmp_filter_ctx filter)
{
	static const int calls[] = {SYS_mmap, SYS_mprotect};
	static const uint64_t allowed[] = {0, PROT_WRITE, PROT_EXEC};
	int rc = 0;

	for (unsigned c = 0; c < 2 && !rc; c++) {
		for (unsigned a = 0; a < 3 && !rc; a++)
			rc = allow(filter,
				&(struct needs_call){calls[c], 2, PROT_WRITE_EXEC, allowed[a]});
	}
	return rc;
}

static int
add_rules(scmp_filter_ctx filter, const struct needs *const *needs, size_t count)
{
	int rc = allow_mapping(filter);

	/* Signals to threads of this process: abort(3), pthread_cancel(3). */
	if (!rc)
		rc = allow(filter,
			&(struct needs_call){SYS_tgkill, 0, UINT32_MAX, (uint32_t)getpid()});
	for (size_t i = 0; i < count && !rc; i++) {
		for (const struct needs_call *c = needs[i]->calls; c->number != NEEDS_END && !rc;
			c++)
			rc = allow(filter, c);
	}
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]) && !rc; i++) {
		if (!is_needed(needs, count, deadly[i]))
			rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	}
	return rc;
}

static int
load_filter(const struct needs *const *needs, size_t count)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int rc = filter ? 0 : -ENOMEM;

	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	if (!rc)
		rc = add_rules(filter, needs, count);
	if (!rc)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

int
confine(const struct needs *const *needs, size_t count, struct err *err)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_RESTART};
	uint64_t capabilities = 0;
	int rc;

	for (size_t i = 0; i < count; i++)
		capabilities |= needs[i]->capabilities;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return err_set(err, -errno, "SIGSYS: %s", strerror(errno));
	rc = drop_in_threads();
	if (!rc)
		rc = keep_capabilities(capabilities);
	if (rc)
		return err_set(err, rc, "capabilities cannot be given up: %s", strerror(-rc));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, -errno, "no new privileges: %s", strerror(errno));
	rc = load_filter(needs, count);
	return rc ? err_set(err, rc, "the filter of system calls: %s", strerror(-rc)) : 0;
}
