/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot: puts a kernel into a guest's memory and says how the first processor begins.
 *
 * Formats: bzImage by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst, protocol 2.12
 * or later); ELF with a PVH note (Xen docs/misc/pvh.pandoc), entered in 32-bit mode; any other 64-bit
 * ELF as the 64-bit boot protocol has it.
 *
 * Threads: the main thread.
 */
#ifndef LAUNCHER_BOOT_H
#define LAUNCHER_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/ram.h"
#include "lib/err.h"

/* Sources; the names are for error texts, descriptors are read from the beginning. */
struct boot_files {
	const char *kernel, *initrd, *cmdline;
	int kernel_fd, initrd_fd; /* initrd_fd -1 = none */
};

struct boot_entry {
	bool long_mode;
	uint64_t rip, rsi, rbx;
};

/*
 * Needs memory that reads as zero.  -EINVAL (not a kernel, not for this machine, truncated),
 * -EFBIG (does not fit into the memory), -EIO..., with a text.
 */
int boot_load(
	struct ram *ram, const struct boot_files *files, struct boot_entry *entry, struct err *err);

#endif
