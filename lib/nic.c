/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/nic.h"

#define CLASS_NETWORK 0x02 /* base class of the PCI code and ID assignment specification */
#define DEVICES       "bus/pci/devices"

const struct nic_host nic_host_default = {.sysfs = "/sys", .proc = "/proc"};

bool
nic_address_is_valid(const char *text)
{
	static const char form[] = "xxxx:xx:xx.7";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (unsigned i = 0; form[i]; i++) {
		const char *allowed = form[i] == 'x' ? "0123456789abcdef" : "01234567";

		if (form[i] == 'x' || form[i] == '7' ? !strchr(allowed, text[i])
						     : text[i] != form[i])
			return false;
	}
	return true;
}

/* The file's first line; false when there is none. */
static bool
read_line(char *line, size_t size, const char *root, const char *address, const char *name)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/" DEVICES "/%s/%s", root, address, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, size - 1);
	close(fd);
	if (n < 0)
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* The last part of what a link leads to; "" when it is not there. */
static void
read_link(char *name, size_t size, const char *root, const char *address, const char *link)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/" DEVICES "/%s/%s", root, address, link);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	snprintf(name, size, "%.31s", slash ? slash + 1 : target);
}

static unsigned
read_hex(const char *root, const char *address, const char *name)
{
	char line[32];

	return read_line(line, sizeof(line), root, address, name)
		       ? (unsigned)strtoul(line, NULL, 16)
		       : 0;
}

/* ---- kernel interfaces ---- */

static unsigned
prefix_length(const struct sockaddr *mask)
{
	const uint8_t *bytes;
	unsigned count, bits = 0;

	if (!mask)
		return 0;
	if (mask->sa_family == AF_INET) {
		bytes = (const uint8_t *)&((const struct sockaddr_in *)mask)->sin_addr;
		count = 4;
	} else {
		bytes = (const uint8_t *)&((const struct sockaddr_in6 *)mask)->sin6_addr;
		count = 16;
	}
	for (unsigned i = 0; i < count; i++)
		bits += (unsigned)__builtin_popcount(bytes[i]);
	return bits;
}

/* Addresses that every interface gives itself are nobody's way to this host. */
static bool
is_link_local(const struct sockaddr *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
}

static void
append_ip(struct nic_interface *interface, const struct ifaddrs *a)
{
	const void *bytes = a->ifa_addr->sa_family == AF_INET
				    ? (const void *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr
				    : &((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr;
	char text[INET6_ADDRSTRLEN];
	size_t used = strlen(interface->ips);

	if (!inet_ntop(a->ifa_addr->sa_family, bytes, text, sizeof(text)))
		return;
	if (used + strlen(text) + 6 > sizeof(interface->ips))
		return;
	snprintf(interface->ips + used, sizeof(interface->ips) - used, "%s%s/%u", used ? " " : "",
		text, prefix_length(a->ifa_netmask));
}

static void
read_addresses(struct nic *nic, const struct ifaddrs *all)
{
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		for (unsigned i = 0; i < nic->interface_count; i++) {
			struct nic_interface *interface = &nic->interfaces[i];

			if (strcmp(a->ifa_name, interface->name) != 0)
				continue;
			interface->up = a->ifa_flags & IFF_UP;
			if (a->ifa_addr &&
				(a->ifa_addr->sa_family == AF_INET ||
					a->ifa_addr->sa_family == AF_INET6) &&
				!is_link_local(a->ifa_addr))
				append_ip(interface, a);
		}
	}
}

/* virtio cards have their interface one device further down. */
static void
read_interfaces(const char *folder, struct nic *nic, bool deeper)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/net", folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		struct nic_interface *interface = &nic->interfaces[nic->interface_count];

		if (entry->d_name[0] == '.' || nic->interface_count == NIC_INTERFACES_MAX)
			continue;
		memset(interface, 0, sizeof(*interface));
		snprintf(interface->name, sizeof(interface->name), "%.15s", entry->d_name);
		nic->interface_count++;
	}
	if (dir)
		closedir(dir);
	dir = deeper ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "virtio", 6) != 0 ||
			(size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
				sizeof(path))
			continue;
		read_interfaces(path, nic, false);
	}
	if (dir)
		closedir(dir);
}

/* ---- cards ---- */

void
nic_driver(const struct nic_host *host, const char *address, char driver[NIC_DRIVER_SIZE])
{
	read_link(driver, NIC_DRIVER_SIZE, host->sysfs, address, "driver");
}

static void
read_nic(const struct nic_host *host, const char *address, const struct ifaddrs *all,
	struct nic *nic)
{
	char text[64], folder[PATH_MAX];

	memset(nic, 0, sizeof(*nic));
	snprintf(nic->address, sizeof(nic->address), "%s", address);
	nic->vendor = (uint16_t)read_hex(host->sysfs, address, "vendor");
	nic->device = (uint16_t)read_hex(host->sysfs, address, "device");
	nic_driver(host, address, nic->driver);
	read_link(text, sizeof(text), host->sysfs, address, "iommu_group");
	nic->iommu_group = text[0] ? (int)strtol(text, NULL, 10) : -1;
	nic->numa_node = read_line(text, sizeof(text), host->sysfs, address, "numa_node")
				 ? (int)strtol(text, NULL, 10)
				 : -1;
	snprintf(folder, sizeof(folder), "%s/" DEVICES "/%s", host->sysfs, address);
	read_interfaces(folder, nic, true);
	read_addresses(nic, all);
}

static bool
is_network(const struct nic_host *host, const char *address)
{
	return read_hex(host->sysfs, address, "class") >> 16 == CLASS_NETWORK;
}

static int
compare_addresses(const void *a, const void *b)
{
	return strcmp(((const struct nic *)a)->address, ((const struct nic *)b)->address);
}

unsigned
nic_list(const struct nic_host *host, struct nic *nics, unsigned max)
{
	struct ifaddrs *all = NULL;
	char path[PATH_MAX];
	const struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/" DEVICES, host->sysfs);
	dir = opendir(path);
	if (getifaddrs(&all) < 0)
		all = NULL;
	while (dir && (entry = readdir(dir)) && count < max) {
		if (nic_address_is_valid(entry->d_name) && is_network(host, entry->d_name))
			read_nic(host, entry->d_name, all, &nics[count++]);
	}
	if (dir)
		closedir(dir);
	freeifaddrs(all);
	qsort(nics, count, sizeof(*nics), compare_addresses);
	return count;
}

int
nic_find(const struct nic_host *host, const char *address, struct nic *nic, struct err *err)
{
	struct ifaddrs *all = NULL;
	char path[PATH_MAX];

	if (!nic_address_is_valid(address))
		return err_set(err, -EINVAL,
			"\"%.40s\" is not a PCI address: give one like 0000:03:00.0, see `patchbay nic list`",
			address);
	snprintf(path, sizeof(path), "%s/" DEVICES "/%s", host->sysfs, address);
	if (access(path, F_OK) < 0)
		return err_set(err, -ENOENT, "there is no PCI device %s: see `patchbay nic list`",
			address);
	if (!is_network(host, address))
		return err_set(err, -ENOTSUP,
			"PCI device %s is not a network card: see `patchbay nic list`", address);
	if (getifaddrs(&all) < 0)
		all = NULL;
	read_nic(host, address, all, nic);
	freeifaddrs(all);
	return 0;
}
