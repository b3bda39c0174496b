/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msix: the message-signalled interrupts of one device (PCI Local Bus 3.0, 6.8.2).
 *
 * A source is an eventfd that somebody (the kernel, a back end, a thread of ours) signals; while its
 * vector is unmasked, KVM turns each signal into the vector's message without us.  While it is
 * masked, signals stay in the eventfd: the pending bits are read from there, and KVM raises what is
 * pending when the vector is unmasked.
 *
 * Threads: under the bus's lock.
 */
#ifndef LAUNCHER_MSIX_H
#define LAUNCHER_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/kvm.h"
#include "launcher/pci.h"

#define MSIX_NO_VECTOR   0xffff
#define MSIX_ENTRY_SIZE  16
#define MSIX_VECTORS_MAX 128

struct msix_vector {
	uint32_t entry[4]; /* as in the table: address, data, control */
	int gsi;           /* -1 = none yet */
	bool routed;       /* the route says what the entry says */
};

struct msix_source {
	int fd; /* eventfd, the owner's */
	uint16_t vector;
	bool wired;
};

struct msix {
	struct kvm *kvm;
	struct pci_device *device;
	unsigned capability; /* where it is in configuration space */
	unsigned vector_count, source_count;
	struct msix_vector *vectors;
	struct msix_source *sources;
	bool enabled; /* and not masked as a whole */
};

/* Adds the capability: table and pending bits at these offsets of the window. */
int msix_init(struct msix *msix, struct kvm *kvm, struct pci_device *device, unsigned vectors,
	unsigned sources, uint32_t table, uint32_t pending);
void msix_free(struct msix *msix);

/* As after power on; KVM knows nothing of it any more. */
void msix_reset(struct msix *msix);
/* Configuration space was written. */
void msix_configured(struct msix *msix);
/* Stores the vector that exists, else MSIX_NO_VECTOR. */
void msix_bind(struct msix *msix, unsigned source, unsigned vector);

uint64_t msix_table_read(const struct msix *msix, uint64_t offset, unsigned length);
void msix_table_write(struct msix *msix, uint64_t offset, unsigned length, uint64_t value);
uint64_t msix_pending_read(const struct msix *msix, uint64_t offset, unsigned length);

#endif
