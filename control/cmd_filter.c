/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/command.h"
#include "control/live_filter.h"
#include "lib/clock.h"

static int
filter_add(struct model *wanted, const json_t *params, struct err *err)
{
	struct filter_config config;
	int rc;

	schema_defaults(&noun_filter, &config);
	rc = schema_load(&noun_filter, &config, params, false, err);
	if (rc == 0)
		rc = filter_config_check(&config, err);
	return rc < 0 ? rc : model_add_filter(wanted, &config, err);
}

static struct filter_config *
find(const struct model *model, const json_t *params, struct err *err)
{
	struct filter_config key, *found;

	schema_defaults(&noun_filter, &key);
	for (unsigned i = 0; i < 3; i++) {
		const struct key *k = &noun_filter.keys[i];

		if (schema_set(k, &key, json_object_get(params, k->name), err) < 0)
			return NULL;
	}
	found = model_filter(model, key.port, key.direction, key.priority);
	if (!found)
		err_set(err, -ENOENT,
			"filter of port \"%s\" %s has no rule %u: see `patchbay filter show %s`",
			key.port, key.direction == FILTER_IN ? "in" : "out", key.priority,
			key.port);
	return found;
}

static int
filter_set(struct model *wanted, const json_t *params, struct err *err)
{
	struct filter_config *config = find(wanted, params, err);
	int rc = config ? schema_load(&noun_filter, config, params, true, err) : -ENOENT;

	return rc < 0 ? rc : filter_config_check(config, err);
}

static int
filter_del(struct model *wanted, const json_t *params, struct err *err)
{
	const struct filter_config *config = find(wanted, params, err);

	if (!config)
		return -ENOENT;
	model_del_filter(wanted, config);
	return 0;
}

/* ---- show ---- */

static int
append_row(json_t *rows, json_t *row, const struct filter *filter, unsigned rule)
{
	struct filter_count count = {0};

	if (filter)
		filter_counters(filter, rule, &count);
	json_object_set_new(row, "packets", json_integer((json_int_t)count.packets));
	json_object_set_new(row, "bytes", json_integer((json_int_t)count.bytes));
	return json_array_append_new(rows, row);
}

static void
show_direction(struct state *state, json_t *rows, const struct port_config *port, int direction)
{
	const struct filter_config *rule = model_first_filter(&state->running, port->name);
	const struct filter *filter =
		live_filter(state->live, port->name, (enum filter_direction)direction);
	int action = direction == FILTER_IN ? port->filter_in : port->filter_out;
	unsigned n = 0, count = model_group_filters(rule);
	char text[16];

	for (unsigned i = 0; i < count; i++) {
		json_t *row;

		if (rule[i].direction != direction)
			continue;
		row = schema_store(&noun_filter, &rule[i], false, true);
		snprintf(text, sizeof(text), "%u", rule[i].priority);
		json_object_set_new(row, "priority", json_string(text));
		append_row(rows, row, filter, n++);
	}
	if (n || action == FILTER_DENY)
		append_row(rows,
			json_pack("{s:s, s:s, s:s, s:s}", "port", port->name, "direction",
				direction == FILTER_IN ? "in" : "out", "priority", "default",
				"action", action == FILTER_DENY ? "deny" : "allow"),
			filter, n);
}

static json_t *
filter_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "port");
	json_t *rows = json_array(), *result;

	if (name && !model_port(&state->running, name)) {
		json_decref(rows);
		err_set(err, -ENOENT, "port \"%s\" does not exist: see `patchbay port show`", name);
		return NULL;
	}
	for (unsigned i = 0; i < state->running.port_count; i++) {
		const struct port_config *port = &state->running.ports[i];

		if (name && strcmp(name, port->name) != 0)
			continue;
		show_direction(state, rows, port, FILTER_IN);
		show_direction(state, rows, port, FILTER_OUT);
	}
	result = command_rows(rows, err);
	json_object_set_new(result, "time_ns", json_integer((json_int_t)clock_ns()));
	return result;
}

const struct command filter_commands[] = {
	{"filter.add", .edit = filter_add},
	{"filter.set", .edit = filter_set},
	{"filter.del", .edit = filter_del},
	{"filter.show", filter_show},
	{NULL},
};

/* ---- sets ---- */

static int
set_add(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name"), *text = param_text(params, "addresses");
	struct ip_prefix *addresses;
	unsigned count;
	int rc = set_addresses_parse(text ? text : "", &addresses, &count, err);

	if (rc < 0)
		return rc;
	rc = model_add_set(wanted, name, addresses, count, err);
	free(addresses);
	return rc;
}

static int
no_set(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "set \"%s\" does not exist: see `patchbay set show`", name);
}

static int
set_del(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name"), *text = param_text(params, "addresses");
	struct ip_prefix *addresses;
	unsigned count;
	int rc;

	if (!model_first_set(wanted, name))
		return no_set(name, err);
	if (!text) {
		model_del_set(wanted, name);
		return 0;
	}
	rc = set_addresses_parse(text, &addresses, &count, err);
	if (rc < 0)
		return rc;
	rc = model_del_set_addresses(wanted, name, addresses, count, err);
	free(addresses);
	return rc;
}

static int
set_load(struct model *wanted, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name"), *source = param_text(params, "source");
	struct ip_prefix *addresses;
	unsigned count;
	int rc = set_addresses_parse(param_text(params, "text"), &addresses, &count, err);

	if (rc < 0)
		return source ? err_prefix(err, "%.200s", source) : rc;
	model_del_set(wanted, name);
	rc = model_add_set(wanted, name, addresses, count, err);
	free(addresses);
	return rc;
}

static json_t *
set_show(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "name");
	const struct model *m = &state->running;
	json_t *rows;
	char text[IP_TEXT_SIZE];

	if (name && !model_first_set(m, name)) {
		no_set(name, err);
		return NULL;
	}
	rows = json_array();
	for (unsigned i = 0, n; i < m->set_count; i += n) {
		json_t *row, *list;

		n = model_group_set(&m->sets[i]);
		if (name && strcmp(name, m->sets[i].name) != 0)
			continue;
		row = json_pack("{s:s, s:i}", "name", m->sets[i].name, "count", (int)n - 1);
		list = name ? json_array() : NULL;
		for (unsigned a = 1; list && a < n; a++)
			json_array_append_new(list,
				json_string(set_address_format(&m->sets[i + a].address, text)));
		if (list)
			json_object_set_new(row, "addresses", list);
		json_array_append_new(rows, row);
	}
	return command_rows(rows, err);
}

const struct command set_commands[] = {
	{"set.add", .edit = set_add},
	{"set.del", .edit = set_del},
	{"set.load", .edit = set_load},
	{"set.show", set_show},
	{NULL},
};
