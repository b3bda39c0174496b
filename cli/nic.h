/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic: `patchbay nic list|bind|unbind`: done by this program alone, as root where it changes things.
 * $PATCHBAY_SYSFS names another place of sysfs than /sys.
 */
#ifndef CLI_NIC_H
#define CLI_NIC_H

#include "cli/command.h"

/* Return an exit code. */
int nic_list_verb(const struct command *command, struct err *err);
int nic_bind_verb(const struct command *command, struct err *err);
int nic_unbind_verb(const struct command *command, struct err *err);

#endif
