/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of mirrors.  A port that a mirror names need not be there: those of virtual machines come
 * and go.  What is there must suit.
 */
#include <errno.h>
#include <string.h>

#include "control/bond_members.h"
#include "control/model.h"
#include "datapath/datapath.h"

static const char *
bridge_of(const struct port_config *p)
{
	return p->bridge[0] ? p->bridge : "none";
}

/* As classify_carries() of datapath/classify.h has it. */
static bool
carries(const struct port_config *p, unsigned vlan)
{
	bool listed = vlan_set_is_empty(&p->trunks) || vlan_set_has(&p->trunks, vlan);

	switch (port_config_vlan_mode(p)) {
	case VLAN_TRUNK:
		return listed;
	case VLAN_ACCESS:
	case VLAN_DOT1Q_TUNNEL:
		return p->tag == (int)vlan;
	default:
		return p->tag == (int)vlan || listed;
	}
}

/* The bond that a port is a member of; NULL = of none. */
static const struct port_config *
bond_of(const struct model *model, const char *port)
{
	char names[BOND_MEMBERS_MAX][CONFIG_NAME_SIZE];

	for (unsigned i = 0; i < model->port_count; i++) {
		int count = bond_members_parse(model->ports[i].members, names, &(struct err){0});

		for (int n = 0; n < count; n++)
			if (strcmp(names[n], port) == 0)
				return &model->ports[i];
	}
	return NULL;
}

static int
check_output(const struct model *model, const struct mirror_config *m, struct err *err)
{
	const struct port_config *p = model_port(model, m->to);
	bool with_bridge = p && strcmp(p->bridge, m->bridge) == 0;

	if (name_list_has(&m->from, m->to))
		return err_set(err, -EINVAL,
			"mirror \"%s\": port \"%s\" cannot be watched and get the copies", m->name,
			m->to);
	if (!p)
		return 0;
	if (bond_of(model, m->to))
		return err_set(err, -EINVAL,
			"mirror \"%s\": port \"%s\" is a member of bond \"%s\": give the bond",
			m->name, m->to, bond_of(model, m->to)->name);
	if (!with_bridge && (p->bridge[0] || m->vlan >= 0))
		return err_set(err, -EINVAL,
			"mirror \"%s\": port \"%s\" is not a port of bridge \"%s\" but of %s",
			m->name, m->to, m->bridge, bridge_of(p));
	if (m->vlan >= 0 && !carries(p, (unsigned)m->vlan))
		return err_set(err, -EINVAL,
			"mirror \"%s\": port \"%s\" does not carry VLAN %d: see its vlan_mode, tag "
			"and trunks",
			m->name, m->to, m->vlan);
	return 0;
}

/* The first mirror that has the port for itself, other than m. */
static const struct mirror_config *
owner_of(const struct model *model, const struct mirror_config *m, const char *port)
{
	for (unsigned i = 0; i < model->mirror_count; i++) {
		const struct mirror_config *other = &model->mirrors[i];

		if (other != m && other->vlan < 0 && strcmp(other->to, port) == 0)
			return other;
	}
	return NULL;
}

static int
check_sources(const struct model *model, const struct mirror_config *m, struct err *err)
{
	for (unsigned i = 0; i < m->from.count; i++) {
		const char *name = m->from.names[i];
		const struct port_config *p = model_port(model, name);
		const struct mirror_config *owner = owner_of(model, m, name);

		if (p && strcmp(p->bridge, m->bridge) != 0)
			return err_set(err, -EINVAL,
				"mirror \"%s\": port \"%s\" is not a port of bridge \"%s\" but of %s",
				m->name, name, m->bridge, bridge_of(p));
		if (owner)
			return err_set(err, -EINVAL,
				"mirror \"%s\": port \"%s\" belongs to mirror \"%s\": it carries "
				"copies only",
				m->name, name, owner->name);
	}
	return 0;
}

/* What two mirrors may not have in common; m comes first. */
static int
check_pair(const struct mirror_config *m, const struct mirror_config *later, struct err *err)
{
	if (strcmp(m->name, later->name) == 0)
		return err_set(err, -EEXIST, "mirror \"%s\" exists already", m->name);
	if (strcmp(m->to, later->to) != 0 ||
		(m->vlan >= 0 && later->vlan >= 0 && m->vlan != later->vlan))
		return 0;
	if (m->vlan >= 0 && m->vlan == later->vlan)
		return err_set(err, -EEXIST,
			"mirror \"%s\": VLAN %d of port \"%s\" belongs to mirror \"%s\" already",
			later->name, m->vlan, m->to, m->name);
	return err_set(err, -EEXIST, "mirror \"%s\": port \"%s\" belongs to mirror \"%s\" already",
		later->name, m->to, m->name);
}

static int
check_mirror(const struct model *model, unsigned index, const char **key, struct err *err)
{
	const struct mirror_config *m = &model->mirrors[index];

	*key = NULL;
	if (schema_complete(&noun_mirror, m, err) < 0)
		return err_prefix(err, "mirror \"%s\"", m->name);
	*key = "bridge";
	if (!model_bridge(model, m->bridge))
		return err_set(err, -ENOENT, "mirror \"%s\": bridge \"%s\" does not exist", m->name,
			m->bridge);
	*key = "to";
	for (unsigned i = 0; i < index; i++)
		if (check_pair(&model->mirrors[i], m, err) < 0)
			return err->code;
	if (check_output(model, m, err) < 0)
		return err->code;
	*key = "vlans";
	if (m->vlan >= 0 && vlan_set_has(&m->vlans, (unsigned)m->vlan))
		return err_set(err, -EINVAL,
			"mirror \"%s\": VLAN %d is the copies' own and cannot be watched", m->name,
			m->vlan);
	*key = "from";
	return check_sources(model, m, err);
}

int
mirrors_check(const struct model *model, struct model_fault *fault, struct err *err)
{
	const char *key;

	for (unsigned i = 0; i < model->mirror_count; i++) {
		if (check_mirror(model, i, &key, err) == 0)
			continue;
		if (fault)
			*fault = (struct model_fault){&noun_mirror, i, key};
		return err->code;
	}
	return 0;
}
