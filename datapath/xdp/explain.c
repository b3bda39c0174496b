/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/xdp/program.h"

#define BPFFS_MAGIC 0xcafe4a11
#define CAP_BIT_BPF 39

static uint64_t
capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* The program that runs on the interface, ours or not. */
static void
read_other(struct xdp_facts *facts, int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int fd;

	if (bpf_xdp_query(ifindex, 0, &query) < 0)
		return;
	fd = bpf_prog_get_fd_by_id(query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id);
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && strcmp(info.name, SHARE_PROGRAM) != 0)
		snprintf(facts->other, sizeof(facts->other), "%s (id %u)", info.name, info.id);
	close(fd);
}

void
xdp_facts_read(struct xdp_facts *facts, const char *dev, int ifindex)
{
	uint64_t own = capabilities();
	struct rlimit limit = {0};
	struct statfs fs;

	memset(facts, 0, sizeof(*facts));
	facts->dev = dev;
	facts->net_admin = own >> CAP_NET_ADMIN & 1;
	facts->net_raw = own >> CAP_NET_RAW & 1;
	facts->sys_admin = own >> CAP_SYS_ADMIN & 1;
	facts->bpf = facts->sys_admin || own >> CAP_BIT_BPF & 1;
	facts->bpffs_path = getenv("LIBXDP_BPFFS") ? getenv("LIBXDP_BPFFS") : "/sys/fs/bpf";
	facts->bpffs = statfs(facts->bpffs_path, &fs) == 0 && (uint32_t)fs.f_type == BPFFS_MAGIC;
	facts->btf = access("/sys/kernel/btf/vmlinux", F_OK) == 0;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	facts->locked_limit = limit.rlim_cur;
	if (facts->bpffs)
		read_other(facts, ifindex);
}

int
xdp_explain(const struct xdp_facts *facts, int error, struct err *err)
{
	const char *reason = strerror(-error);

	if (!facts->net_admin || !facts->net_raw || !facts->bpf || !facts->sys_admin)
		return err_set(err, error,
			"the XDP program of %s cannot be had (%s): the daemon lacks%s%s%s%s: run it as "
			"root, or add them (systemd: CapabilityBoundingSet=)",
			facts->dev, reason, facts->net_admin ? "" : " CAP_NET_ADMIN",
			facts->net_raw ? "" : " CAP_NET_RAW", facts->bpf ? "" : " CAP_BPF",
			facts->sys_admin ? "" : " CAP_SYS_ADMIN");
	if (!facts->bpffs)
		return err_set(err, error,
			"no BPF file system is mounted at %s, where the XDP program of %s is kept: "
			"`mount -t bpf bpf %s`",
			facts->bpffs_path, facts->dev, facts->bpffs_path);
	if (facts->other[0])
		return err_set(err, error,
			"%s has another XDP program, %s, that leaves no room for a second one (%s): take "
			"it off with `ip link set dev %s xdp off`, or load it by libxdp's dispatcher "
			"(`xdp-loader load`), which needs a kernel with BTF and BPF extensions",
			facts->dev, facts->other, reason, facts->dev);
	if (error == -EPERM || error == -ENOMEM)
		return err_set(err, error,
			"the kernel refuses the XDP program of %s (%s): it may need more locked memory "
			"than %llu KiB: `ulimit -l unlimited`, systemd: LimitMEMLOCK=infinity",
			facts->dev, reason, (unsigned long long)(facts->locked_limit / 1024));
	if (!facts->btf)
		return err_set(err, error,
			"the kernel refuses the XDP program of %s (%s); it was built without BTF: use one "
			"with CONFIG_DEBUG_INFO_BTF=y (Debian's have it), or an afpacket port",
			facts->dev, reason);
	if (error == -EOPNOTSUPP)
		return err_set(err, error,
			"neither the driver of %s nor the kernel takes the XDP program: a kernel with "
			"CONFIG_XDP_SOCKETS=y is needed; an afpacket port works on any",
			facts->dev);
	return err_set(err, error,
		"the kernel refuses the XDP program of %s: %s: --log-level debug tells more",
		facts->dev, reason);
}
