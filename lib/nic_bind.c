/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/nic.h"

#define NOIOMMU_MODE "module/vfio/parameters/enable_unsafe_noiommu_mode"
#define BRIDGE_CLASS 0x06 /* bridges of a group have no memory access of their own */

static int
write_file(const struct nic_host *host, const char *path, const char *text)
{
	int fd, r = 0;

	if (host->write)
		return host->write(host->arg, path, text);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

bool
nic_noiommu_mode(const struct nic_host *host)
{
	char path[PATH_MAX], value = 'N';
	int fd;

	snprintf(path, sizeof(path), "%s/" NOIOMMU_MODE, host->sysfs);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, &value, 1) != 1)
			value = 'N';
		close(fd);
	}
	return value == 'Y' || value == '1';
}

static unsigned
device_class(const struct nic_host *host, const char *address)
{
	char path[PATH_MAX], line[16] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/class", host->sysfs, address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, line, sizeof(line) - 1) < 0)
		line[0] = '\0';
	close(fd);
	return (unsigned)strtoul(line, NULL, 16) >> 16;
}

/* All devices of a group go to user space together: others must not be driven by the kernel. */
static int
check_group(const struct nic_host *host, const struct nic *nic, struct err *err)
{
	char path[PATH_MAX], driver[NIC_DRIVER_SIZE];
	const struct dirent *entry;
	int r = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/devices", host->sysfs,
		nic->iommu_group);
	dir = opendir(path);
	while (dir && !r && (entry = readdir(dir))) {
		if (!nic_address_is_valid(entry->d_name) ||
			strcmp(entry->d_name, nic->address) == 0 ||
			device_class(host, entry->d_name) == BRIDGE_CLASS)
			continue;
		nic_driver(host, entry->d_name, driver);
		if (driver[0] && strcmp(driver, NIC_VFIO_DRIVER) != 0)
			r = err_set(err, -EBUSY,
				"card %s shares IOMMU group %d with %s, which the driver %s has: bind that to "
				"vfio-pci as well, or put the card into another slot",
				nic->address, nic->iommu_group, entry->d_name, driver);
	}
	if (dir)
		closedir(dir);
	return r;
}

int
nic_vfio_usable(const struct nic_host *host, const struct nic *nic, struct err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/" NIC_VFIO_DRIVER, host->sysfs);
	if (access(path, F_OK) < 0)
		return err_set(err, -ENODEV,
			"the kernel's driver vfio-pci is not loaded: `modprobe vfio-pci`");
	if (nic->iommu_group < 0 && !nic_noiommu_mode(host)) {
		snprintf(path, sizeof(path), "%s/" NOIOMMU_MODE, host->sysfs);
		/* Not every kernel was built with that mode. */
		return err_set(err, -ENOTSUP,
			"card %s has no IOMMU: switch it on in the firmware and with intel_iommu=on or "
			"amd_iommu=on on the kernel's command line%s",
			nic->address,
			access(path, F_OK) < 0
				? ""
				: "; or, where every program that has the card may be trusted with all "
				  "memory, `echo 1 > /sys/" NOIOMMU_MODE "`");
	}
	return nic->iommu_group < 0 ? 0 : check_group(host, nic, err);
}

/* Is one of the process's descriptors the group's file? */
static bool
has_open(const struct nic_host *host, const char *process, const char *file)
{
	char folder[PATH_MAX], path[PATH_MAX], target[PATH_MAX];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/%s/fd", host->proc, process);
	dir = opendir(folder);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n;

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
			sizeof(path))
			continue;
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		found = strcmp(target, file) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

int
nic_user(const struct nic_host *host, const struct nic *nic)
{
	char path[PATH_MAX], target[PATH_MAX], file[64];
	const struct dirent *entry;
	const char *group;
	int pid = 0;
	ssize_t n;
	DIR *dir;

	if (strcmp(nic->driver, NIC_VFIO_DRIVER) != 0)
		return 0;
	/* Without an IOMMU the group exists since vfio-pci has the card, with a file of its own. */
	snprintf(
		path, sizeof(path), "%s/bus/pci/devices/%s/iommu_group", host->sysfs, nic->address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = '\0';
	group = strrchr(target, '/');
	snprintf(file, sizeof(file), "/dev/vfio/%s%.32s", nic_noiommu_mode(host) ? "noiommu-" : "",
		group ? group + 1 : target);
	dir = opendir(host->proc);
	while (dir && !pid && (entry = readdir(dir))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			has_open(host, entry->d_name, file))
			pid = (int)strtol(entry->d_name, NULL, 10);
	}
	if (dir)
		closedir(dir);
	return pid;
}

/* ---- from one driver to the other ---- */

static int
write_device(const struct nic_host *host, const char *address, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", host->sysfs, address, file);
	return write_file(host, path, text);
}

/* Sets the override, takes the card from its driver, and lets the kernel look for one. */
static int
move(const struct nic_host *host, const char *address, const char *override, bool driven)
{
	char path[PATH_MAX];
	int r = write_device(host, address, "driver_override", override);

	if (!r && driven)
		r = write_device(host, address, "driver/unbind", address);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/bus/pci/drivers_probe", host->sysfs);
	return write_file(host, path, address);
}

static int
refuse_rights(int r, const char *address, struct err *err)
{
	if (r == -EACCES || r == -EPERM)
		return err_set(err, r,
			"card %s cannot be given to another driver: %s: do it as root", address,
			strerror(-r));
	if (r == -EROFS)
		return err_set(err, r,
			"card %s: /sys is read-only here: do it outside of the container", address);
	return err_set(
		err, r, "card %s cannot be given to another driver: %s", address, strerror(-r));
}

static int
check_unused(const struct nic *nic, struct err *err)
{
	for (unsigned i = 0; i < nic->interface_count; i++) {
		const struct nic_interface *interface = &nic->interfaces[i];

		if (interface->ips[0])
			return err_set(err, -EBUSY,
				"card %s is the host's interface %s with the address %s: whoever uses that "
				"would be cut off; take the address away first, or give --force",
				nic->address, interface->name, interface->ips);
		if (interface->up)
			return err_set(err, -EBUSY,
				"card %s is the host's interface %s, which is up: `ip link set %s down` "
				"first, or give --force",
				nic->address, interface->name, interface->name);
	}
	return 0;
}

int
nic_bind(const struct nic_host *host, const char *address, bool force, struct err *err)
{
	char driver[NIC_DRIVER_SIZE];
	struct nic nic;
	int r = nic_find(host, address, &nic, err);

	if (!r && strcmp(nic.driver, NIC_VFIO_DRIVER) == 0)
		r = err_set(err, -EALREADY, "card %s is bound to vfio-pci already", address);
	if (!r)
		r = nic_vfio_usable(host, &nic, err);
	if (!r && !force)
		r = check_unused(&nic, err);
	if (r)
		return r;
	r = move(host, address, NIC_VFIO_DRIVER, nic.driver[0]);
	nic_driver(host, address, driver);
	if (!r && strcmp(driver, NIC_VFIO_DRIVER) == 0)
		return 0;
	/* Back to what it was: a card that nobody drives helps nobody. */
	move(host, address, "\n", driver[0] && strcmp(driver, nic.driver) != 0);
	if (r)
		return refuse_rights(r, address, err);
	return err_set(err, -EIO, "vfio-pci does not take card %s: see the last lines of `dmesg`",
		address);
}

int
nic_unbind(const struct nic_host *host, const char *address, bool force, struct err *err)
{
	struct nic nic;
	int r = nic_find(host, address, &nic, err), pid;

	if (!r && strcmp(nic.driver, NIC_VFIO_DRIVER) != 0)
		r = err_set(err, -EALREADY, "card %s is not bound to vfio-pci but %s%s", address,
			nic.driver[0] ? "to " : "has no driver", nic.driver);
	if (r)
		return r;
	pid = nic_user(host, &nic);
	if (pid && !force)
		return err_set(err, -EBUSY,
			"card %s is in use by process %d: delete its port with `patchbay port del` "
			"first, or give --force and wait for the process",
			address, pid);
	r = move(host, address, "\n", true);
	return r ? refuse_rights(r, address, err) : 0;
}
