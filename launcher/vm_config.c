/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "launcher/vm_config.h"

#define MIB                (UINT64_C(1) << 20)
#define QUEUE_SIZE_MIN     64
#define QUEUE_SIZE_MAX     32768
#define QUEUE_SIZE_DEFAULT 256
#define MTU_MIN            68
#define MTU_MAX            65535

void
vm_disk_init(struct vm_disk *disk)
{
	*disk = (struct vm_disk){.fd = -1};
}

void
vm_net_init(struct vm_net *net)
{
	*net = (struct vm_net){.queues = 1, .queue_size = QUEUE_SIZE_DEFAULT, .packed = true};
}

void
vm_config_init(struct vm_config *config)
{
	*config = (struct vm_config){.cpus = 1,
		.memory = 512 * MIB,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.rng = true,
		.balloon = true};
	for (unsigned i = 0; i < VM_DISKS_MAX; i++)
		vm_disk_init(&config->disks[i]);
	for (unsigned i = 0; i < VM_NETS_MAX; i++)
		vm_net_init(&config->nets[i]);
}

static int
check_net(const struct vm_net *net, unsigned index, struct err *err)
{
	if (net->socket[0] != '/')
		return err_set(err, -EINVAL, "card %u: socket \"%s\" is not an absolute path",
			index, net->socket);
	if (mac_is_zero(&net->mac) || mac_is_multicast(&net->mac))
		return err_set(err, -EINVAL,
			"card %u: its address is zero or a multicast address: give another mac",
			index);
	if (net->queues < 1 || net->queues > VM_QUEUES_MAX)
		return err_set(err, -EINVAL, "card %u: %u queue pairs, 1 to %d are possible", index,
			net->queues, VM_QUEUES_MAX);
	if (net->queue_size < QUEUE_SIZE_MIN || net->queue_size > QUEUE_SIZE_MAX ||
		(net->queue_size & (net->queue_size - 1)))
		return err_set(err, -EINVAL,
			"card %u: queue size %u is not a power of two from %d to %d", index,
			net->queue_size, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
	if (net->mtu && (net->mtu < MTU_MIN || net->mtu > MTU_MAX))
		return err_set(err, -EINVAL, "card %u: mtu %u, %d to %d are possible", index,
			net->mtu, MTU_MIN, MTU_MAX);
	return 0;
}

int
vm_config_check(const struct vm_config *config, struct err *err)
{
	int rc = 0;

	if (config->cpus < 1 || config->cpus > VM_CPUS_MAX)
		return err_set(
			err, -EINVAL, "%u CPUs, 1 to %d are possible", config->cpus, VM_CPUS_MAX);
	if (config->memory < VM_MEMORY_MIN || config->memory > VM_MEMORY_MAX ||
		config->memory % MIB)
		return err_set(err, -EINVAL,
			"memory of %llu bytes: whole MiB from 16 MiB to 1 TiB are possible",
			(unsigned long long)config->memory);
	if (!config->kernel[0] && config->kernel_fd < 0)
		return err_set(err, -EINVAL, "no kernel: name one, on Debian /boot/vmlinuz-...");
	if (config->disk_count > VM_DISKS_MAX || config->net_count > VM_NETS_MAX)
		return err_set(err, -EINVAL, "%u disks and %u cards, %d and %d are possible",
			config->disk_count, config->net_count, VM_DISKS_MAX, VM_NETS_MAX);
	for (unsigned i = 0; i < config->disk_count; i++)
		if (!config->disks[i].path[0] && config->disks[i].fd < 0)
			return err_set(err, -EINVAL, "disk %u names no file", i);
	for (unsigned i = 0; i < config->net_count && !rc; i++)
		rc = check_net(&config->nets[i], i, err);
	return rc;
}
