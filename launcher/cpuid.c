/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>

#include "launcher/cpuid.h"

#define LEVEL_SMT  1
#define LEVEL_CORE 2

#define ECX_TSC_DEADLINE (1u << 24)
#define ECX_HYPERVISOR   (1u << 31)
#define EDX_HTT          (1u << 28)
#define EXT_CMP_LEGACY   (1u << 1)  /* 0x80000001 ecx */
#define EXT_TOPOLOGY     (1u << 22) /* 0x80000001 ecx: leaf 0x8000001e */

/* Bits that a processor's number takes. */
static unsigned
id_bits(unsigned cpus)
{
	return cpus > 1 ? 32 - (unsigned)__builtin_clz(cpus - 1) : 0;
}

static void
fit_features(struct kvm_cpuid_entry2 *e, unsigned cpu, unsigned cpus, bool tsc_deadline)
{
	e->ebx = (e->ebx & 0xff00) | (1u << id_bits(cpus) & 0xff) << 16 | cpu << 24;
	e->ecx |= ECX_HYPERVISOR;
	e->ecx = tsc_deadline ? e->ecx | ECX_TSC_DEADLINE : e->ecx & ~ECX_TSC_DEADLINE;
	e->edx = cpus > 1 ? e->edx | EDX_HTT : e->edx & ~EDX_HTT;
}

/* Caches of level 1 and 2 belong to one core, those above to all. */
static void
fit_cache(struct kvm_cpuid_entry2 *e, unsigned cpus)
{
	unsigned level = e->eax >> 5 & 7;
	unsigned sharing = level >= 3 ? (1u << id_bits(cpus)) - 1 : 0;

	if (!(e->eax & 0x1f))
		return;
	e->eax &= 0x3fff;
	e->eax |= (sharing & 0xfff) << 14;
	if (e->function == 4)
		e->eax |= ((1u << id_bits(cpus)) - 1) << 26;
}

static void
fit_topology(struct kvm_cpuid_entry2 *e, unsigned cpu, unsigned cpus)
{
	e->ecx = e->index & 0xff;
	e->eax = e->ebx = 0;
	e->edx = cpu;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_SMT << 8;
	} else if (e->index == 1) {
		e->eax = id_bits(cpus);
		e->ebx = cpus;
		e->ecx |= LEVEL_CORE << 8;
	}
}

static void
fit_entry(struct kvm_cpuid_entry2 *e, unsigned cpu, unsigned cpus, bool tsc_deadline)
{
	switch (e->function) {
	case 1:
		fit_features(e, cpu, cpus, tsc_deadline);
		break;
	case 4:
	case 0x8000001d:
		fit_cache(e, cpus);
		break;
	case 0xb:
	case 0x1f:
		fit_topology(e, cpu, cpus);
		break;
	case 0x80000001:
		e->ecx &= ~EXT_CMP_LEGACY;
		if (cpus > 1 && (e->ecx & EXT_TOPOLOGY))
			e->ecx |= EXT_CMP_LEGACY;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffu) | id_bits(cpus) << 12 | (cpus - 1);
		break;
	case 0x8000001e:
		e->eax = cpu;
		e->ebx = cpu;
		e->ecx = 0;
		break;
	}
}

/* Level 1 of leaf 0xb tells the cores; some kernels list level 0 only. */
static void
add_core_level(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *first = NULL;

	for (unsigned i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0xb && e->index == 1)
			return;
		if (e->function == 0xb && e->index == 0)
			first = e;
	}
	if (!first)
		return;
	cpuid->entries[cpuid->nent] = *first;
	cpuid->entries[cpuid->nent++].index = 1;
}

void
cpuid_fit(struct kvm_cpuid2 *cpuid, unsigned cpu, unsigned cpus, bool tsc_deadline)
{
	add_core_level(cpuid);
	for (unsigned i = 0; i < cpuid->nent; i++)
		fit_entry(&cpuid->entries[i], cpu, cpus, tsc_deadline);
}
