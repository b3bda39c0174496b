/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine: what figures were measured on.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct machine {
	char host[65], kernel[65], arch[65], cpu[128], hypervisor[64], governor[32];
	unsigned cpus_online, cpus_allowed;
	uint64_t memory_bytes, hugepages_free, tsc_hz;
	char date[32]; /* ISO 8601, UTC */
};

/* Reads the machine's description; takes 50 ms, as it times the TSC. */
void machine_read(struct machine *machine);

/* The CPUs this process may use, ascending; at most max. */
unsigned machine_cpus(uint16_t *cpus, unsigned max);

#endif
