/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/probe.h"
#include "lib/fd.h"

/* The guest's memory: page tables, descriptor tables, data, code, stack. */
#define MEMORY_SIZE 0x10000
#define PML4        0x1000
#define PDPT        0x2000
#define PAGE_DIR    0x3000
#define IDT         0x4000
#define GDT         0x4800
#define DATA        0x5000 /* 64-byte aligned: operand of cmpxchg16b, area of xrstor */
#define CODE        0x6000
#define STACK_END   0x8000

#define PORT 0xf4 /* the guest says here how far it is */

#define PAGE_FLAGS   3 /* present, writable */
#define LARGE_PAGE   0x80
#define CR0_PE_NE_ET 0x31
#define CR0_MP       0x2
#define CR0_PG       0x80000000u
#define CR4_PAE      0x20
#define CR4_OSFXSR   0x600 /* and OSXMMEXCPT */
#define CR4_OSXSAVE  0x40000
#define EFER_LME_LMA 0x500
#define IDT_GATE     0x8e00

#define KVM_VERSION 12
#define CPUID_MAX   256

/* What runs in the guest.  rdi holds the address of the data; the handler of int3 is behind it. */
__asm__(".pushsection .rodata\n"
	".globl probe_guest_begin, probe_guest_handler, probe_guest_end\n"
	"probe_guest_begin:\n"
	"	mov $3, %al\n"
	"	out %al, $0xf4\n"
	"	xor %eax, %eax\n"
	"	xor %edx, %edx\n"
	"	mov $1, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	lock cmpxchg16b (%rdi)\n"
	"	mov $4, %al\n"
	"	out %al, $0xf4\n"
	"	mov $3, %eax\n"
	"	xor %edx, %edx\n"
	"	xor %ecx, %ecx\n"
	"	xsetbv\n"
	"	xrstor 64(%rdi)\n"
	"	mov $5, %al\n"
	"	out %al, $0xf4\n"
	"	int3\n"
	"	mov $6, %al\n"
	"	out %al, $0xf4\n"
	"	hlt\n"
	"probe_guest_handler:\n"
	"	iretq\n"
	"probe_guest_end:\n"
	".popsection\n");

extern const uint8_t probe_guest_begin[], probe_guest_handler[], probe_guest_end[];

/* ---- the guest ---- */

static void
write64(uint8_t *memory, uint64_t address, uint64_t value)
{
	memcpy(memory + address, &value, sizeof(value));
}

static void
fill_memory(uint8_t *memory)
{
	uint64_t handler = CODE + (uint64_t)(probe_guest_handler - probe_guest_begin);

	write64(memory, PML4, PDPT | PAGE_FLAGS);
	write64(memory, PDPT, PAGE_DIR | PAGE_FLAGS);
	write64(memory, PAGE_DIR, PAGE_FLAGS | LARGE_PAGE);
	/* Code and data, which int3 and iretq load again. */
	write64(memory, GDT + 8, UINT64_C(0x00af9b000000ffff));
	write64(memory, GDT + 16, UINT64_C(0x00cf93000000ffff));
	/* Vector 3; code selector 8. */
	write64(memory, IDT + 3 * 16,
		(handler & 0xffff) | 8u << 16 | (uint64_t)IDT_GATE << 32 |
			(handler & 0xffff0000) << 32);
	memcpy(memory + CODE, probe_guest_begin, (size_t)(probe_guest_end - probe_guest_begin));
}

static int
set_registers(int vcpu)
{
	struct kvm_segment code = {.limit = 0xffffffff,
		.selector = 8,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1};
	struct kvm_segment data = {.limit = 0xffffffff,
		.selector = 16,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1};
	struct kvm_regs regs = {.rip = CODE, .rsp = STACK_END, .rflags = 2, .rdi = DATA};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 3 * 8 - 1;
	sregs.idt.base = IDT;
	sregs.idt.limit = 4 * 16 - 1;
	sregs.cr3 = PML4;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXSAVE;
	sregs.cr0 = CR0_PE_NE_ET | CR0_MP | CR0_PG;
	sregs.efer = EFER_LME_LMA;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

/* Without it the guest has no xsave. */
static int
set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + CPUID_MAX * sizeof(list->entries[0]));
	int r = 0;

	if (!list)
		return -ENOMEM;
	list->nent = CPUID_MAX;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list) < 0 || ioctl(vcpu, KVM_SET_CPUID2, list) < 0)
		r = -errno;
	free(list);
	return r;
}

static void
run_guest(int vcpu, struct kvm_run *run, struct probe_result *result)
{
	for (unsigned exits = 0; exits < 16; exits++) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0) {
			result->error = -errno;
			return;
		}
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT) {
			uint8_t said = *((uint8_t *)run + run->io.data_offset);

			if (said != result->failed + 1)
				break;
			result->failed = said;
			continue;
		}
		if (run->exit_reason == KVM_EXIT_HLT && result->failed == PROBE_HLT) {
			result->failed = PROBE_DONE;
			return;
		}
		break;
	}
	result->exit_reason = run->exit_reason;
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		result->suberror = run->internal.suberror;
}

/* In a process that ends afterwards: nothing is closed or unmapped. */
static int
create_and_run(int kvm, struct probe_result *result)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};
	int vm, vcpu, size, r;
	void *memory, *run;

	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_VERSION)
		return -ENOSYS;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm < 0 || size < 0 || memory == MAP_FAILED)
		return -errno;
	fill_memory(memory);
	region.userspace_addr = (uint64_t)(uintptr_t)memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return -errno;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return -errno;
	r = set_cpuid(kvm, vcpu);
	if (r == 0)
		r = set_registers(vcpu);
	if (r)
		return r;
	result->failed = PROBE_START;
	run_guest(vcpu, run, result);
	return result->error;
}

/* ---- the process around it ---- */

static void
probe_here(struct probe_result *result)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	result->failed = PROBE_OPEN;
	if (kvm < 0) {
		result->error = -errno;
		return;
	}
	result->failed = PROBE_CREATE;
	result->error = create_and_run(kvm, result);
}

void
probe_run(struct probe_result *result)
{
	struct pollfd said = {.events = POLLIN};
	int pair[2] = {-1, -1};
	pid_t pid = -1;

	memset(result, 0, sizeof(*result));
	if (pipe2(pair, O_CLOEXEC) == 0)
		pid = fork();
	if (pid < 0) {
		result->error = -errno;
		fds_close(pair, 2);
		return;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		probe_here(result);
		_exit(write(pair[1], result, sizeof(*result)) == sizeof(*result) ? 0 : 1);
	}
	fd_close(&pair[1]);
	said.fd = pair[0];
	while (poll(&said, 1, PROBE_SECONDS * 1000) < 0 && errno == EINTR)
		;
	if (!said.revents || read(pair[0], result, sizeof(*result)) != sizeof(*result)) {
		result->failed = PROBE_START;
		result->error = -ETIMEDOUT;
	}
	fd_close(&pair[0]);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- in words ---- */

static const char *
step_name(enum probe_step step)
{
	static const char *const names[] = {
		[PROBE_START] = "its first instruction",
		[PROBE_CMPXCHG16B] = "cmpxchg16b",
		[PROBE_XRSTOR] = "xrstor",
		[PROBE_INT3] = "int3",
		[PROBE_HLT] = "hlt",
	};

	return step < PROBE_DONE && names[step] ? names[step] : "an instruction";
}

bool
probe_explain(const struct probe_result *result, char *text, size_t size)
{
	if (result->failed == PROBE_DONE) {
		snprintf(text, size, "/dev/kvm runs the instructions that kernels need");
		return true;
	}
	if (result->failed == PROBE_OPEN && result->error == -ENOENT)
		snprintf(text, size, "there is no /dev/kvm");
	else if (result->failed == PROBE_OPEN &&
		 (result->error == -EACCES || result->error == -EPERM))
		snprintf(text, size, "/dev/kvm may not be opened: add yourself to group kvm");
	else if (result->failed == PROBE_OPEN)
		snprintf(text, size, "/dev/kvm cannot be opened: %s", strerror(-result->error));
	else if (result->error == -ETIMEDOUT)
		snprintf(text, size, "a guest of a few instructions did not end under /dev/kvm");
	else if (result->failed == PROBE_CREATE)
		snprintf(text, size, "/dev/kvm makes no virtual machine: %s",
			strerror(-result->error));
	else if (result->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(text, size,
			"/dev/kvm emulates instructions, as the CPU has no hardware virtualisation for "
			"it, and fails at %s",
			step_name(result->failed));
	else
		snprintf(text, size, "/dev/kvm fails at %s (%s %d)", step_name(result->failed),
			result->error ? "error" : "exit reason",
			result->error ? -result->error : (int)result->exit_reason);
	return false;
}
