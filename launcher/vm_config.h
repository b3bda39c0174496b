/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm_config: one virtual machine as plain values: what whoever starts it has decided.
 *
 * Files are named, and may besides be given already opened: a descriptor of -1 means "not opened, open
 * the path".  Descriptors stay the caller's.  vm_config_init() gives every field its default.
 */
#ifndef LAUNCHER_VM_CONFIG_H
#define LAUNCHER_VM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ethernet.h"

#define VM_NAME_SIZE    32   /* with the NUL */
#define VM_PATH_SIZE    1024 /* of files */
#define VM_SOCKET_SIZE  108  /* sun_path */
#define VM_CMDLINE_SIZE 2048 /* what Linux takes, with the NUL */
#define VM_CPUS_MAX     64
#define VM_DISKS_MAX    12
#define VM_NETS_MAX     12
#define VM_QUEUES_MAX   16 /* queue pairs of one network card */
#define VM_MEMORY_MIN   (UINT64_C(16) << 20)
#define VM_MEMORY_MAX   (UINT64_C(1) << 40)

/* A raw file or a block device. */
struct vm_disk {
	char path[VM_PATH_SIZE];
	int fd; /* opened O_RDWR, or O_RDONLY when readonly */
	bool readonly;
	bool direct;     /* O_DIRECT: past the host's page cache */
	char serial[20]; /* what the guest reads as the disk's serial number */
};

/* A network card: the front end of a vhost-user connection. */
struct vm_net {
	char socket[VM_SOCKET_SIZE]; /* absolute */
	bool listen;                 /* the back end connects to us */
	struct mac mac;
	unsigned queues;     /* pairs, 1..VM_QUEUES_MAX */
	unsigned queue_size; /* a power of two, 64..32768 */
	unsigned mtu;        /* told to the guest and to the back end; 0 = neither */
	bool packed;         /* offer packed rings, where the back end has them */
};

struct vm_config {
	char name[VM_NAME_SIZE];
	unsigned cpus;   /* 1..VM_CPUS_MAX */
	uint64_t memory; /* bytes, a multiple of 1 MiB */
	bool hugepages;  /* 2 MiB pages from the host's pool */
	bool thp;        /* ask for transparent huge pages */
	bool prefault;   /* take all memory before the guest starts */

	char kernel[VM_PATH_SIZE], initrd[VM_PATH_SIZE]; /* initrd "" = none */
	int kernel_fd, initrd_fd;
	char cmdline[VM_CMDLINE_SIZE];

	struct vm_disk disks[VM_DISKS_MAX];
	unsigned disk_count;
	struct vm_net nets[VM_NETS_MAX];
	unsigned net_count;

	bool rng;
	bool balloon;   /* with reporting of free pages */
	bool console;   /* virtio-console (hvc0) beside the serial port */
	bool no_reboot; /* end with MACHINE_REBOOT instead of starting again */
};

/* Defaults: 1 CPU, 512 MiB, rng and balloon, no disk, no card, every descriptor -1. */
void vm_config_init(struct vm_config *config);
void vm_disk_init(struct vm_disk *disk);
void vm_net_init(struct vm_net *net);

/* -EINVAL with a text that names the first value out of range. */
int vm_config_check(const struct vm_config *config, struct err *err);

#endif
