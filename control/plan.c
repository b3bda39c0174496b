/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/plan.h"

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

enum difference { SAME, LIVE, REBUILD };

static enum difference
compare_objects(const struct noun *noun, const void *a, const void *b)
{
	enum difference difference = SAME;

	for (unsigned i = 0; i < noun->key_count; i++) {
		if (!step_key_differs(&noun->keys[i], a, b))
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

/* Is it there and not wanted, or not in that form? */
static bool
is_deleted(const struct planner *planner, unsigned which, const void *old)
{
	const void *wanted = list_find(&planner->to[which], old);

	return !wanted || compare_in_plan(planner, which, old, wanted) == REBUILD;
}

static bool
is_added(const struct planner *planner, unsigned which, const void *wanted)
{
	const void *old = list_find(&planner->from[which], wanted);

	return !old || compare_in_plan(planner, which, old, wanted) == REBUILD;
}

static bool
share(const char *a, const char *b)
{
	return a[0] && strcmp(a, b) == 0;
}

/* Does a port that goes have what one that comes needs? */
static bool
is_in_the_way(const struct planner *planner, const struct port_config *old)
{
	for (unsigned i = 0; i < planner->to[PORTS].count; i++) {
		const struct port_config *p = list_item(&planner->to[PORTS], i);

		if ((share(p->name, old->name) || share(p->path, old->path) ||
			    share(p->dev, old->dev) || share(p->file, old->file)) &&
			is_added(planner, PORTS, p))
			return true;
	}
	return false;
}

static unsigned
count_added_ports(const struct planner *planner)
{
	unsigned added = 0;

	for (unsigned i = 0; i < planner->to[PORTS].count; i++)
		added += is_added(planner, PORTS, list_item(&planner->to[PORTS], i));
	return added;
}

/* The addresses of a port, then the port. */
static void
plan_port_deletion(struct planner *planner, const struct port_config *old)
{
	for (unsigned i = planner->from[FDB].count; i-- > 0;) {
		const struct fdb_config *f = list_item(&planner->from[FDB], i);

		if (strcmp(f->port, old->name) == 0 && is_deleted(planner, FDB, f))
			emit(planner, STEP_DEL_FDB, f, NULL);
	}
	emit(planner, STEP_DEL_PORT, old, NULL);
}

/* Ports that go, those in the way of others, or the rest of them. */
static void
plan_port_deletions(struct planner *planner, bool in_the_way)
{
	bool no_room = planner->from[PORTS].count + count_added_ports(planner) > CONFIG_PORTS_MAX;

	for (unsigned i = planner->from[PORTS].count; i-- > 0;) {
		const struct port_config *old = list_item(&planner->from[PORTS], i);

		if (is_deleted(planner, PORTS, old) &&
			(no_room || is_in_the_way(planner, old)) == in_the_way)
			plan_port_deletion(planner, old);
	}
}

/* Addresses that go, of ports that stay. */
static void
plan_address_deletions(struct planner *planner)
{
	for (unsigned i = planner->from[FDB].count; i-- > 0;) {
		const struct fdb_config *f = list_item(&planner->from[FDB], i);
		const void *port = list_find(&planner->from[PORTS], f->port);

		if (is_deleted(planner, FDB, f) && !(port && is_deleted(planner, PORTS, port)))
			emit(planner, STEP_DEL_FDB, f, NULL);
	}
}

static void
plan_bridge_deletions(struct planner *planner)
{
	for (unsigned i = planner->from[BRIDGES].count; i-- > 0;) {
		const void *old = list_item(&planner->from[BRIDGES], i);

		if (is_deleted(planner, BRIDGES, old))
			emit(planner, STEP_DEL_BRIDGE, old, NULL);
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

		if (is_added(planner, which, wanted))
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

/* ---- filters and sets: rows of a group stand together, and change together ---- */

static void
plan_filters(struct planner *planner, const struct model *from, const struct model *to, bool remove)
{
	const struct model *all = remove ? from : to;

	for (unsigned i = 0; i < all->filter_count; i += model_group_filters(&all->filters[i])) {
		const struct filter_config *group = &all->filters[i];
		const struct filter_config *old = model_first_filter(from, group->port);
		const struct filter_config *wanted = model_first_filter(to, group->port);
		unsigned count = model_group_filters(group);

		if (remove ? wanted != NULL
			   : old && model_group_filters(old) == count &&
					memcmp(old, wanted, count * sizeof(*old)) == 0)
			continue;
		emit(planner, STEP_SET_FILTERS, old, wanted);
	}
}

static void
plan_sets(struct planner *planner, const struct model *from, const struct model *to, bool remove)
{
	const struct model *all = remove ? from : to;

	for (unsigned i = 0; i < all->set_count; i += model_group_set(&all->sets[i])) {
		const struct set_config *group = &all->sets[i];
		const struct set_config *old = model_first_set(from, group->name);
		const struct set_config *wanted = model_first_set(to, group->name);
		unsigned count = model_group_set(group);

		if (remove ? wanted != NULL
			   : old && model_group_set(old) == count &&
					memcmp(old, wanted, count * sizeof(*old)) == 0)
			continue;
		emit(planner, STEP_SET_SET, old, wanted);
	}
}

/* ---- mirrors: by the names of their ports, whether these are there or not ---- */

static void
plan_mirrors(struct planner *planner, const struct model *from, const struct model *to, bool remove)
{
	const struct model *all = remove ? from : to;

	for (unsigned i = 0; i < all->mirror_count; i++) {
		const struct mirror_config *old = model_mirror(from, all->mirrors[i].name);
		const struct mirror_config *wanted = model_mirror(to, all->mirrors[i].name);

		if (remove ? wanted != NULL : old && memcmp(old, wanted, sizeof(*old)) == 0)
			continue;
		emit(planner, STEP_SET_MIRROR, old, wanted);
	}
}

int
plan_make(struct plan *plan, const struct model *from, const struct model *to)
{
	struct planner planner = {.plan = plan};
	size_t most = from->bridge_count + from->port_count + from->fdb_count + to->bridge_count +
		      to->port_count + to->fdb_count + from->filter_count + to->filter_count +
		      from->set_count + to->set_count + from->mirror_count + to->mirror_count;
	int rc = planner_init(&planner, from, to);

	plan->count = 0;
	plan->steps = calloc(most ? most : 1, sizeof(*plan->steps));
	if (rc == 0 && !plan->steps)
		rc = -ENOMEM;
	if (rc == 0) {
		/* No port lives a moment without the rules it is to have. */
		plan_sets(&planner, from, to, false);
		plan_filters(&planner, from, to, false);
		plan_additions(&planner, BRIDGES, STEP_ADD_BRIDGE);
		/* Or is an ordinary port for a moment that is to be a mirror's. */
		plan_mirrors(&planner, from, to, true);
		plan_mirrors(&planner, from, to, false);
		plan_port_deletions(&planner, true);
		plan_additions(&planner, PORTS, STEP_ADD_PORT);
		plan_changes(&planner, PORTS, STEP_SET_PORT);
		plan_port_deletions(&planner, false);
		plan_address_deletions(&planner);
		plan_changes(&planner, BRIDGES, STEP_SET_BRIDGE);
		plan_bridge_deletions(&planner);
		plan_additions(&planner, FDB, STEP_ADD_FDB);
		plan_filters(&planner, from, to, true);
		plan_sets(&planner, from, to, true);
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
