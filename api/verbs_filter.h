/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_filter: what the verbs of `filter` and `set` take and show.  Internal to api/.
 *
 * filter.add, .set, .del; set.add, .del, .load: {}
 *
 * filter.show {port?} -> {"time_ns", "rows": [{
 *	port, direction, action, expression, src_set, dst_set	as configured, when given
 *	priority	of the rule, as text; "default" for what no rule decided
 *	packets, bytes	frames it decided since it was added
 * }]}		rows of a port and direction that has rules or a default action other than allow
 *
 * set.show {name?} -> {"rows": [{name, count, addresses?}]}	addresses: list, with `name` only
 */
#ifndef API_VERBS_FILTER_H
#define API_VERBS_FILTER_H

#include "api/schema.h"

extern const struct column filter_columns[], set_columns[];
extern const struct param filter_show_params[];
extern const struct param set_show_params[], set_change_params[], set_load_params[];

#endif
