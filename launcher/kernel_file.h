/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_file: looks at a kernel and its initrd before anything is started: are they whole, and do
 * they fit into the memory?  (Linux, Documentation/arch/x86/boot.rst, protocol 2.10 and later; ELF64.)
 */
#ifndef LAUNCHER_KERNEL_FILE_H
#define LAUNCHER_KERNEL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/definition.h"

/* The first bytes of a file that kernel_need() looks at. */
#define KERNEL_HEAD_SIZE 4096

/*
 * The memory that a kernel occupies from address 0 on while it starts, from the first bytes of its
 * file and the file's size.  -ENOEXEC: not a kernel; -ENODATA: truncated; -ENOTSUP: no 64-bit kernel
 * that can be moved, or too old.
 */
int kernel_need(const uint8_t *head, size_t size, uint64_t file_size, uint64_t *need);

/* Checks both files of a definition against its memory. */
int kernel_file_check(const struct vm_settings *vm, struct err *err);

#endif
