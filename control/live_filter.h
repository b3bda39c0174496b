/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * live_filter: the filters that really run, by the name of their port, and the sets they ask.
 *
 * Rules are there before their port is, so that no port lives a moment without them.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_LIVE_FILTER_H
#define CONTROL_LIVE_FILTER_H

#include "control/live.h"

/* STEP_SET_FILTERS: rows of model_group_filters(); NULL = none. */
int live_filter_set(struct live *live, const struct filter_config *from,
	const struct filter_config *to, struct err *err);
/* STEP_SET_SET: rows of model_group_set(); NULL = none. */
int live_set_set(struct live *live, const struct set_config *from, const struct set_config *to,
	struct err *err);

/* The filters that a port is to have, with its default actions.  -ENOMEM. */
int live_filter_defaults(struct live *live, const struct port_config *config,
	const struct filter *filters[FILTER_DIRECTIONS], struct err *err);
/* The port has what live_filter_defaults() said: what that made needless is freed. */
void live_filter_settled(struct live *live, const struct port_config *config);

/* The filter of a port in one direction; NULL when every frame passes. */
const struct filter *live_filter(
	const struct live *live, const char *port, enum filter_direction direction);

/* All ports are gone. */
void live_filters_clear(struct live *live);

#endif
