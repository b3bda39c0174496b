/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpuid: what a processor of the guest says about itself: what KVM supports, with the number and the
 * topology of our processors in it (one package, one thread per core).
 *
 * AMD Architecture Programmer's Manual volume 3 appendix E; Intel SDM volume 2, CPUID.
 */
#ifndef LAUNCHER_CPUID_H
#define LAUNCHER_CPUID_H

#include <stdbool.h>

struct kvm_cpuid2;

/* Changes the entries in place for processor `cpu` of `cpus`; there is room for one more entry. */
void cpuid_fit(struct kvm_cpuid2 *cpuid, unsigned cpu, unsigned cpus, bool tsc_deadline);

#endif
