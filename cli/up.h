/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * up: one file with a network and its virtual machines: `patchbay up` and `patchbay down`.
 *
 *	bridges:
 *	  br0:
 *	ports:
 *	  ...		and fdb, as in the configuration file of patchbayd
 *	vms:
 *	  vm1:
 *	    kernel: vmlinuz
 *	    net: bridge=br0
 *
 * What is there already stays as it is; what was added is written down in RUNTIME/up/, so that `down`
 * takes away just that.
 */
#ifndef CLI_UP_H
#define CLI_UP_H

#include "cli/command.h"

/* Both return the exit code, and fill err when that is not EXIT_OK. */
int up_run_verb(const struct command *command, struct err *err);
int down_run_verb(const struct command *command, struct err *err);

#endif
