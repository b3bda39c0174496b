/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/plan.h"
#include "lib/parse.h"

static const struct {
	const struct noun *noun;
	const char *verb;
	enum step_kind inverse;
} kinds[STEP_KIND_COUNT] = {
	[STEP_ADD_BRIDGE] = {&noun_bridge, "add", STEP_DEL_BRIDGE},
	[STEP_SET_BRIDGE] = {&noun_bridge, "set", STEP_SET_BRIDGE},
	[STEP_DEL_BRIDGE] = {&noun_bridge, "del", STEP_ADD_BRIDGE},
	[STEP_ADD_PORT] = {&noun_port, "add", STEP_DEL_PORT},
	[STEP_SET_PORT] = {&noun_port, "set", STEP_SET_PORT},
	[STEP_DEL_PORT] = {&noun_port, "del", STEP_ADD_PORT},
	[STEP_SET_FILTERS] = {&noun_filter, "set", STEP_SET_FILTERS},
	[STEP_SET_SET] = {&noun_filter, "set", STEP_SET_SET},
	[STEP_SET_MIRROR] = {&noun_mirror, "set", STEP_SET_MIRROR},
	[STEP_ADD_FDB] = {&noun_fdb, "add", STEP_DEL_FDB},
	[STEP_DEL_FDB] = {&noun_fdb, "del", STEP_ADD_FDB},
};

struct step
step_inverse(const struct step *step)
{
	return (struct step){kinds[step->kind].inverse, step->to, step->from};
}

const struct noun *
step_noun(const struct step *step)
{
	return kinds[step->kind].noun;
}

bool
step_key_differs(const struct key *key, const void *a, const void *b)
{
	return memcmp((const char *)a + key->offset, (const char *)b + key->offset, key->size) != 0;
}

static void
append_text(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s", more);
}

static void
append_value(char *text, size_t size, const struct key *key, const void *object)
{
	json_t *value = schema_get(key, object, true);
	char *dump;

	if (!value) {
		append_text(text, size, "unset");
	} else if (json_is_string(value)) {
		append_text(text, size, json_string_value(value));
	} else {
		dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		append_text(text, size, dump ? dump : "?");
		free(dump);
	}
	json_decref(value);
}

static void
append_changes(char *text, size_t size, const struct step *step)
{
	const struct noun *noun = step_noun(step);
	const char *separator = " ";

	for (unsigned i = 0; i < noun->key_count; i++) {
		const struct key *key = &noun->keys[i];

		if (!step_key_differs(key, step->from, step->to))
			continue;
		append_text(text, size, separator);
		append_text(text, size, key->name);
		append_text(text, size, ": ");
		append_value(text, size, key, step->from);
		append_text(text, size, " -> ");
		append_value(text, size, key, step->to);
		separator = ", ";
	}
}

static void
set_text(const struct step *step, char *text, size_t size)
{
	const struct set_config *set = step->to ? step->to : step->from;
	unsigned from = model_group_set(step->from), to = model_group_set(step->to);

	/* One row of each group is the set itself. */
	if (!step->from || !step->to)
		snprintf(text, size, "%s set %s: %u addresses", step->to ? "add" : "del", set->name,
			(step->to ? to : from) - 1);
	else
		snprintf(text, size, "set set %s: %u -> %u addresses", set->name, from - 1, to - 1);
}

void
step_text(const struct step *step, char *text, size_t size)
{
	const struct noun *noun = step_noun(step);
	const void *object = step->to ? step->to : step->from;
	char mac[MAC_TEXT_SIZE];

	if (step->kind == STEP_SET_FILTERS) {
		snprintf(text, size, "set filter of port %s: %u -> %u rules",
			((const struct filter_config *)object)->port,
			model_group_filters(step->from), model_group_filters(step->to));
		return;
	}
	if (step->kind == STEP_SET_SET) {
		set_text(step, text, size);
		return;
	}
	if (noun == &noun_fdb) {
		const struct fdb_config *f = object;

		snprintf(text, size, "%s fdb %s %s vlan %u port %s", kinds[step->kind].verb,
			f->bridge, mac_format(&f->mac, mac), f->vlan, f->port);
		return;
	}
	snprintf(text, size, "%s %s %s",
		step->kind != STEP_SET_MIRROR ? kinds[step->kind].verb
		: !step->from                 ? "add"
		: !step->to                   ? "del"
					      : "set",
		noun->name, (const char *)object);
	if (step->from && step->to)
		append_changes(text, size, step);
}
