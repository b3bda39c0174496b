/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic: the host's PCI network cards as sysfs shows them, and who drives each of them.
 *
 * A card is driven by the kernel, which makes interfaces of it, or by a program of user space through
 * the kernel's driver vfio-pci.  nic_bind() and nic_unbind() hand it from one to the other by
 * driver_override (Documentation/ABI/testing/sysfs-bus-pci of Linux); they look first, and change
 * nothing when something stands in the way.
 *
 * Threads: any; nothing is shared.  Errors: negative errno with a text that names the cure.
 */
#ifndef LIB_NIC_H
#define LIB_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define NIC_MAX            256 /* cards of a host */
#define NIC_ADDRESS_SIZE   16  /* "0000:03:00.0" */
#define NIC_DRIVER_SIZE    32
#define NIC_INTERFACES_MAX 8 /* kernel interfaces of one card; more are not shown */
#define NIC_IPS_SIZE       256

#define NIC_VFIO_DRIVER "vfio-pci"

struct nic_interface {
	char name[16];
	bool up;
	char ips[NIC_IPS_SIZE]; /* its addresses with prefix lengths, a space between; "" = none */
};

struct nic {
	char address[NIC_ADDRESS_SIZE];
	uint16_t vendor, device;
	char driver[NIC_DRIVER_SIZE]; /* "" = none */
	int iommu_group;              /* -1 = none */
	int numa_node;                /* -1 = not known */
	unsigned interface_count;
	struct nic_interface interfaces[NIC_INTERFACES_MAX];
};

/* Where sysfs and procfs are, and how a file of sysfs is written; tests put their own there. */
struct nic_host {
	const char *sysfs; /* "/sys" */
	const char *proc;  /* "/proc" */
	/* Writes text to path: 0 or a negative errno.  NULL = write it. */
	int (*write)(void *arg, const char *path, const char *text);
	void *arg;
};

extern const struct nic_host nic_host_default;

/* "0000:03:00.0", four, two and two hexadecimal digits in lower case and one of 0..7. */
bool nic_address_is_valid(const char *text);

/* All cards in the order of their addresses; returns how many, at most max. */
unsigned nic_list(const struct nic_host *host, struct nic *nics, unsigned max);

/* -EINVAL: not an address; -ENOENT: no such device; -ENOTSUP: it is no network card. */
int nic_find(const struct nic_host *host, const char *address, struct nic *nic, struct err *err);

/* Who drives a PCI device at this moment; "" = nobody. */
void nic_driver(const struct nic_host *host, const char *address, char driver[NIC_DRIVER_SIZE]);

/* The process that has the card open by vfio-pci; 0 = none that can be seen. */
int nic_user(const struct nic_host *host, const struct nic *nic);

/*
 * What keeps vfio-pci from giving the card to a program: no IOMMU, an IOMMU group that others
 * share, a module that is not loaded.  0, or the error.
 */
int nic_vfio_usable(const struct nic_host *host, const struct nic *nic, struct err *err);
/* Without an IOMMU, by the kernel's enable_unsafe_noiommu_mode? */
bool nic_noiommu_mode(const struct nic_host *host);

/*
 * Gives the card to vfio-pci.  Refused when the kernel has an address on one of its interfaces, or
 * when it is up, unless `force`.  When it fails half way the card goes back to the driver it had.
 * -EALREADY: vfio-pci has it.
 */
int nic_bind(const struct nic_host *host, const char *address, bool force, struct err *err);
/*
 * Gives the card back to the kernel's own driver.  Refused while a program has it open, unless
 * `force` (the kernel then waits for that program).  -EALREADY: vfio-pci has it not.
 */
int nic_unbind(const struct nic_host *host, const char *address, bool force, struct err *err);

#endif
