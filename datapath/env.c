/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "datapath/env.h"

/* Memory comes and goes with mempools; alarms and interrupts have a thread of DPDK's. */
static const struct needs_call env_calls[] = {NEEDS_CALL(memfd_create), NEEDS_CALL(ftruncate),
	NEEDS_CALL(fallocate), NEEDS_CALL(mlock), NEEDS_CALL(munlock), NEEDS_CALL(mbind),
	NEEDS_CALL(get_mempolicy), NEEDS_CALL(set_mempolicy), NEEDS_CALL(move_pages),
	NEEDS_CALL(sched_setaffinity), NEEDS_CALL(epoll_create), NEEDS_CALL(epoll_create1),
	NEEDS_CALL(epoll_ctl), NEEDS_CALL(epoll_wait), NEEDS_CALL(epoll_pwait),
	NEEDS_CALL(eventfd2), NEEDS_CALL(timerfd_create), NEEDS_CALL(timerfd_settime),
	NEEDS_CALL(pipe2), NEEDS_CALL(flock), NEEDS_CALL(rmdir), NEEDS_CALL(unlink), NEEDS_NO_MORE};

const struct needs env_needs = {
	.calls = env_calls,
};

#define ENV_ARGS_MAX  16
#define ENV_HUGE_NEED (32u << 20) /* bytes of free hugepages that make them worth using */

#define NO_CARD "ffff:ff:1f.7" /* a PCI address that no card has */

static bool with_hugepages;

/* Bytes in free 2 MiB pages. */
static unsigned long
hugepages_free(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned long n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n * (2ul << 20);
}

/*
 * One lcore, the control thread, allowed on all CPUs the process is allowed on: EAL would pin it to
 * one and start a thread for each other.  Workers register themselves.
 */
static void
lcore_argument(char *text, size_t size)
{
	cpu_set_t cpus;
	size_t n;

	n = (size_t)snprintf(text, size, "--lcores=0@(");
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE && n + 8 < size; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			n += (size_t)snprintf(text + n, size - n, "%d,", cpu);
	text[n - 1] = ')';
}

/* EAL makes a runtime directory even when it is told to put nothing into it. */
static void
remove_runtime_dir(void)
{
	const char *dir = rte_eal_get_runtime_dir();
	char parent[256];
	char *slash;

	if (!dir || !*dir || (size_t)snprintf(parent, sizeof(parent), "%s", dir) >= sizeof(parent))
		return;
	/* rmdir() spares directories that another DPDK process uses. */
	if (rmdir(parent) == 0 && (slash = strrchr(parent, '/'))) {
		*slash = '\0';
		rmdir(parent);
	}
}

int
env_start(bool hugepages, bool physical, struct err *err)
{
	char prefix[48], lcores[4096];
	char *args[ENV_ARGS_MAX];
	int n = 0, r;

	with_hugepages = hugepages && hugepages_free() >= ENV_HUGE_NEED;
	if (physical && !with_hugepages)
		return err_set(err, -ENOMEM,
			"--iova pa needs hugepages, of which too few are free: `echo 64 > "
			"/proc/sys/vm/nr_hugepages`");
	snprintf(prefix, sizeof(prefix), "--file-prefix=patchbay-%d", (int)getpid());
	args[n++] = (char *)"patchbayd";
	args[n++] = prefix;
	lcore_argument(lcores, sizeof(lcores));
	args[n++] = lcores;
	/* A list of allowed cards with none in it: EAL would take all that it finds a driver for. */
	args[n++] = (char *)"-a";
	args[n++] = (char *)NO_CARD;
	args[n++] = (char *)"--no-telemetry";
	args[n++] = (char *)(physical ? "--iova-mode=pa" : "--iova-mode=va");
	args[n++] = (char *)"--log-level=lib.eal:4";
	/* It complains of a queueing discipline and of secondary processes that we do not need. */
	args[n++] = (char *)"--log-level=pmd.net.tap:2";
	if (with_hugepages) {
		args[n++] = (char *)"--in-memory";
	} else {
		args[n++] = (char *)"--no-huge";
		args[n++] = (char *)"--no-shconf";
		args[n++] = (char *)"-m";
		args[n++] = (char *)"256";
	}
	args[n] = NULL;
	r = rte_eal_init(n, args);
	if (r < 0 && with_hugepages) {
		/* Reserved by somebody else in the meantime: ordinary pages do. */
		return err_set(err, -rte_errno,
			"hugepages are free but DPDK can't use them (%s): "
			"start with --no-huge",
			rte_strerror(rte_errno));
	}
	if (r < 0)
		return err_set(err, -rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno));
	/* Nothing is put there; gone now, it is gone too when the process is killed. */
	remove_runtime_dir();
	return 0;
}

void
env_stop(void)
{
	rte_eal_cleanup();
	remove_runtime_dir();
}

bool
env_hugepages(void)
{
	return with_hugepages;
}
