/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "launcher/cpuid.h"
#include "launcher/layout.h"
#include "launcher/vcpu_state.h"

#define CR0_PE   (1u << 0)
#define CR0_ET   (1u << 4)
#define CR0_PG   (1u << 31)
#define CR4_PAE  (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define SELECTOR_TASK 0x20

#define MSR_MISC_ENABLE       0x1a0
#define MISC_FAST_STRING      1
#define MSR_MTRR_DEFAULT      0x2ff
#define MTRR_ENABLE_WRITEBACK 0x806
#define FLAGS_RESERVED        0x2
#define FPU_CONTROL           0x37f
#define FPU_MXCSR             0x1f80

static int
set_cpuid(const struct kvm *kvm, int fd, unsigned number, unsigned count)
{
	size_t size =
		sizeof(*kvm->cpuid) + (kvm->cpuid->nent + 1) * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *cpuid = calloc(1, size);
	int rc;

	if (!cpuid)
		return -ENOMEM;
	memcpy(cpuid, kvm->cpuid, size - sizeof(struct kvm_cpuid_entry2));
	cpuid_fit(cpuid, number, count, kvm->tsc_deadline);
	rc = ioctl(fd, KVM_SET_CPUID2, cpuid) < 0 ? -errno : 0;
	free(cpuid);
	return rc;
}

/* What a firmware leaves behind: fast strings on, memory cached. */
static int
set_msrs(int fd)
{
	static const struct kvm_msr_entry entries[] = {
		{.index = MSR_MTRR_DEFAULT, .data = MTRR_ENABLE_WRITEBACK},
		{.index = MSR_MISC_ENABLE, .data = MISC_FAST_STRING},
	};
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(entries));
	int rc;

	if (!msrs)
		return -ENOMEM;
	msrs->nmsrs = sizeof(entries) / sizeof(entries[0]);
	memcpy(msrs->entries, entries, sizeof(entries));
	/* How many were set; AMD has no MSR_MISC_ENABLE. */
	rc = ioctl(fd, KVM_SET_MSRS, msrs) < 0 ? -errno : 0;
	free(msrs);
	return rc;
}

static struct kvm_segment
segment(unsigned selector, unsigned type, bool long_mode)
{
	bool task = selector == SELECTOR_TASK, code = selector == SELECTOR_CODE;

	return (struct kvm_segment){.limit = task ? 0x67 : 0xffffffff,
		.selector = (uint16_t)selector,
		.type = (uint8_t)type,
		.present = 1,
		.s = !task,
		.l = code && long_mode,
		.db = !task && !(code && long_mode),
		.g = !task};
}

static int
set_segments(int fd, bool long_mode)
{
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = segment(SELECTOR_CODE, 0xb, long_mode);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss =
		segment(SELECTOR_DATA, 0x3, long_mode);
	sregs.tr = segment(SELECTOR_TASK, 0xb, long_mode);
	sregs.ldt = (struct kvm_segment){.unusable = 1};
	sregs.gdt = (struct kvm_dtable){.base = LAYOUT_GDT, .limit = 0x27};
	sregs.idt = (struct kvm_dtable){0};
	sregs.cr0 = CR0_PE | CR0_ET;
	sregs.cr4 = 0;
	if (long_mode) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = LAYOUT_PAGE_TABLES;
		sregs.cr4 = CR4_PAE;
		sregs.efer |= EFER_LME | EFER_LMA;
	}
	return ioctl(fd, KVM_SET_SREGS, &sregs) < 0 ? -errno : 0;
}

static int
set_registers(int fd, const struct boot_entry *entry)
{
	struct kvm_regs regs = {.rflags = FLAGS_RESERVED,
		.rip = entry->rip,
		.rsi = entry->rsi,
		.rbx = entry->rbx,
		.rsp = LAYOUT_BOOT_STACK,
		.rbp = LAYOUT_BOOT_STACK};
	struct kvm_fpu fpu = {.fcw = FPU_CONTROL, .mxcsr = FPU_MXCSR};

	if (ioctl(fd, KVM_SET_REGS, &regs) < 0 || ioctl(fd, KVM_SET_FPU, &fpu) < 0)
		return -errno;
	return set_segments(fd, entry->long_mode);
}

int
vcpu_init(const struct kvm *kvm, int fd, unsigned number, unsigned count,
	const struct boot_entry *entry)
{
	int rc = set_cpuid(kvm, fd, number, count);

	if (!rc)
		rc = set_msrs(fd);
	if (!rc && entry)
		rc = set_registers(fd, entry);
	return rc;
}
