/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_vfio.h>

#include "datapath/env.h"
#include "datapath/pci.h"
#include "lib/nic.h"

/* Drivers of DPDK that work beside the kernel's, which keeps the card. */
static bool
shares_with_kernel(const char *driver)
{
	static const char *const names[] = {"mlx4_core", "mlx5_core", "mana"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(driver, names[i]) == 0)
			return true;
	return false;
}

static bool
is_user_driver(const char *driver)
{
	return strcmp(driver, NIC_VFIO_DRIVER) == 0 || strcmp(driver, "igb_uio") == 0 ||
	       strcmp(driver, "uio_pci_generic") == 0;
}

static int
check_vfio(const struct nic *nic, struct err *err)
{
	bool noiommu = nic_noiommu_mode(&nic_host_default);
	char path[64], group[NIC_DRIVER_SIZE];
	int pid = nic_user(&nic_host_default, nic);

	if (pid)
		return err_set(err, -EBUSY, "card %s is in use by process %d", nic->address, pid);
	if (nic->iommu_group < 0)
		return err_set(err, -ENOTSUP,
			"card %s is bound to vfio-pci but in no IOMMU group: see `patchbay nic list`",
			nic->address);
	snprintf(group, sizeof(group), "%d", nic->iommu_group);
	snprintf(path, sizeof(path), "/dev/vfio/%s%s", noiommu ? "noiommu-" : "", group);
	if (access(path, R_OK | W_OK) < 0)
		return err_set(err, -errno,
			"card %s: %s: %s: run patchbayd as root, or let its user write to that file",
			nic->address, path, strerror(errno));
	if (noiommu && rte_eal_iova_mode() != RTE_IOVA_PA)
		return err_set(err, -ENOTSUP,
			"card %s has no IOMMU: start patchbayd with --iova pa", nic->address);
	return 0;
}

static int
check(const char *address, struct err *err)
{
	struct nic nic;
	int r = nic_find(&nic_host_default, address, &nic, err);

	if (r || shares_with_kernel(nic.driver))
		return r;
	if (!nic.driver[0])
		return err_set(err, -ENODEV,
			"card %s has no driver: `patchbay nic bind %s` gives it vfio-pci", address,
			address);
	if (!is_user_driver(nic.driver))
		return err_set(err, -EBUSY,
			"card %s belongs to the kernel (driver %s%s%s%s%s): take it with `patchbay nic "
			"bind %s`",
			address, nic.driver, nic.interface_count ? ", interface " : "",
			nic.interface_count ? nic.interfaces[0].name : "",
			nic.interface_count && nic.interfaces[0].ips[0] ? ", address " : "",
			nic.interface_count ? nic.interfaces[0].ips : "", address);
	if (strcmp(nic.driver, NIC_VFIO_DRIVER) == 0)
		r = check_vfio(&nic, err);
	if (!r && rte_eal_iova_mode() == RTE_IOVA_PA && !env_hugepages())
		r = err_set(err, -ENOTSUP,
			"card %s needs hugepages where there is no IOMMU: `echo 64 > "
			"/proc/sys/vm/nr_hugepages` and start patchbayd again",
			address);
	return r;
}

int
pci_attach(const char *address, uint16_t *ethdev, struct err *err)
{
	struct rte_dev_iterator iterator;
	uint16_t found = RTE_MAX_ETHPORTS, port;
	int r = check(address, err);

	if (r)
		return r;
	/* The module may have been loaded after the daemon was started. */
	rte_vfio_enable("vfio");
	r = rte_dev_probe(address);
	if (r && r != -EEXIST)
		return err_set(err, r,
			"DPDK does not take card %s (%s): is there a driver for it, and is "
			"the limit of locked memory (`ulimit -l`) high enough?",
			address, strerror(-r));
	RTE_ETH_FOREACH_MATCHING_DEV(port, address, &iterator)
	{
		found = port;
		rte_eth_iterator_cleanup(&iterator);
		break;
	}
	if (found == RTE_MAX_ETHPORTS)
		return err_set(
			err, -ENODEV, "no driver of DPDK's makes a port of card %s", address);
	*ethdev = found;
	return 0;
}

void
pci_detach(uint16_t ethdev)
{
	struct rte_eth_dev_info info;
	int r = rte_eth_dev_info_get(ethdev, &info);

	rte_eth_dev_close(ethdev);
	if (!r && info.device)
		rte_dev_remove(info.device);
}
