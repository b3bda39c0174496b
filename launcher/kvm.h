/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kvm: a virtual machine of the kernel (Linux Documentation/virt/kvm/api.rst): its memory, interrupt
 * controllers, and the descriptors that stand for interrupts and for writes of the guest.
 *
 * Threads: kvm_open(), kvm_create() and kvm_close() the main thread; the rest under the bus's lock.
 */
#ifndef LAUNCHER_KVM_H
#define LAUNCHER_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define KVM_ROUTES_MAX 4096

struct ram;
struct kvm_irq_routing;
struct kvm_cpuid2;

struct kvm {
	int device;               /* /dev/kvm; -1 = closed */
	int vm;                   /* -1 = none */
	size_t run_size;          /* bytes of a processor's struct kvm_run */
	struct kvm_cpuid2 *cpuid; /* what KVM can give a guest */
	bool tsc_deadline;
	struct kvm_irq_routing *routes;
	unsigned gsi_used; /* interrupts given out, the IOAPIC's pins included */
};

/* Opens /dev/kvm and looks whether it is what we need.  -ENOENT, -EACCES, -ENOTSUP with a text. */
int kvm_open(struct kvm *kvm, struct err *err);
void kvm_close(struct kvm *kvm);

/* A virtual machine with this memory; kvm_destroy() ends it, and another one may be made. */
int kvm_create(struct kvm *kvm, const struct ram *ram, struct err *err);
void kvm_destroy(struct kvm *kvm);

/* Takes an interrupt for messages; -ENOSPC. */
int kvm_msi_new(struct kvm *kvm, unsigned *gsi);
/* What the interrupt sends. */
int kvm_msi_set(struct kvm *kvm, unsigned gsi, uint64_t address, uint32_t data);

/* The eventfd raises the interrupt, or does not any more; one that is pending is raised at once. */
int kvm_irqfd(struct kvm *kvm, int fd, unsigned gsi, bool assign);
/* A write of any length to the address signals the eventfd instead of leaving the guest. */
int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t address, bool assign);

#endif
