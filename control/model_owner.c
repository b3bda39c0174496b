/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that belong to somebody else than the configuration file: a virtual machine that runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/model.h"

int
model_copy_unowned(struct model *to, const struct model *from)
{
	if (model_copy(to, from))
		return -ENOMEM;
	for (unsigned i = to->port_count; i-- > 0;)
		if (to->ports[i].owner[0])
			model_del_port(to, &to->ports[i]);
	return 0;
}

/* A set that a rule of the port asks, if the file does not have it. */
static int
keep_set(struct model *wanted, const struct model *running, const char *name, struct err *err)
{
	const struct set_config *set = model_first_set(running, name);
	unsigned count = model_group_set(set);
	struct ip_prefix *addresses;
	int rc;

	if (!set || model_first_set(wanted, name))
		return 0;
	addresses = calloc(count, sizeof(*addresses));
	if (!addresses)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 1; i < count; i++) /* the first row is the set itself */
		addresses[i - 1] = set[i].address;
	rc = model_add_set(wanted, name, addresses, count - 1, err);
	free(addresses);
	return rc;
}

static int
keep_filters(struct model *wanted, const struct model *running, const char *port, struct err *err)
{
	const struct filter_config *group = model_first_filter(running, port);
	unsigned count = model_group_filters(group);
	int rc = model_put_filters(wanted, port, group, err);

	for (unsigned i = 0; i < count && rc == 0; i++) {
		if (group[i].src_set[0])
			rc = keep_set(wanted, running, group[i].src_set, err);
		if (rc == 0 && group[i].dst_set[0])
			rc = keep_set(wanted, running, group[i].dst_set, err);
	}
	return rc;
}

/* The port with its static addresses and rules. */
static int
keep_port(struct model *wanted, const struct model *running, const struct port_config *port,
	struct err *err)
{
	const struct port_config *other = model_port(wanted, port->name);
	int rc;

	if (other && strcmp(other->owner, port->owner) != 0)
		return err_set(err, -EEXIST,
			"port \"%s\" belongs to %s: give the port of the file another name, or end "
			"its owner first",
			port->name, port->owner);
	if (other)
		model_del_port(wanted, other);
	if (port->bridge[0] && !model_bridge(wanted, port->bridge))
		return err_set(err, -EBUSY,
			"bridge \"%s\" has port \"%s\", which belongs to %s: keep the bridge, or end "
			"the owner first",
			port->bridge, port->name, port->owner);
	rc = model_add_port(wanted, port, err);
	for (unsigned i = 0; i < running->fdb_count && rc == 0; i++)
		if (strcmp(running->fdb[i].port, port->name) == 0)
			rc = model_add_fdb(wanted, &running->fdb[i], err);
	return rc ? rc : keep_filters(wanted, running, port->name, err);
}

int
model_keep_owned(struct model *wanted, const struct model *running, struct err *err)
{
	for (unsigned i = 0; i < running->port_count; i++) {
		int rc = running->ports[i].owner[0]
				 ? keep_port(wanted, running, &running->ports[i], err)
				 : 0;

		if (rc)
			return rc;
	}
	return 0;
}
