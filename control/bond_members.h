/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bond_members: the names in a bond's `members`, and what they may be.
 *
 * Threads: any.
 */
#ifndef CONTROL_BOND_MEMBERS_H
#define CONTROL_BOND_MEMBERS_H

#include "control/model.h"
#include "datapath/bond.h"
#include "lib/err.h"

#define BOND_MEMBERS_MIN 2

/* How many there are; "" has none.  -EINVAL: what stands there is no list of that many names. */
int bond_members_parse(
	const char *text, char names[BOND_MEMBERS_MAX][CONFIG_NAME_SIZE], struct err *err);

/* Part of model_check(): keys and members of a port that is a bond; *key is the one that is wrong. */
int bond_check(const struct model *model, const struct port_config *bond, const char **key,
	struct err *err);

#endif
