/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/live_filter.h"
#include "datapath/address_set.h"

struct live_set {
	LIST_ENTRY(live_set) link;
	char name[CONFIG_NAME_SIZE];
	struct filter_set set; /* `now` is owned */
};

struct live_filter {
	LIST_ENTRY(live_filter) link;
	char port[CONFIG_NAME_SIZE];
	unsigned rules[FILTER_DIRECTIONS];
	bool deny[FILTER_DIRECTIONS];
	struct filter *filters[FILTER_DIRECTIONS]; /* NULL where there is nothing to judge */
};

_Static_assert((int)FILTER_IN == (int)FILTER_DIRECTION_IN, "one numbering");
_Static_assert((int)FILTER_OUT == (int)FILTER_DIRECTION_OUT, "one numbering");

static struct live_filter *
find_filter(const struct live *live, const char *port)
{
	struct live_filter *f;

	LIST_FOREACH (f, &live->filters, link)
		if (strcmp(f->port, port) == 0)
			return f;
	return NULL;
}

static struct live_set *
find_set(const struct live *live, const char *name)
{
	struct live_set *s;

	LIST_FOREACH (s, &live->sets, link)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static struct live_filter *
need_filter(struct live *live, const char *port)
{
	struct live_filter *f = find_filter(live, port);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	memcpy(f->port, port, strnlen(port, sizeof(f->port) - 1));
	LIST_INSERT_HEAD(&live->filters, f, link);
	return f;
}

/* ---- filters ---- */

static const struct filter_set *
set_of(const struct live *live, const char *name)
{
	const struct live_set *s = name[0] ? find_set(live, name) : NULL;

	return s ? &s->set : NULL;
}

/* The filter of one direction from the group's rows of that direction. */
static int
make_filter(const struct live *live, const struct live_filter *old, enum filter_direction direction,
	const struct filter_config *group, struct filter **filter, unsigned *count, struct err *err)
{
	struct filter_rule *rules;
	unsigned all = model_group_filters(group), n = 0;
	int rc;

	*filter = NULL;
	rules = calloc(all + 1u, sizeof(*rules));
	if (!rules)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < all; i++) {
		const struct filter_config *row = &group[i];

		if (row->direction == (int)direction)
			rules[n++] = (struct filter_rule){
				.priority = row->priority,
				.deny = row->action == FILTER_DENY,
				.expression = row->expression,
				.source = set_of(live, row->src_set),
				.target = set_of(live, row->dst_set),
			};
	}
	*count = n;
	rc = n || old->deny[direction] ? filter_create(filter, rules, n, old->deny[direction],
						 datapath_worker_count(), err)
				       : 0;
	free(rules);
	return rc;
}

static void
release_filter(void *filter)
{
	filter_destroy(filter);
}

static void
replace(struct live_filter *f, struct filter **made, const unsigned *counts)
{
	for (unsigned d = 0; d < FILTER_DIRECTIONS; d++) {
		if (made[d] && f->filters[d])
			filter_inherit(made[d], f->filters[d]);
		datapath_release(release_filter, f->filters[d]);
		f->filters[d] = made[d];
		f->rules[d] = counts[d];
	}
}

int
live_filter_set(struct live *live, const struct filter_config *from, const struct filter_config *to,
	struct err *err)
{
	const char *name = to ? to->port : from->port;
	struct live_filter *f = need_filter(live, name);
	struct live_port *p = live_port(live, name);
	struct filter *made[FILTER_DIRECTIONS] = {NULL};
	unsigned counts[FILTER_DIRECTIONS];
	int rc = f ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (unsigned d = 0; d < FILTER_DIRECTIONS && rc == 0; d++)
		rc = make_filter(live, f, (enum filter_direction)d, to, &made[d], &counts[d], err);
	if (rc == 0 && p)
		rc = datapath_port_set_filters(p->port, (const struct filter *const *)made, err);
	if (rc < 0) {
		for (unsigned d = 0; d < FILTER_DIRECTIONS; d++)
			filter_destroy(made[d]);
		return err_prefix(err, "filter of port \"%s\"", name);
	}
	if (p)
		memcpy(p->settings.filters, made, sizeof(p->settings.filters));
	replace(f, made, counts);
	if (!to && !p) {
		LIST_REMOVE(f, link);
		free(f);
	}
	return rc;
}

int
live_filter_defaults(struct live *live, const struct port_config *config,
	const struct filter *filters[FILTER_DIRECTIONS], struct err *err)
{
	const bool deny[FILTER_DIRECTIONS] = {
		config->filter_in == FILTER_DENY, config->filter_out == FILTER_DENY};
	struct live_filter *f = find_filter(live, config->name);

	if (!f && !deny[FILTER_IN] && !deny[FILTER_OUT])
		return 0;
	f = need_filter(live, config->name);
	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned d = 0; d < FILTER_DIRECTIONS; d++) {
		if (!f->filters[d] && deny[d] &&
			filter_create(&f->filters[d], NULL, 0, true, datapath_worker_count(), err) <
				0)
			return err->code;
		f->deny[d] = deny[d];
		if (f->filters[d])
			filter_set_default(f->filters[d], deny[d]);
		filters[d] = f->rules[d] || deny[d] ? f->filters[d] : NULL;
	}
	return 0;
}

void
live_filter_settled(struct live *live, const struct port_config *config)
{
	struct live_filter *f = find_filter(live, config->name);

	for (unsigned d = 0; f && d < FILTER_DIRECTIONS; d++) {
		if (f->rules[d] || f->deny[d])
			continue;
		datapath_release(release_filter, f->filters[d]);
		f->filters[d] = NULL;
	}
}

const struct filter *
live_filter(const struct live *live, const char *port, enum filter_direction direction)
{
	const struct live_filter *f = find_filter(live, port);

	return f ? f->filters[direction] : NULL;
}

/* ---- sets ---- */

static struct address_set *
make_set(const struct set_config *group)
{
	unsigned count = model_group_set(group), n = 0;
	struct ip_prefix *addresses = calloc(count + 1u, sizeof(*addresses));
	struct address_set *made = NULL;

	for (unsigned i = 0; addresses && i < count; i++)
		if (group[i].address.version != SET_ITSELF)
			addresses[n++] = group[i].address;
	if (addresses && address_set_create(&made, addresses, n) < 0)
		made = NULL;
	free(addresses);
	return made;
}

static void
release_addresses(void *set)
{
	address_set_destroy(set);
}

static void
release_set(void *arg)
{
	struct live_set *s = arg;

	address_set_destroy((struct address_set *)(uintptr_t)s->set.now);
	free(s);
}

static void
del_set(struct live_set *s)
{
	if (!s)
		return;
	LIST_REMOVE(s, link);
	datapath_release(release_set, s);
}

int
live_set_set(struct live *live, const struct set_config *from, const struct set_config *to,
	struct err *err)
{
	const char *name = to ? to->name : from->name;
	struct live_set *s = find_set(live, name);
	const struct address_set *old;
	struct address_set *made;

	if (!to) {
		/* No filter asks it any more. */
		del_set(s);
		return 0;
	}
	made = make_set(to);
	if (made && !s) {
		s = calloc(1, sizeof(*s));
		if (s) {
			memcpy(s->name, name, sizeof(s->name));
			LIST_INSERT_HEAD(&live->sets, s, link);
		}
	}
	if (!made || !s) {
		address_set_destroy(made);
		return err_set(err, -ENOMEM, "set \"%s\": out of memory", name);
	}
	old = atomic_exchange(&s->set.now, made);
	if (!old)
		return 0;
	datapath_synchronize();
	datapath_release(release_addresses, (struct address_set *)(uintptr_t)old);
	return 0;
}

void
live_filters_clear(struct live *live)
{
	struct live_filter *f;

	while ((f = LIST_FIRST(&live->filters))) {
		filter_destroy(f->filters[FILTER_IN]);
		filter_destroy(f->filters[FILTER_OUT]);
		LIST_REMOVE(f, link);
		free(f);
	}
	while (!LIST_EMPTY(&live->sets))
		del_set(LIST_FIRST(&live->sets));
}
