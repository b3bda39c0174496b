/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/nic.h"
#include "cli/result.h"
#include "lib/nic.h"

static struct nic_host
this_host(void)
{
	struct nic_host host = nic_host_default;
	const char *sysfs = getenv("PATCHBAY_SYSFS");

	if (sysfs && *sysfs)
		host.sysfs = sysfs;
	return host;
}

/* What keeps the card from a pci port at this moment; "" when nothing does. */
static void
describe_obstacle(const struct nic_host *host, const struct nic *nic, char *text, size_t size)
{
	struct err err = {0};
	int pid = nic_user(host, nic);

	text[0] = '\0';
	if (nic_vfio_usable(host, nic, &err) < 0) {
		snprintf(text, size, "%s", err.text);
		return;
	}
	for (unsigned i = 0; i < nic->interface_count; i++) {
		const struct nic_interface *interface = &nic->interfaces[i];

		if (interface->ips[0])
			snprintf(text, size, "%s has the address %s", interface->name,
				interface->ips);
		else if (interface->up && !text[0])
			snprintf(text, size, "%s is up", interface->name);
	}
	if (pid)
		snprintf(text, size, "process %d has it", pid);
}

static json_t *
describe_interfaces(const struct nic *nic)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < nic->interface_count; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:b, s:s}", "name", nic->interfaces[i].name, "up",
				      nic->interfaces[i].up, "addresses", nic->interfaces[i].ips));
	return list;
}

static json_t *
describe_nic(const struct nic_host *host, const struct nic *nic)
{
	char id[16], obstacle[ERR_TEXT_MAX], names[160] = "", ips[NIC_IPS_SIZE] = "";
	json_t *row;

	snprintf(id, sizeof(id), "%04x:%04x", nic->vendor, nic->device);
	describe_obstacle(host, nic, obstacle, sizeof(obstacle));
	for (unsigned i = 0; i < nic->interface_count; i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", n ? " " : "",
			nic->interfaces[i].name);
		if (!ips[0])
			snprintf(ips, sizeof(ips), "%s", nic->interfaces[i].ips);
	}
	row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "pci", nic->address, "id", id,
		"driver", nic->driver, "interface", names, "ips", ips, "obstacle", obstacle,
		"ready", strcmp(nic->driver, NIC_VFIO_DRIVER) == 0);
	if (row && nic->iommu_group >= 0)
		json_object_set_new(row, "iommu_group", json_integer(nic->iommu_group));
	if (row && nic->numa_node >= 0)
		json_object_set_new(row, "numa_node", json_integer(nic->numa_node));
	if (row)
		json_object_set_new(row, "interfaces", describe_interfaces(nic));
	return row;
}

int
nic_list_verb(const struct command *c, struct err *err)
{
	struct nic *nics = calloc(NIC_MAX, sizeof(*nics));
	struct nic_host host = this_host();
	unsigned count = nics ? nic_list(&host, nics, NIC_MAX) : 0;
	json_t *rows = json_array(), *result;
	int r = nics ? 0 : -ENOMEM;

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(rows, describe_nic(&host, &nics[i]));
	free(nics);
	result = json_pack("{s:o}", "rows", rows);
	if (!result)
		r = -ENOMEM;
	if (!r && c->json)
		r = result_print_json(result, isatty(STDOUT_FILENO), stdout);
	else if (!r && !count)
		printf("This host has no PCI network card.\n");
	else if (!r)
		r = result_print(c->verb, c->params, result, NULL, stdout);
	json_decref(result);
	if (r)
		err_set(err, r, "out of memory");
	return r ? EXIT_FAILED : EXIT_OK;
}

static const char *
address_param(const struct command *c)
{
	return json_string_value(json_object_get(c->params, "pci"));
}

/* Says in `--json` what a program wants to know, else what a person does. */
static int
say_done(const struct command *c, const char *address, bool changed, const char *text)
{
	struct nic_host host = this_host();
	struct err err = {0};
	struct nic nic;
	json_t *result;

	if (!c->json) {
		printf("%s", text);
		return EXIT_OK;
	}
	if (nic_find(&host, address, &nic, &err) < 0)
		nic.driver[0] = '\0';
	result = json_pack(
		"{s:s, s:s, s:b}", "pci", address, "driver", nic.driver, "changed", changed);
	result_print_json(result, isatty(STDOUT_FILENO), stdout);
	json_decref(result);
	return EXIT_OK;
}

int
nic_bind_verb(const struct command *c, struct err *err)
{
	const char *address = address_param(c);
	struct nic_host host = this_host();
	bool force = json_is_true(json_object_get(c->params, "force"));
	struct err why = {0};
	char text[768];
	int r = nic_bind(&host, address, force, &why);

	if (r == -EALREADY) {
		snprintf(text, sizeof(text), "%s.\n", why.text);
		return say_done(c, address, false, text);
	}
	if (r) {
		*err = why;
		return EXIT_FAILED;
	}
	snprintf(text, sizeof(text),
		"Card %s is bound to vfio-pci until the host is rebooted.\n"
		"Use it:        patchbay port add uplink pci bridge=br0 pci=%s\n"
		"Take it back:  patchbay nic unbind %s\n"
		"%s",
		address, address, address,
		nic_noiommu_mode(&host)
			? "It has no IOMMU: start patchbayd with --iova pa, as root, with hugepages.\n"
			: "");
	return say_done(c, address, true, text);
}

int
nic_unbind_verb(const struct command *c, struct err *err)
{
	const char *address = address_param(c);
	struct nic_host host = this_host();
	bool force = json_is_true(json_object_get(c->params, "force"));
	struct err why = {0};
	struct nic nic;
	char text[768];
	int r = nic_unbind(&host, address, force, &why);

	if (r == -EALREADY) {
		snprintf(text, sizeof(text), "%s.\n", why.text);
		return say_done(c, address, false, text);
	}
	if (!r)
		r = nic_find(&host, address, &nic, &why);
	if (r) {
		*err = why;
		return EXIT_FAILED;
	}
	if (nic.driver[0])
		snprintf(text, sizeof(text),
			"Card %s is the kernel's again: driver %s%s%s.\nIts addresses are not restored.\n",
			address, nic.driver, nic.interface_count ? ", interface " : "",
			nic.interface_count ? nic.interfaces[0].name : "");
	else
		snprintf(text, sizeof(text),
			"Card %s has no driver: the kernel's module for it is not loaded.\n",
			address);
	return say_done(c, address, true, text);
}
