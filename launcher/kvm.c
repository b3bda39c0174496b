/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "launcher/kvm.h"
#include "launcher/layout.h"
#include "launcher/ram.h"
#include "lib/fd.h"

#define CPUID_ENTRIES 256

static const struct {
	int number;
	const char *name;
} needed[] = {
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
	{KVM_CAP_IOEVENTFD_NO_LENGTH, "KVM_CAP_IOEVENTFD_NO_LENGTH"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

static int
kvm_examine(struct kvm *kvm, struct err *err)
{
	int rc = ioctl(kvm->device, KVM_GET_API_VERSION, 0);

	if (rc != KVM_API_VERSION)
		return err_set(err, -ENOTSUP, "/dev/kvm has version %d instead of %d", rc,
			KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(kvm->device, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
			return err_set(err, -ENOTSUP, "/dev/kvm lacks %s: a later kernel has it",
				needed[i].name);
	kvm->tsc_deadline = ioctl(kvm->device, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	rc = ioctl(kvm->device, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (rc < (int)sizeof(struct kvm_run))
		return err_set(err, -ENOTSUP, "/dev/kvm: struct kvm_run of %d bytes", rc);
	kvm->run_size = (size_t)rc;
	kvm->cpuid =
		calloc(1, sizeof(*kvm->cpuid) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));
	kvm->routes = calloc(
		1, sizeof(*kvm->routes) + KVM_ROUTES_MAX * sizeof(struct kvm_irq_routing_entry));
	if (!kvm->cpuid || !kvm->routes)
		return err_set(err, -ENOMEM, "out of memory");
	kvm->cpuid->nent = CPUID_ENTRIES;
	if (ioctl(kvm->device, KVM_GET_SUPPORTED_CPUID, kvm->cpuid) < 0)
		return err_set(err, -errno, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	return 0;
}

int
kvm_open(struct kvm *kvm, struct err *err)
{
	int rc;

	*kvm = (struct kvm){.device = open("/dev/kvm", O_RDWR | O_CLOEXEC), .vm = -1};
	if (kvm->device < 0) {
		rc = -errno;
		return err_set(err, rc, "/dev/kvm: %s: %s", strerror(-rc),
			rc == -ENOENT ? "this machine gives no hardware virtualisation"
				      : "add yourself to the group kvm");
	}
	rc = kvm_examine(kvm, err);
	if (rc)
		kvm_close(kvm);
	return rc;
}

void
kvm_close(struct kvm *kvm)
{
	kvm_destroy(kvm);
	fd_close(&kvm->device);
	free(kvm->cpuid);
	free(kvm->routes);
	kvm->cpuid = NULL;
	kvm->routes = NULL;
}

static int
set_memory(struct kvm *kvm, unsigned slot, uint64_t address, uint8_t *host, uint64_t size)
{
	struct kvm_userspace_memory_region region = {.slot = slot,
		.guest_phys_addr = address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host};

	return ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* The wires of the interrupt controllers, which the kernel forgets when messages are routed. */
static void
route_pins(struct kvm *kvm)
{
	struct kvm_irq_routing_entry *entry = kvm->routes->entries;

	for (unsigned pin = 0; pin < IRQ_PINS; pin++, entry++)
		*entry = (struct kvm_irq_routing_entry){.gsi = pin,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = {.irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin}};
	kvm->routes->nr = IRQ_PINS;
	kvm->gsi_used = IRQ_PINS;
}

static int
kvm_populate(struct kvm *kvm, const struct ram *ram)
{
	uint64_t identity = LAYOUT_IDENTITY_MAP;

	if (ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
		ioctl(kvm->vm, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0 ||
		ioctl(kvm->vm, KVM_CREATE_IRQCHIP, 0) < 0 ||
		set_memory(kvm, 0, 0, ram->host, ram->low) < 0)
		return -errno;
	if (ram->size > ram->low &&
		set_memory(kvm, 1, LAYOUT_RAM_HIGH, ram->host + ram->low, ram->size - ram->low) < 0)
		return -errno;
	route_pins(kvm);
	return ioctl(kvm->vm, KVM_SET_GSI_ROUTING, kvm->routes) < 0 ? -errno : 0;
}

int
kvm_create(struct kvm *kvm, const struct ram *ram, struct err *err)
{
	int rc;

	do
		kvm->vm = ioctl(kvm->device, KVM_CREATE_VM, 0);
	while (kvm->vm < 0 && errno == EINTR);
	rc = kvm->vm < 0 ? -errno : kvm_populate(kvm, ram);
	if (!rc)
		return 0;
	kvm_destroy(kvm);
	return err_set(err, rc, "making a virtual machine: %s", strerror(-rc));
}

void
kvm_destroy(struct kvm *kvm)
{
	fd_close(&kvm->vm);
}

int
kvm_msi_new(struct kvm *kvm, unsigned *gsi)
{
	if (kvm->gsi_used >= KVM_ROUTES_MAX)
		return -ENOSPC;
	*gsi = kvm->gsi_used++;
	return 0;
}

int
kvm_msi_set(struct kvm *kvm, unsigned gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry *entry = NULL;

	for (unsigned i = IRQ_PINS; i < kvm->routes->nr && !entry; i++)
		if (kvm->routes->entries[i].gsi == gsi)
			entry = &kvm->routes->entries[i];
	if (!entry)
		entry = &kvm->routes->entries[kvm->routes->nr++];
	*entry = (struct kvm_irq_routing_entry){.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {.address_lo = (uint32_t)address,
			.address_hi = (uint32_t)(address >> 32),
			.data = data}};
	return ioctl(kvm->vm, KVM_SET_GSI_ROUTING, kvm->routes) < 0 ? -errno : 0;
}

int
kvm_irqfd(struct kvm *kvm, int fd, unsigned gsi, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = (unsigned)fd, .gsi = gsi, .flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	return ioctl(kvm->vm, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int
kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t address, bool assign)
{
	struct kvm_ioeventfd io = {
		.addr = address, .fd = fd, .flags = assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN};

	return ioctl(kvm->vm, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}
