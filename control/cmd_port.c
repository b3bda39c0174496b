/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/bond.h"
#include "control/command.h"
#include "control/loop_guard.h"
#include "control/port_types.h"
#include "lib/parse.h"

static int
no_port(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "port \"%s\" does not exist: see `patchbay port show`", name);
}

static int
port_add(struct model *wanted, const json_t *params, struct err *err)
{
	struct port_config config;
	int rc;

	schema_defaults(&noun_port, &config);
	rc = schema_load(&noun_port, &config, params, false, err);
	if (rc == 0 && model_port(wanted, config.name))
		rc = err_set(err, -EEXIST, "port \"%s\" exists already", config.name);
	return rc < 0 ? rc : model_add_port(wanted, &config, err);
}

/* A port that moves to another bridge leaves its static addresses behind. */
static void
drop_addresses(struct model *wanted, const char *port)
{
	for (unsigned i = wanted->fdb_count; i-- > 0;) {
		if (strcmp(wanted->fdb[i].port, port) == 0)
			model_del_fdb(wanted, &wanted->fdb[i]);
	}
}

static int
port_set(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	struct port_config *config = model_port(wanted, name), old;
	int rc;

	if (!config)
		return no_port(name, err);
	old = *config;
	rc = schema_load(&noun_port, config, params, true, err);
	if (rc == 0 && strcmp(old.bridge, config->bridge) != 0)
		drop_addresses(wanted, config->name);
	return rc;
}

static int
port_del(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct port_config *config = model_port(wanted, name);

	if (!config)
		return no_port(name, err);
	if (config->owner[0] && !param_true(params, "force"))
		return err_set(err, -EBUSY,
			"port \"%s\" belongs to %s, which deletes it at its end: to delete it all the "
			"same, add --force",
			name, config->owner);
	model_del_port(wanted, config);
	return 0;
}

/* The modes and guards in force, whether or not they were given. */
static void
add_effective(json_t *row, const struct port_config *config)
{
	static const char *const storm_names[] = {
		"storm_broadcast", "storm_multicast", "storm_unknown"};
	static const char *const keys[] = {
		"vlan_mode", "profile", "ip_lock", "dhcp_guard", "ra_guard"};
	struct port_config effective = *config;
	struct port_settings settings;

	port_resolve(config, -1, &settings);
	effective.vlan_mode = (int)settings.vlan_mode;
	effective.profile = port_profile(config);
	effective.ip_lock = port_ip_lock(config);
	effective.dhcp_guard = settings.dhcp_guard ? GUARD_YES : GUARD_NO;
	effective.ra_guard = settings.ra_guard ? GUARD_YES : GUARD_NO;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_set_new(
			row, keys[i], schema_get(noun_key(&noun_port, keys[i]), &effective, true));
	json_object_set_new(row, "mac_limit", json_integer(settings.mac_limit));
	for (unsigned c = 0; c < STORM_CLASSES; c++)
		json_object_set_new(row, storm_names[c], json_integer(settings.storm_pps[c]));
	json_object_set_new(row, "mac_lock", json_boolean(settings.mac_lock));
}

static void
add_state(json_t *row, const struct live_port *p)
{
	struct port_state state = {0};
	char mac[MAC_TEXT_SIZE];

	p->type->status(p->port, &state);
	json_object_set_new(row, "link", json_string(state.up ? "up" : "down"));
	if (loop_guard_reason(p->port, state.reason, sizeof(state.reason)))
		json_object_set_new(row, "link", json_string("blocked"));
	if (p->withdrawn)
		snprintf(state.reason, sizeof(state.reason), "it follows an uplink that is down");
	if (bond_of_port(p->port))
		json_object_set_new(row, "bond_of", json_string(bond_of_port(p->port)));
	if (state.reason[0])
		json_object_set_new(row, "reason", json_string(state.reason));
	json_object_set_new(row, "queues_used", json_integer(state.up ? state.queues : 0));
	if (!mac_is_zero(&state.mac) && !json_object_get(row, "mac"))
		json_object_set_new(row, "mac", json_string(mac_format(&state.mac, mac)));
	if (state.mtu && !json_object_get(row, "mtu"))
		json_object_set_new(row, "mtu", json_integer(state.mtu));
	if (state.detail)
		json_object_set_new(row, state.title, state.detail);
}

static json_t *
port_row(struct state *state, const struct port_config *config)
{
	const struct live_port *p = live_port(state->live, config->name);
	json_t *row = schema_store(&noun_port, config, true, true), *workers = json_array(),
	       *leases;

	add_effective(row, config);
	add_state(row, p);
	for (unsigned q = 0; q < p->port->rx_queues; q++)
		json_array_append_new(workers, json_integer(datapath_queue_worker(p->port, q)));
	json_object_set_new(row, "workers", workers);
	leases = lease_show(p);
	if (leases)
		json_object_set_new(row, "leases", leases);
	return row;
}

static json_t *
port_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct model *m = &state->running;
	json_t *rows;

	if (name && !model_port(m, name)) {
		no_port(name, err);
		return NULL;
	}
	rows = json_array();
	for (unsigned i = 0; i < m->port_count; i++) {
		if (!name || strcmp(m->ports[i].name, name) == 0)
			json_array_append_new(rows, port_row(state, &m->ports[i]));
	}
	return command_rows(rows, err);
}

const struct command port_commands[] = {
	{"port.add", .edit = port_add},
	{"port.set", .edit = port_set},
	{"port.del", .edit = port_del},
	{"port.show", port_show},
	{NULL},
};
