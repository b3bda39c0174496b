/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel images: any bytes as the kernel's file, with the file's size as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launcher/boot.h"

#define MEMORY (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ram ram = {.fd = -1};
	const struct ram_options options = {.size = MEMORY};
	struct boot_files files = {
		.kernel = "kernel", .initrd = "", .cmdline = "quiet", .initrd_fd = -1};
	struct boot_entry entry;
	struct err err;

	if (!ram.host && ram_create(&ram, &options, &err))
		abort();
	files.kernel_fd = memfd_create("kernel", 0);
	if (files.kernel_fd < 0 || write(files.kernel_fd, data, size) != (ssize_t)size)
		abort();
	if (!boot_load(&ram, &files, &entry, &err) && !ram_at(&ram, entry.rip, 1))
		abort(); /* it would begin where there is no memory */
	close(files.kernel_fd);
	return 0;
}
