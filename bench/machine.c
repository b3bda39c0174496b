/* SPDX-License-Identifier: BSD-3-Clause */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/machine.h"
#include "lib/clock.h"

#define CALIBRATE_NS 50000000
#define TRIES        64

/* The value behind "NAME :" in a file of /proc, without blanks at its ends. */
static bool
read_field(const char *file, const char *name, char *value, size_t size)
{
	char line[4096];
	FILE *f = fopen(file, "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, name, strlen(name)) != 0 ||
			strspn(line + strlen(name), " \t") != (size_t)(colon - line) - strlen(name))
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(value, size, "%s", colon);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static void
read_line(const char *file, char *value, size_t size)
{
	FILE *f = fopen(file, "re");

	if (f && fgets(value, (int)size, f))
		value[strcspn(value, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* TSC and clock at the same time: the pair with the least time between two reads of the TSC. */
static void
read_both(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t before = __builtin_ia32_rdtsc(), clock = clock_ns(),
			 after = __builtin_ia32_rdtsc();

		if (after - before < best) {
			best = after - before;
			*tsc = before + best / 2;
			*ns = clock;
		}
	}
}

static uint64_t
time_tsc(void)
{
	const struct timespec pause = {.tv_nsec = CALIBRATE_NS};
	uint64_t tsc[2] = {0}, ns[2] = {0};

	read_both(&tsc[0], &ns[0]);
	nanosleep(&pause, NULL);
	read_both(&tsc[1], &ns[1]);
	return (uint64_t)((double)(tsc[1] - tsc[0]) * 1e9 / (double)(ns[1] - ns[0]));
}

static uint64_t
read_number(const char *file, const char *name)
{
	char text[64];

	return read_field(file, name, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

unsigned
machine_cpus(uint16_t *cpus, unsigned max)
{
	cpu_set_t set;
	unsigned n = 0;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPU_SETSIZE && n < max; i++)
		if (CPU_ISSET(i, &set))
			cpus[n++] = (uint16_t)i;
	return n;
}

void
machine_read(struct machine *m)
{
	uint16_t cpus[CPU_SETSIZE];
	struct utsname name;
	time_t now = time(NULL);
	struct tm utc;

	memset(m, 0, sizeof(*m));
	if (uname(&name) == 0) {
		snprintf(m->host, sizeof(m->host), "%s", name.nodename);
		snprintf(m->kernel, sizeof(m->kernel), "%s", name.release);
		snprintf(m->arch, sizeof(m->arch), "%s", name.machine);
	}
	read_field("/proc/cpuinfo", "model name", m->cpu, sizeof(m->cpu));
	read_line("/sys/hypervisor/type", m->hypervisor, sizeof(m->hypervisor));
	read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", m->governor,
		sizeof(m->governor));
	m->cpus_online = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	m->cpus_allowed = machine_cpus(cpus, CPU_SETSIZE);
	m->memory_bytes = read_number("/proc/meminfo", "MemTotal") * 1024;
	m->hugepages_free = read_number("/proc/meminfo", "HugePages_Free");
	m->tsc_hz = time_tsc();
	strftime(m->date, sizeof(m->date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
}
