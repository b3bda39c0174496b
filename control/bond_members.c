/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/bond_members.h"

int
bond_members_parse(
	const char *text, char names[BOND_MEMBERS_MAX][CONFIG_NAME_SIZE], struct err *err)
{
	unsigned count = 0;

	while (*text) {
		size_t len = strcspn(text, ",");

		if (count == BOND_MEMBERS_MAX)
			return err_set(err, -EINVAL, "members: more than %u", BOND_MEMBERS_MAX);
		if (!len || len >= CONFIG_NAME_SIZE)
			return err_set(err, -EINVAL,
				"members: give names of ports with commas between, like eth1,eth2");
		memcpy(names[count], text, len);
		names[count++][len] = '\0';
		text += len + (text[len] == ',');
	}
	if (count && count < BOND_MEMBERS_MIN)
		return err_set(err, -EINVAL, "members: a bond has at least %u", BOND_MEMBERS_MIN);
	return (int)count;
}

int
bond_check(const struct model *m, const struct port_config *bond, const char **key, struct err *err)
{
	char names[BOND_MEMBERS_MAX][CONFIG_NAME_SIZE];
	int count;

	if (bond->type != PORT_TYPE_BOND)
		return 0;
	count = bond_members_parse(bond->members, names, err);
	*key = "members";
	if (count < 0)
		return err_prefix(err, "port \"%s\"", bond->name);
	for (int i = 0; i < count; i++) {
		const struct port_config *p = model_port(m, names[i]);

		if (!p)
			return err_set(err, -ENOENT,
				"port \"%s\": member \"%s\" does not exist: add that port first, "
				"without a bridge",
				bond->name, names[i]);
		if (p->type == PORT_TYPE_VHOST_USER || p->type == PORT_TYPE_BOND)
			return err_set(err, -EINVAL,
				"port \"%s\": a %s port cannot be a member of a bond", bond->name,
				p->type == PORT_TYPE_BOND ? "bond" : "vhost-user");
		if (p->bridge[0])
			return err_set(err, -EINVAL,
				"port \"%s\" is a member of \"%s\" and cannot be on bridge \"%s\" "
				"itself: `patchbay port set %s bridge=`",
				p->name, bond->name, p->bridge, p->name);
	}
	if (bond->out_queue) {
		*key = "out_queue";
		return err_set(err, -EINVAL,
			"port \"%s\": out_queue is not for bonds: set it on the members",
			bond->name);
	}
	if (bond->lacp != LACP_MODE_OFF && bond->bond_mode != BOND_MODE_BALANCE_TCP) {
		*key = "lacp";
		return err_set(err, -EINVAL,
			"port \"%s\": lacp is of use with bond_mode=balance-tcp only", bond->name);
	}
	return 0;
}
