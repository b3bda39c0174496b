/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
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
	[STEP_DEL_FDB] = {&noun_fdb, "del", STEP_ADD_FDB},
	[STEP_DEL_PORT] = {&noun_port, "del", STEP_ADD_PORT},
	[STEP_ADD_BRIDGE] = {&noun_bridge, "add", STEP_DEL_BRIDGE},
	[STEP_SET_BRIDGE] = {&noun_bridge, "set", STEP_SET_BRIDGE},
	[STEP_SET_PORT] = {&noun_port, "set", STEP_SET_PORT},
	[STEP_DEL_BRIDGE] = {&noun_bridge, "del", STEP_ADD_BRIDGE},
	[STEP_ADD_PORT] = {&noun_port, "add", STEP_DEL_PORT},
	[STEP_ADD_FDB] = {&noun_fdb, "add", STEP_DEL_FDB},
};

/* ---- objects of one noun, found by what identifies them ---- */

struct list {
	const struct noun *noun;
	const char *items;
	unsigned count;
	const char **sorted;
	int (*compare)(const void *, const void *);
};

static int
compare_names(const void *a, const void *b)
{
	/* The name is the first member of bridges and ports. */
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
compare_addresses(const void *a, const void *b)
{
	const struct fdb_config *x = *(const struct fdb_config *const *)a;
	const struct fdb_config *y = *(const struct fdb_config *const *)b;
	int order = strcmp(x->bridge, y->bridge);

	if (order == 0)
		order = memcmp(&x->mac, &y->mac, sizeof(x->mac));
	return order ? order : (int)x->vlan - (int)y->vlan;
}

_Static_assert(offsetof(struct bridge_config, name) == 0, "compare_names");
_Static_assert(offsetof(struct port_config, name) == 0, "compare_names");

static int
list_init(struct list *list, const struct noun *noun, const void *items, unsigned count)
{
	list->noun = noun;
	list->items = items;
	list->count = count;
	list->compare = noun == &noun_fdb ? compare_addresses : compare_names;
	list->sorted = calloc(count ? count : 1, sizeof(*list->sorted));
	if (!list->sorted)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		list->sorted[i] = list->items + i * noun->size;
	qsort(list->sorted, count, sizeof(*list->sorted), list->compare);
	return 0;
}

static const void *
list_item(const struct list *list, unsigned i)
{
	return list->items + i * list->noun->size;
}

/* The object that has the identity of `like`. */
static const void *
list_find(const struct list *list, const void *like)
{
	const char **found =
		bsearch(&like, list->sorted, list->count, sizeof(*list->sorted), list->compare);

	return found ? *found : NULL;
}

/* ---- differences ---- */

static bool
key_differs(const struct key *key, const void *a, const void *b)
{
	return memcmp((const char *)a + key->offset, (const char *)b + key->offset, key->size) != 0;
}

enum difference { SAME, LIVE, REBUILD };

static enum difference
compare_objects(const struct noun *noun, const void *a, const void *b)
{
	enum difference difference = SAME;

	for (unsigned i = 0; i < noun->key_count; i++) {
		if (!key_differs(&noun->keys[i], a, b))
			continue;
		if (!(noun->keys[i].flags & KEY_SET))
			return REBUILD;
		difference = LIVE;
	}
	return difference;
}

/* ---- the plan ---- */

struct planner {
	struct plan *plan;
	struct list from[3], to[3];
};

enum { BRIDGES, PORTS, FDB };

static void
emit(struct planner *planner, enum step_kind kind, const void *from, const void *to)
{
	planner->plan->steps[planner->plan->count++] = (struct step){kind, from, to};
}

/* A static address goes with its port when that is rebuilt, though it did not change itself. */
static enum difference
compare_in_plan(const struct planner *planner, unsigned which, const void *a, const void *b)
{
	enum difference difference = compare_objects(planner->from[which].noun, a, b);

	if (which == FDB && difference == SAME) {
		/* The port's name is the key of its list. */
		const void *old =
			list_find(&planner->from[PORTS], ((const struct fdb_config *)a)->port);
		const void *new =
			list_find(&planner->to[PORTS], ((const struct fdb_config *)b)->port);

		if (!old || !new || compare_objects(&noun_port, old, new) == REBUILD)
			return REBUILD;
	}
	return difference;
}

/* What is there and is not wanted, or not in that form. */
static void
plan_deletions(struct planner *planner, unsigned which, enum step_kind kind)
{
	for (unsigned i = planner->from[which].count; i-- > 0;) {
		const void *old = list_item(&planner->from[which], i);
		const void *wanted = list_find(&planner->to[which], old);

		if (!wanted || compare_in_plan(planner, which, old, wanted) == REBUILD)
			emit(planner, kind, old, NULL);
	}
}

static void
plan_changes(struct planner *planner, unsigned which, enum step_kind kind)
{
	for (unsigned i = 0; i < planner->to[which].count; i++) {
		const void *wanted = list_item(&planner->to[which], i);
		const void *old = list_find(&planner->from[which], wanted);

		if (old && compare_in_plan(planner, which, old, wanted) == LIVE)
			emit(planner, kind, old, wanted);
	}
}

static void
plan_additions(struct planner *planner, unsigned which, enum step_kind kind)
{
	for (unsigned i = 0; i < planner->to[which].count; i++) {
		const void *wanted = list_item(&planner->to[which], i);
		const void *old = list_find(&planner->from[which], wanted);

		if (!old || compare_in_plan(planner, which, old, wanted) == REBUILD)
			emit(planner, kind, NULL, wanted);
	}
}

static int
planner_init(struct planner *planner, const struct model *from, const struct model *to)
{
	const struct model *models[2] = {from, to};
	int rc = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct list *lists = i == 0 ? planner->from : planner->to;
		const struct model *m = models[i];

		rc |= list_init(&lists[BRIDGES], &noun_bridge, m->bridges, m->bridge_count);
		rc |= list_init(&lists[PORTS], &noun_port, m->ports, m->port_count);
		rc |= list_init(&lists[FDB], &noun_fdb, m->fdb, m->fdb_count);
	}
	return rc ? -ENOMEM : 0;
}

static void
planner_free(struct planner *planner)
{
	for (unsigned i = 0; i < 3; i++) {
		free(planner->from[i].sorted);
		free(planner->to[i].sorted);
	}
}

int
plan_make(struct plan *plan, const struct model *from, const struct model *to)
{
	struct planner planner = {.plan = plan};
	size_t most = from->bridge_count + from->port_count + from->fdb_count + to->bridge_count +
		      to->port_count + to->fdb_count;
	int rc = planner_init(&planner, from, to);

	plan->count = 0;
	plan->steps = calloc(most ? most : 1, sizeof(*plan->steps));
	if (rc == 0 && !plan->steps)
		rc = -ENOMEM;
	if (rc == 0) {
		plan_deletions(&planner, FDB, STEP_DEL_FDB);
		plan_deletions(&planner, PORTS, STEP_DEL_PORT);
		plan_additions(&planner, BRIDGES, STEP_ADD_BRIDGE);
		plan_changes(&planner, BRIDGES, STEP_SET_BRIDGE);
		plan_changes(&planner, PORTS, STEP_SET_PORT);
		plan_deletions(&planner, BRIDGES, STEP_DEL_BRIDGE);
		plan_additions(&planner, PORTS, STEP_ADD_PORT);
		plan_additions(&planner, FDB, STEP_ADD_FDB);
	} else {
		plan_free(plan);
	}
	planner_free(&planner);
	return rc;
}

void
plan_free(struct plan *plan)
{
	free(plan->steps);
	plan->steps = NULL;
	plan->count = 0;
}

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

/* ---- texts ---- */

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

		if (!key_differs(key, step->from, step->to))
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

void
step_text(const struct step *step, char *text, size_t size)
{
	const struct noun *noun = step_noun(step);
	const void *object = step->to ? step->to : step->from;
	char mac[MAC_TEXT_SIZE];

	if (noun == &noun_fdb) {
		const struct fdb_config *f = object;

		snprintf(text, size, "%s fdb %s %s vlan %u port %s", kinds[step->kind].verb,
			f->bridge, mac_format(&f->mac, mac), f->vlan, f->port);
		return;
	}
	snprintf(text, size, "%s %s %s", kinds[step->kind].verb, noun->name, (const char *)object);
	if (step->from && step->to)
		append_changes(text, size, step);
}
