/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qemu_arguments: a definition as a command line of QEMU (7.2 and later).
 */
#ifndef LAUNCHER_QEMU_ARGUMENTS_H
#define LAUNCHER_QEMU_ARGUMENTS_H

#include <stdbool.h>

#include "launcher/definition.h"

#define QEMU_PROGRAM    "qemu-system-x86_64"
#define QEMU_FD_CONSOLE 3
#define QEMU_FD_QMP     4

/* Words, terminated by NULL, for qemu_arguments_free(); NULL when memory is short. */
char **qemu_arguments(const struct vm_definition *def, bool kvm);
void qemu_arguments_free(char **words);

#endif
