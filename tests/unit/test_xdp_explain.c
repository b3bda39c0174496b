/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each obstacle has a sentence of its own, with the cure.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/xdp/program.h"

/* A machine on which nothing is missing. */
static const struct xdp_facts fine = {
	.dev = "eth1",
	.net_admin = true,
	.net_raw = true,
	.bpf = true,
	.sys_admin = true,
	.bpffs = true,
	.bpffs_path = "/sys/fs/bpf",
	.btf = true,
	.locked_limit = 64 * 1024,
};

static void
says(const struct xdp_facts *facts, int error, const char *one, const char *two)
{
	struct err err = {0};

	assert_int_equal(xdp_explain(facts, error, &err), error);
	assert_int_equal(err.code, error);
	assert_non_null(strstr(err.text, "eth1"));
	if (!strstr(err.text, one) || !strstr(err.text, two))
		fail_msg("\"%s\" has not both \"%s\" and \"%s\"", err.text, one, two);
}

static void
test_capabilities(void **state)
{
	struct xdp_facts facts = fine;

	(void)state;
	facts.bpf = false;
	says(&facts, -EPERM, "CAP_BPF", "root");
	facts.net_admin = false;
	says(&facts, -EPERM, "CAP_NET_ADMIN CAP_BPF", "CapabilityBoundingSet");
	facts = fine;
	facts.sys_admin = false;
	says(&facts, -EPERM, "CAP_SYS_ADMIN", "root");
	facts = fine;
	facts.net_raw = false;
	says(&facts, -EPERM, "CAP_NET_RAW", "root");
}

static void
test_kernel(void **state)
{
	struct xdp_facts facts = fine;

	(void)state;
	facts.bpffs = false;
	says(&facts, -ENODEV, "/sys/fs/bpf", "mount -t bpf bpf /sys/fs/bpf");
	facts = fine;
	facts.btf = false;
	says(&facts, -EINVAL, "without BTF", "CONFIG_DEBUG_INFO_BTF=y");
	says(&fine, -EOPNOTSUPP, "CONFIG_XDP_SOCKETS=y", "afpacket");
	says(&fine, -EINVAL, "Invalid argument", "--log-level debug");
}

static void
test_locked_memory(void **state)
{
	(void)state;
	says(&fine, -EPERM, "locked memory than 64 KiB", "ulimit -l unlimited");
	says(&fine, -ENOMEM, "LimitMEMLOCK=infinity", "64 KiB");
}

static void
test_another_program(void **state)
{
	struct xdp_facts facts = fine;

	(void)state;
	snprintf(facts.other, sizeof(facts.other), "firewall (id 7)");
	says(&facts, -EBUSY, "firewall (id 7)", "ip link set dev eth1 xdp off");
	/* What is missing first is said first. */
	facts.bpf = false;
	says(&facts, -EPERM, "CAP_BPF", "root");
}

static void
test_facts_of_this_machine(void **state)
{
	struct xdp_facts facts;

	(void)state;
	xdp_facts_read(&facts, "lo", 1);
	assert_string_equal(facts.dev, "lo");
	assert_non_null(facts.bpffs_path);
	assert_string_equal(facts.other, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_locked_memory),
		cmocka_unit_test(test_another_program),
		cmocka_unit_test(test_facts_of_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
