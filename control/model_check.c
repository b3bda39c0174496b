/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model_check: the rules between objects.  Each value that must be unique is a claim; claims are
 * sorted, so that the cost stays n log n for thousands of objects.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bond_members.h"
#include "control/model.h"
#include "control/rtnl.h"
#include "datapath/datapath.h"
#include "lib/nic.h"
#include "lib/parse.h"

struct check {
	const struct model *model;
	struct model_fault *fault;
	struct err *err; /* never NULL */
};

/* A value only one object may have. */
struct claim {
	const char *kind;  /* values of different kinds have nothing to do with each other */
	const char *key;   /* that gives the value */
	const char *value; /* in the model, or text */
	char text[CONFIG_NAME_SIZE + IP_TEXT_SIZE + 16];
	unsigned index; /* of the object that claims it */
};

static int
fault_at(const struct check *check, const struct noun *noun, unsigned index, const char *key)
{
	if (check->fault)
		*check->fault = (struct model_fault){noun, index, key};
	return check->err->code;
}

static int
compare_claims(const void *a, const void *b)
{
	const struct claim *x = *(const struct claim *const *)a;
	const struct claim *y = *(const struct claim *const *)b;
	int order = strcmp(x->kind, y->kind);

	if (order == 0)
		order = strcmp(x->value, y->value);
	return order ? order : (int)x->index - (int)y->index;
}

/* The pair of claims on one value whose second comes first in the model; false = no conflict. */
static bool
find_conflict(const struct claim *claims, unsigned count, const struct claim **sorted,
	const struct claim **owner, const struct claim **second)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++)
		sorted[i] = &claims[i];
	qsort(sorted, count, sizeof(*sorted), compare_claims);
	for (unsigned i = 1; i < count; i++) {
		if (strcmp(sorted[i - 1]->kind, sorted[i]->kind) != 0 ||
			strcmp(sorted[i - 1]->value, sorted[i]->value) != 0)
			continue;
		if (found && (*second)->index < sorted[i]->index)
			continue;
		*owner = sorted[i - 1];
		*second = sorted[i];
		found = true;
	}
	return found;
}

static void
claim_add(struct claim *claims, unsigned *count, const char *key, const char *value, unsigned index)
{
	struct claim *c;

	if (!value[0])
		return;
	c = &claims[(*count)++];
	c->kind = c->key = key;
	c->value = value;
	c->index = index;
}

/* A value that only one port of the bridge may have. */
static void
claim_on_bridge(struct claim *claims, unsigned *count, const char *kind, const char *key,
	const char *value, const struct port_config *port, unsigned index)
{
	struct claim *c = &claims[*count];

	snprintf(c->text, sizeof(c->text), "%s on bridge %s", value, port->bridge);
	claim_add(claims, count, key, c->text, index);
	c->kind = kind;
}

/* Only within one bridge are two owners of an address a contradiction. */
static void
claim_addresses(struct claim *claims, unsigned *count, const struct port_config *p, unsigned index)
{
	char text[IP_TEXT_SIZE];

	if (!mac_is_zero(&p->mac))
		claim_on_bridge(claims, count, "mac", "mac", mac_format(&p->mac, text), p, index);
	for (unsigned i = 0; i < p->macs.count; i++)
		claim_on_bridge(
			claims, count, "mac", "macs", mac_format(&p->macs.macs[i], text), p, index);
	/* A network may be given to several ports: what each has in it is another matter. */
	for (unsigned i = 0; i < p->ips.count; i++)
		if (ip_is_address(&p->ips.prefixes[i]))
			claim_on_bridge(claims, count, "IP address", "ips",
				ip_prefix_format(&p->ips.prefixes[i], text), p, index);
}

/* A port is a member of one bond.  Names that are none are found by bond_check(). */
static void
claim_members(struct claim *claims, unsigned *count, const struct port_config *p, unsigned index)
{
	char names[BOND_MEMBERS_MAX][CONFIG_NAME_SIZE];
	int members = bond_members_parse(p->members, names, &(struct err){0});

	for (int i = 0; i < members; i++) {
		memcpy(claims[*count].text, names[i], CONFIG_NAME_SIZE);
		claim_add(claims, count, "members", claims[*count].text, index);
		claims[*count - 1].kind = "member";
	}
}

static unsigned
claim_ports(const struct model *model, struct claim *claims)
{
	unsigned count = 0;

	for (unsigned i = 0; i < model->port_count; i++) {
		const struct port_config *p = &model->ports[i];

		claim_add(claims, &count, "name", p->name, i);
		claim_add(claims, &count, "path", p->path, i);
		/* Every namespace has names of its own. */
		if (p->netns[0]) {
			snprintf(claims[count].text, sizeof(claims[count].text),
				"%s in namespace %s", p->dev, p->netns);
			claim_add(claims, &count, "dev", claims[count].text, i);
		} else {
			claim_add(claims, &count, "dev", p->dev, i);
		}
		claim_members(claims, &count, p, i);
		claim_add(claims, &count, "pci", p->pci, i);
		claim_add(claims, &count, "file", p->file, i);
		claim_add(claims, &count, "write", p->write, i);
		if (p->bridge[0])
			claim_addresses(claims, &count, p, i);
	}
	return count;
}

/* How many claims there may be: name, path, dev, pci, file, write, mac, and the lists. */
static unsigned
claims_most(const struct model *model)
{
	unsigned most = 0;

	for (unsigned i = 0; i < model->port_count; i++)
		most += 7 + BOND_MEMBERS_MAX + model->ports[i].macs.count +
			model->ports[i].ips.count;
	return most;
}

/* Says what is wrong with the second of two claims; returns the code. */
static int
refuse_claim(const struct check *check, const struct claim *owner, const struct claim *second)
{
	const struct port_config *ports = check->model->ports;
	const char *name = ports[second->index].name;

	if (strcmp(second->kind, "name") == 0)
		err_set(check->err, -EEXIST, "port \"%s\" exists already", name);
	else if (owner->index == second->index)
		err_set(check->err, -EEXIST, "port \"%s\": %s %.200s is given twice", name,
			second->kind, second->value);
	else
		err_set(check->err, -EEXIST,
			"port \"%s\": %s %.200s belongs to port \"%s\" already", name, second->kind,
			second->value, ports[owner->index].name);
	return fault_at(check, &noun_port, second->index, second->key);
}

static int
check_ports_unique(const struct check *check)
{
	unsigned most = claims_most(check->model);
	struct claim *claims = calloc(most ? most : 1, sizeof(*claims));
	const struct claim **sorted = calloc(most ? most : 1, sizeof(*sorted)), *owner = NULL,
			   *second = NULL;
	int rc = 0;

	if (!claims || !sorted)
		rc = err_set(check->err, -ENOMEM, "out of memory");
	else if (find_conflict(claims, claim_ports(check->model, claims), sorted, &owner, &second))
		rc = refuse_claim(check, owner, second);
	free(claims);
	free(sorted);
	return rc;
}

static int
check_bridges(const struct check *check)
{
	const struct model *m = check->model;

	for (unsigned i = 0; i < m->bridge_count; i++) {
		const struct bridge_config *b = &m->bridges[i];

		if (schema_complete(&noun_bridge, b, check->err) < 0)
			return fault_at(check, &noun_bridge, i, NULL);
		/* The first of that name is another one. */
		if (model_bridge(m, b->name) != b) {
			err_set(check->err, -EEXIST, "bridge \"%s\" exists already", b->name);
			return fault_at(check, &noun_bridge, i, "name");
		}
	}
	return 0;
}

/* What is of use with a rate only. */
static int
check_port_rates(const struct port_config *p, const char **key, struct err *err)
{
	if (!p->in_rate && p->in_burst) {
		*key = "in_burst";
		return err_set(
			err, -EINVAL, "port \"%s\": in_burst is of use with in_rate only", p->name);
	}
	if (!p->out_rate && p->out_burst) {
		*key = "out_burst";
		return err_set(err, -EINVAL, "port \"%s\": out_burst is of use with out_rate only",
			p->name);
	}
	if (vlan_set_has(&p->vlans, 0)) {
		*key = "vlans";
		return err_set(err, -EINVAL,
			"port \"%s\": vlans=0 would take every untagged frame from the host: give 1..4094",
			p->name);
	}
	if (!p->out_rate && !p->out_rate_pps && p->out_queue) {
		*key = "out_queue";
		return err_set(err, -EINVAL,
			"port \"%s\": out_queue is of use with out_rate or out_rate_pps only",
			p->name);
	}
	return 0;
}

/* Keys of one port that must suit each other. */
static int
check_port_keys(const struct port_config *p, const char **key, struct err *err)
{
	struct rtnl_address addresses[RTNL_ADDRESSES_MAX];
	int mode = port_config_vlan_mode(p);
	unsigned count;

	if (schema_complete(&noun_port, p, err) < 0) {
		*key = NULL;
		return err_prefix(err, "port \"%s\"", p->name);
	}
	if (p->pci[0] && !nic_address_is_valid(p->pci)) {
		*key = "pci";
		return err_set(err, -EINVAL,
			"port \"%s\": pci=%s is not a PCI address: give one like 0000:03:00.0, see "
			"`patchbay nic list`",
			p->name, p->pci);
	}
	if (rtnl_addresses_parse(p->address, addresses, &count, err) < 0) {
		*key = "address";
		return err_prefix(err, "port \"%s\"", p->name);
	}
	if (p->type == PORT_TYPE_PCAP && !p->file[0] && !p->write[0]) {
		*key = "file";
		return err_set(err, -EINVAL,
			"port \"%s\": give file=FILE to read, write=FILE to write, or both",
			p->name);
	}
	if ((mode == VLAN_ACCESS || mode == VLAN_DOT1Q_TUNNEL) && p->tag < 0) {
		*key = "vlan_mode";
		return err_set(err, -EINVAL,
			"port \"%s\": vlan_mode=%s needs a VLAN: give tag=1..4094", p->name,
			mode == VLAN_ACCESS ? "access" : "dot1q-tunnel");
	}
	if (p->ip_lock == IP_LOCK_LIST && !p->ips.count) {
		*key = "ip_lock";
		return err_set(err, -EINVAL,
			"port \"%s\": ip_lock=list needs addresses: give ips=10.0.0.5,...",
			p->name);
	}
	if (p->ip_lock == IP_LOCK_DHCP && mac_is_zero(&p->mac) && !p->macs.count) {
		*key = "ip_lock";
		return err_set(err, -EINVAL,
			"port \"%s\": ip_lock=dhcp needs to know whom a lease is for: give mac=...",
			p->name);
	}
	if (mode != VLAN_DOT1Q_TUNNEL && !vlan_set_is_empty(&p->cvlans)) {
		*key = "cvlans";
		return err_set(err, -EINVAL,
			"port \"%s\": cvlans is for ports with vlan_mode=dot1q-tunnel only",
			p->name);
	}
	return check_port_rates(p, key, err);
}

static bool
follows_uplink(const struct model *m, const struct port_config *p)
{
	for (unsigned i = 0; i < m->port_count; i++)
		if (strcmp(m->ports[i].name, p->link_follow) == 0)
			return m->ports[i].type != PORT_TYPE_VHOST_USER;
	return false;
}

static int
check_ports(const struct check *check)
{
	const struct model *m = check->model;

	for (unsigned i = 0; i < m->port_count; i++) {
		const struct port_config *p = &m->ports[i];
		const char *key;

		if (check_port_keys(p, &key, check->err) < 0 ||
			bond_check(m, p, &key, check->err) < 0)
			return fault_at(check, &noun_port, i, key);
		if (p->bridge[0] && !model_bridge(m, p->bridge)) {
			err_set(check->err, -ENOENT,
				"port \"%s\": bridge \"%s\" does not exist: add it with `patchbay bridge add %s`",
				p->name, p->bridge, p->bridge);
			return fault_at(check, &noun_port, i, "bridge");
		}
		if (p->link_follow[0] && !follows_uplink(m, p)) {
			err_set(check->err, -ENOENT,
				"port \"%s\": link_follow=%s is not another port that could be an uplink: "
				"see `patchbay port show`",
				p->name, p->link_follow);
			return fault_at(check, &noun_port, i, "link_follow");
		}
	}
	return check_ports_unique(check);
}

static int
compare_fdb(const void *a, const void *b)
{
	const struct fdb_config *x = *(const struct fdb_config *const *)a;
	const struct fdb_config *y = *(const struct fdb_config *const *)b;
	int order = strcmp(x->bridge, y->bridge);

	if (order == 0)
		order = memcmp(&x->mac, &y->mac, sizeof(x->mac));
	if (order == 0)
		order = (int)x->vlan - (int)y->vlan;
	return order;
}

static int
check_fdb_unique(const struct check *check)
{
	const struct model *m = check->model;
	const struct fdb_config **sorted = calloc(m->fdb_count ? m->fdb_count : 1, sizeof(*sorted));
	char mac[MAC_TEXT_SIZE];
	unsigned in_bridge = 0;
	int rc = 0;

	if (!sorted)
		return err_set(check->err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < m->fdb_count; i++)
		sorted[i] = &m->fdb[i];
	qsort(sorted, m->fdb_count, sizeof(*sorted), compare_fdb);
	for (unsigned i = 0; i < m->fdb_count && rc == 0; i++) {
		const struct fdb_config *f = sorted[i];

		in_bridge = i && strcmp(sorted[i - 1]->bridge, f->bridge) == 0 ? in_bridge + 1 : 1;
		if (i && compare_fdb(&sorted[i - 1], &f) == 0)
			rc = err_set(check->err, -EEXIST,
				"address %s vlan %u of bridge \"%s\" is given already (port \"%s\")",
				mac_format(&f->mac, mac), f->vlan, f->bridge, sorted[i - 1]->port);
		else if (in_bridge > model_bridge(m, f->bridge)->capacity)
			rc = err_set(check->err, -ENOSPC,
				"bridge \"%s\" has more static addresses than its capacity of %u: raise it with "
				"`patchbay bridge set %s capacity=...`",
				f->bridge, model_bridge(m, f->bridge)->capacity, f->bridge);
		if (rc < 0)
			fault_at(check, &noun_fdb, (unsigned)(f - m->fdb), NULL);
	}
	free(sorted);
	return rc;
}

static int
check_fdb(const struct check *check)
{
	const struct model *m = check->model;
	const struct port_config *p = NULL;
	char mac[MAC_TEXT_SIZE];

	for (unsigned i = 0; i < m->fdb_count; i++) {
		const struct fdb_config *f = &m->fdb[i];

		/* Entries of one port mostly stand together. */
		if (!p || strcmp(p->name, f->port) != 0)
			p = model_port(m, f->port);
		if (schema_complete(&noun_fdb, f, check->err) < 0)
			return fault_at(check, &noun_fdb, i, NULL);
		mac_format(&f->mac, mac);
		if (!model_bridge(m, f->bridge)) {
			err_set(check->err, -ENOENT, "address %s: bridge \"%s\" does not exist",
				mac, f->bridge);
			return fault_at(check, &noun_fdb, i, "bridge");
		}
		if (!p) {
			err_set(check->err, -ENOENT, "address %s: port \"%s\" does not exist", mac,
				f->port);
			return fault_at(check, &noun_fdb, i, "port");
		}
		if (strcmp(p->bridge, f->bridge) != 0) {
			err_set(check->err, -EINVAL,
				"address %s: port \"%s\" is not a port of bridge \"%s\" but of %s%s%s",
				mac, f->port, f->bridge, p->bridge[0] ? "\"" : "",
				p->bridge[0] ? p->bridge : "none", p->bridge[0] ? "\"" : "");
			return fault_at(check, &noun_fdb, i, "port");
		}
	}
	return check_fdb_unique(check);
}

int
model_check(const struct model *model, struct model_fault *fault, struct err *err)
{
	struct err local = {0};
	struct check check = {model, fault, err ? err : &local};
	int rc;

	if (fault)
		memset(fault, 0, sizeof(*fault));
	check.err->code = 0;
	rc = check_bridges(&check);
	if (rc == 0)
		rc = check_ports(&check);
	if (rc == 0)
		rc = check_fdb(&check);
	if (rc == 0)
		rc = filters_check(model, fault, check.err);
	if (rc == 0)
		rc = mirrors_check(model, fault, check.err);
	return rc;
}
