/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Static addresses are configuration and take the way of all changes; learnt ones are looked at,
 * deleted and flushed in the tables themselves.
 */
#include <errno.h>
#include <string.h>

#include "control/command.h"
#include "lib/parse.h"

#define ROWS_DEFAULT 10000
#define ROWS_MAX     100000 /* more would keep others waiting and not fit an answer */

static int
fdb_add(struct model *wanted, const json_t *params, struct err *err)
{
	struct fdb_config config;
	const struct fdb_config *old;
	char mac[MAC_TEXT_SIZE];
	int rc;

	schema_defaults(&noun_fdb, &config);
	rc = schema_load(&noun_fdb, &config, params, false, err);
	if (rc < 0)
		return rc;
	old = model_fdb(wanted, config.bridge, &config.mac, config.vlan);
	if (old)
		return err_set(err, -EEXIST,
			"address %s vlan %u of bridge \"%s\" is static already (port \"%s\"): delete it first",
			mac_format(&config.mac, mac), config.vlan, config.bridge, old->port);
	return model_add_fdb(wanted, &config, err);
}

static const struct live_bridge *
find_bridge(struct state *state, const char *name, struct err *err)
{
	const struct live_bridge *b = live_bridge(state->live, name);

	if (!b)
		err_set(err, -ENOENT, "bridge \"%s\" does not exist: see `patchbay bridge show`",
			name);
	return b;
}

/* Static or learnt: whichever stands there. */
static json_t *
fdb_del_command(struct state *state, const json_t *params, struct err *err)
{
	const struct live_bridge *b = find_bridge(state, param_text(params, "bridge"), err);
	const struct fdb_config *found;
	struct fdb_config key;
	struct model wanted;
	char mac[MAC_TEXT_SIZE];
	int rc;

	schema_defaults(&noun_fdb, &key);
	if (!b || schema_load(&noun_fdb, &key, params, false, err) < 0)
		return NULL;
	if (!model_fdb(&state->running, key.bridge, &key.mac, key.vlan)) {
		rc = fdb_del(datapath_bridge_fdb(b->bridge), fdb_make_key(key.mac.b, key.vlan));
		if (rc < 0)
			err_set(err, rc,
				"bridge \"%s\" does not know address %s vlan %u: see `patchbay fdb "
				"show %s`",
				key.bridge, mac_format(&key.mac, mac), key.vlan, key.bridge);
		return command_done(rc, err);
	}
	if (model_copy(&wanted, &state->running) < 0)
		return command_no_memory(err);
	found = model_fdb(&wanted, key.bridge, &key.mac, key.vlan);
	model_del_fdb(&wanted, found);
	rc = state_change(state, &wanted, false, NULL, err);
	model_free(&wanted);
	return command_done(rc, err);
}

/* ---- which entries ---- */

struct selection {
	const struct live_bridge *bridge; /* NULL = all */
	int port, vlan;                   /* -1 = any */
	bool by_mac;
	struct mac mac;
};

static int
select_entries(
	struct state *state, const json_t *params, struct selection *selection, struct err *err)
{
	const char *bridge = param_text(params, "bridge"), *port = param_text(params, "port");
	const char *mac = param_text(params, "mac");
	const struct live_port *p;

	memset(selection, 0, sizeof(*selection));
	selection->port = -1;
	selection->vlan = (int)param_number(params, "vlan", -1);
	if (bridge) {
		selection->bridge = find_bridge(state, bridge, err);
		if (!selection->bridge)
			return -ENOENT;
	}
	if (port) {
		p = live_port(state->live, port);
		if (!p)
			return err_set(err, -ENOENT,
				"port \"%s\" does not exist: see `patchbay port show`", port);
		selection->port = p->port->index;
	}
	if (mac)
		selection->by_mac = parse_mac(mac, &selection->mac) == 0;
	return 0;
}

static bool
selects_bridge(const struct selection *selection, const struct live_bridge *b)
{
	return b->name[0] && (!selection->bridge || selection->bridge == b);
}

/* ---- show ---- */

struct listing {
	const struct selection *selection;
	struct live *live;
	const char *bridge;
	json_t *rows;
	json_int_t room;
	bool truncated;
};

static bool
list_entry(const struct fdb_record *record, void *arg)
{
	struct listing *l = arg;
	const struct selection *s = l->selection;
	char mac[MAC_TEXT_SIZE];
	json_t *row;

	if ((s->port >= 0 && s->port != record->port) ||
		(s->vlan >= 0 && s->vlan != record->vlan) ||
		(s->by_mac && memcmp(&s->mac, &record->mac, sizeof(s->mac)) != 0))
		return true;
	if (l->room-- <= 0) {
		l->truncated = true;
		return false;
	}
	row = json_pack("{s:s, s:i, s:s, s:s, s:s}", "bridge", l->bridge, "vlan", (int)record->vlan,
		"mac", mac_format(&record->mac, mac), "port",
		record->port < PORT_MAX ? l->live->ports[record->port].name : "", "type",
		record->is_static ? "static" : "learnt");
	if (!record->is_static)
		json_object_set_new(row, "age", json_integer(record->age_s));
	return json_array_append_new(l->rows, row) == 0;
}

static json_t *
fdb_show(struct state *state, const json_t *params, struct err *err)
{
	struct selection selection;
	struct listing listing = {
		.selection = &selection,
		.live = state->live,
		.room = param_number(params, "limit", ROWS_DEFAULT),
	};
	json_t *result;

	if (listing.room > ROWS_MAX)
		listing.room = ROWS_MAX;
	if (select_entries(state, params, &selection, err) < 0)
		return NULL;
	listing.rows = json_array();
	for (unsigned i = 0; i < BRIDGE_MAX && !listing.truncated; i++) {
		const struct live_bridge *b = &state->live->bridges[i];

		if (!selects_bridge(&selection, b))
			continue;
		listing.bridge = b->name;
		fdb_walk(datapath_bridge_fdb(b->bridge), datapath_now_s(), list_entry, &listing);
	}
	result = command_rows(listing.rows, err);
	if (listing.truncated)
		json_object_set_new(result, "truncated", json_true());
	return result;
}

/* ---- flush ---- */

static unsigned
flush_tables(struct state *state, const struct selection *selection)
{
	struct fdb_filter filter = {.port = selection->port,
		.vlan = selection->vlan,
		.mac = selection->by_mac ? fdb_make_key(selection->mac.b, 0) : 0};
	unsigned flushed = 0;

	for (unsigned i = 0; i < BRIDGE_MAX; i++) {
		const struct live_bridge *b = &state->live->bridges[i];

		if (selects_bridge(selection, b))
			flushed += fdb_flush(datapath_bridge_fdb(b->bridge), &filter);
	}
	return flushed;
}

/* The static ones are configuration: they go the way of all changes. */
static int
flush_statics(
	struct state *state, const struct selection *selection, unsigned *flushed, struct err *err)
{
	const char *port = selection->port >= 0 ? state->live->ports[selection->port].name : NULL;
	struct model wanted;
	unsigned before, kept = 0;
	int rc;

	if (model_copy(&wanted, &state->running) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	before = wanted.fdb_count;
	for (unsigned i = 0; i < before; i++) {
		const struct fdb_config *f = &wanted.fdb[i];

		if ((selection->bridge && strcmp(f->bridge, selection->bridge->name) != 0) ||
			(port && strcmp(f->port, port) != 0) ||
			(selection->vlan >= 0 && f->vlan != (uint32_t)selection->vlan) ||
			(selection->by_mac &&
				memcmp(&selection->mac, &f->mac, sizeof(f->mac)) != 0))
			wanted.fdb[kept++] = *f;
	}
	wanted.fdb_count = kept;
	rc = state_change(state, &wanted, false, NULL, err);
	if (rc == 0)
		*flushed += before - kept;
	model_free(&wanted);
	return rc;
}

static json_t *
fdb_flush_command(struct state *state, const json_t *params, struct err *err)
{
	struct selection selection;
	unsigned flushed = 0;

	if (select_entries(state, params, &selection, err) < 0)
		return NULL;
	if (param_true(params, "static") && flush_statics(state, &selection, &flushed, err) < 0)
		return NULL;
	flushed += flush_tables(state, &selection);
	return json_pack("{s:I}", "flushed", (json_int_t)flushed);
}

const struct command fdb_commands[] = {
	{"fdb.add", .edit = fdb_add},
	{"fdb.del", fdb_del_command},
	{"fdb.show", fdb_show},
	{"fdb.flush", fdb_flush_command},
	{NULL},
};
