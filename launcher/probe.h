/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe: does KVM run ordinary kernels here?
 *
 * The presence of /dev/kvm says little: where there is no hardware virtualisation underneath, KVM may
 * emulate what it can and give up at the rest.  So a guest of a few instructions is run, those among
 * them that such a KVM does not know: cmpxchg16b, xrstor, int3.
 */
#ifndef LAUNCHER_PROBE_H
#define LAUNCHER_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far it got, in the order of the steps. */
enum probe_step {
	PROBE_OPEN,       /* /dev/kvm */
	PROBE_CREATE,     /* virtual machine, memory, virtual CPU */
	PROBE_START,      /* no instruction has run */
	PROBE_CMPXCHG16B, /* the last one that ran well was the one before */
	PROBE_XRSTOR,
	PROBE_INT3,
	PROBE_HLT,
	PROBE_DONE, /* all of them */
};

struct probe_result {
	enum probe_step failed; /* PROBE_DONE = none */
	int error;              /* negative errno of the system call that failed, or 0 */
	uint32_t
		exit_reason; /* of KVM_RUN, when the guest was left for another reason than its own */
	uint32_t suberror;   /* with KVM_EXIT_INTERNAL_ERROR */
};

/* Runs the guest in a process of its own, for PROBE_SECONDS at most.  Any thread. */
#define PROBE_SECONDS 5
void probe_run(struct probe_result *result);

/* May our own monitor be used?  In one sentence without full stop: why, or why not. */
bool probe_explain(const struct probe_result *result, char *text, size_t size);

#endif
