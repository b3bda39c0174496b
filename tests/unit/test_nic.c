/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards of a sysfs that the test makes in a folder; its kernel obeys what is written there.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/nic.h"

#define CARD   "0000:03:00.0"
#define OTHER  "0000:03:00.1"
#define BRIDGE "0000:00:1c.0"
#define DISK   "0000:04:00.0"

struct fixture {
	char root[PATH_MAX - 512];
	struct nic_host host;
	unsigned writes;
	bool refuses; /* vfio-pci does not take a card */
	int fails;    /* error of a write to driver_override */
};

static void
path_of(const struct fixture *f, char *path, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", f->root, name);
}

/* All folders of the path, and the file if there is a text. */
static void
put(const struct fixture *f, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	path_of(f, path, name);
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	if (!text) {
		mkdir(path, 0700);
		return;
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
link_to(const struct fixture *f, const char *name, const char *target)
{
	char path[PATH_MAX];

	path_of(f, path, name);
	unlink(path);
	if (target)
		assert_int_equal(symlink(target, path), 0);
}

static void
add_device(const struct fixture *f, const char *address, const char *class, const char *driver,
	int group)
{
	char name[256], text[256];

	snprintf(name, sizeof(name), "bus/pci/devices/%s/class", address);
	put(f, name, class);
	snprintf(name, sizeof(name), "bus/pci/devices/%s/vendor", address);
	put(f, name, "0x8086\n");
	snprintf(name, sizeof(name), "bus/pci/devices/%s/device", address);
	put(f, name, "0x10d3\n");
	snprintf(name, sizeof(name), "bus/pci/devices/%s/driver", address);
	snprintf(text, sizeof(text), "../../drivers/%s", driver);
	if (driver)
		link_to(f, name, text);
	if (group < 0)
		return;
	snprintf(name, sizeof(name), "bus/pci/devices/%s/iommu_group", address);
	snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%d", group);
	link_to(f, name, text);
	snprintf(name, sizeof(name), "kernel/iommu_groups/%d/devices/%s", group, address);
	put(f, name, NULL);
}

/* The kernel's side: a card goes to the driver of its override, or to e1000e. */
static int
kernel_write(void *arg, const char *path, const char *text)
{
	struct fixture *f = arg;
	const char *name = path + strlen(f->root) + 1;
	char link[128], override[64] = "";
	FILE *file;

	f->writes++;
	if (strcmp(name, "bus/pci/devices/" CARD "/driver_override") == 0) {
		if (f->fails)
			return f->fails;
		put(f, name, text);
		return 0;
	}
	snprintf(link, sizeof(link), "bus/pci/devices/" CARD "/driver");
	if (strcmp(name, "bus/pci/devices/" CARD "/driver/unbind") == 0) {
		assert_string_equal(text, CARD);
		link_to(f, link, NULL);
		return 0;
	}
	assert_string_equal(name, "bus/pci/drivers_probe");
	assert_string_equal(text, CARD);
	snprintf(link, sizeof(link), "%s/bus/pci/devices/" CARD "/driver_override", f->root);
	file = fopen(link, "re");
	if (file && fgets(override, sizeof(override), file))
		override[strcspn(override, "\n")] = '\0';
	if (file)
		fclose(file);
	if (strcmp(override, "vfio-pci") == 0 && !f->refuses)
		link_to(f, "bus/pci/devices/" CARD "/driver", "../../drivers/vfio-pci");
	else if (!override[0])
		link_to(f, "bus/pci/devices/" CARD "/driver", "../../drivers/e1000e");
	return 0;
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/test_nic.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	f->host = (struct nic_host){
		.sysfs = f->root, .proc = f->root, .write = kernel_write, .arg = f};
	add_device(f, CARD, "0x020000\n", "e1000e", 7);
	add_device(f, BRIDGE, "0x060400\n", "pcieport", 7);
	add_device(f, DISK, "0x010802\n", "nvme", 8);
	put(f, "bus/pci/drivers/vfio-pci", NULL);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	char command[PATH_MAX];

	assert_memory_equal(f->root, "/tmp/test_nic.", 14);
	snprintf(command, sizeof(command), "rm -r %s", f->root);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void
driver_is(struct fixture *f, const char *driver)
{
	char is[NIC_DRIVER_SIZE];

	nic_driver(&f->host, CARD, is);
	assert_string_equal(is, driver);
}

static void
refuses(int r, int expected, const struct err *err, const char *word)
{
	assert_int_equal(r, expected);
	if (!strstr(err->text, word))
		fail_msg("\"%s\" does not say \"%s\"", err->text, word);
}

static void
test_addresses(void **state)
{
	static const char *const good[] = {"0000:03:00.0", "ffff:ff:1f.7"};
	static const char *const bad[] = {"", "03:00.0", "0000:03:00.8", "0000:03:00.",
		"0000:03:00.00", "0000:3:00.0", "0000-03:00.0", "0000:0G:00.0", "0000:0A:00.0",
		"0000:03:00,0"};

	for (unsigned i = 0; i < 2; i++)
		assert_true(nic_address_is_valid(good[i]));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(nic_address_is_valid(bad[i]));
}

static void
test_list_shows_network_cards_in_order(void **state)
{
	struct fixture *f = *state;
	struct nic nics[4];

	add_device(f, OTHER, "0x028000\n", NULL, -1);
	put(f, "bus/pci/devices/" CARD "/net/eth7", NULL);
	put(f, "bus/pci/devices/" OTHER "/virtio3/net/lo", NULL);
	put(f, "bus/pci/devices/" CARD "/numa_node", "1\n");
	assert_int_equal(nic_list(&f->host, nics, 4), 2);
	assert_string_equal(nics[0].address, CARD);
	assert_string_equal(nics[0].driver, "e1000e");
	assert_int_equal(nics[0].iommu_group, 7);
	assert_int_equal(nics[0].numa_node, 1);
	assert_int_equal(nics[0].vendor, 0x8086);
	assert_int_equal(nics[0].device, 0x10d3);
	assert_int_equal(nics[0].interface_count, 1);
	assert_string_equal(nics[0].interfaces[0].name, "eth7");
	assert_string_equal(nics[0].interfaces[0].ips, "");
	assert_string_equal(nics[1].address, OTHER);
	assert_string_equal(nics[1].driver, "");
	assert_int_equal(nics[1].iommu_group, -1);
	assert_int_equal(nics[1].interface_count, 1);
	/* Of the host the test runs on. */
	if (nics[1].interfaces[0].up)
		assert_non_null(strstr(nics[1].interfaces[0].ips, "127.0.0.1/8"));
	assert_int_equal(nic_list(&f->host, nics, 1), 1);
}

static void
test_there_and_back(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	assert_int_equal(nic_bind(&f->host, CARD, false, &err), 0);
	driver_is(f, "vfio-pci");
	refuses(nic_bind(&f->host, CARD, false, &err), -EALREADY, &err, "already");
	assert_int_equal(nic_unbind(&f->host, CARD, false, &err), 0);
	driver_is(f, "e1000e");
	refuses(nic_unbind(&f->host, CARD, false, &err), -EALREADY, &err, "e1000e");
}

static void
test_refusals_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	refuses(nic_bind(&f->host, "3:0.0", false, &err), -EINVAL, &err, "0000:03:00.0");
	refuses(nic_bind(&f->host, "0000:09:00.0", false, &err), -ENOENT, &err, "nic list");
	refuses(nic_bind(&f->host, DISK, false, &err), -ENOTSUP, &err, "not a network card");
	add_device(f, OTHER, "0x020000\n", "e1000e", 7);
	refuses(nic_bind(&f->host, CARD, false, &err), -EBUSY, &err, OTHER);
	link_to(f, "bus/pci/devices/" OTHER "/driver", "../../drivers/vfio-pci");
	link_to(f, "bus/pci/devices/" CARD "/iommu_group", NULL);
	refuses(nic_bind(&f->host, CARD, false, &err), -ENOTSUP, &err, "intel_iommu=on");
	link_to(f, "bus/pci/drivers/gone", NULL);
	{
		char path[PATH_MAX];

		path_of(f, path, "bus/pci/drivers/vfio-pci");
		assert_int_equal(rmdir(path), 0);
	}
	refuses(nic_bind(&f->host, CARD, false, &err), -ENODEV, &err, "modprobe vfio-pci");
	assert_int_equal(f->writes, 0);
}

static void
test_without_iommu_where_the_kernel_allows_it(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	link_to(f, "bus/pci/devices/" CARD "/iommu_group", NULL);
	refuses(nic_bind(&f->host, CARD, false, &err), -ENOTSUP, &err, "no IOMMU");
	assert_null(strstr(err.text, "noiommu"));
	put(f, "module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	refuses(nic_bind(&f->host, CARD, false, &err), -ENOTSUP, &err, "noiommu_mode");
	put(f, "module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	assert_int_equal(nic_bind(&f->host, CARD, false, &err), 0);
}

static void
test_an_interface_in_use_needs_force(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct nic nic;

	put(f, "bus/pci/devices/" CARD "/net/lo", NULL);
	assert_int_equal(nic_find(&f->host, CARD, &nic, &err), 0);
	if (!nic.interfaces[0].up) {
		print_message("skipped: the loopback interface is down\n");
		skip();
	}
	refuses(nic_bind(&f->host, CARD, false, &err), -EBUSY, &err, "--force");
	assert_non_null(strstr(err.text, "127.0.0.1"));
	assert_int_equal(f->writes, 0);
	assert_int_equal(nic_bind(&f->host, CARD, true, &err), 0);
}

static void
test_a_failure_goes_back(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	f->refuses = true;
	refuses(nic_bind(&f->host, CARD, false, &err), -EIO, &err, "dmesg");
	driver_is(f, "e1000e");
	f->fails = -EACCES;
	refuses(nic_bind(&f->host, CARD, false, &err), -EACCES, &err, "as root");
	driver_is(f, "e1000e");
}

static void
test_a_card_in_use_by_a_program(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct nic nic;

	assert_int_equal(nic_bind(&f->host, CARD, false, &err), 0);
	put(f, "4711/fd", NULL);
	link_to(f, "4711/fd/9", "/dev/vfio/7");
	assert_int_equal(nic_find(&f->host, CARD, &nic, &err), 0);
	assert_int_equal(nic_user(&f->host, &nic), 4711);
	refuses(nic_unbind(&f->host, CARD, false, &err), -EBUSY, &err, "4711");
	driver_is(f, "vfio-pci");
	assert_int_equal(nic_unbind(&f->host, CARD, true, &err), 0);
	driver_is(f, "e1000e");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		TEST(test_list_shows_network_cards_in_order),
		TEST(test_there_and_back),
		TEST(test_refusals_change_nothing),
		TEST(test_without_iommu_where_the_kernel_allows_it),
		TEST(test_an_interface_in_use_needs_force),
		TEST(test_a_failure_goes_back),
		TEST(test_a_card_in_use_by_a_program),
	};

	return cmocka_run_group_tests_name("nic", tests, NULL, NULL);
}
