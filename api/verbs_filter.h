/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_filter: what the verbs of `filter` and `set` take and show.  Internal to api/.
 */
#ifndef API_VERBS_FILTER_H
#define API_VERBS_FILTER_H

#include "api/schema.h"

extern const struct column filter_columns[], set_columns[];
extern const struct param filter_show_params[];
extern const struct param set_show_params[], set_change_params[], set_load_params[];

#endif
