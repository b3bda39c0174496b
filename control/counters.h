/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * counters: a port's counters as the JSON of `patchbay stats --json`, and back.
 */
#ifndef CONTROL_COUNTERS_H
#define CONTROL_COUNTERS_H

#include <jansson.h>

#include "datapath/port.h"

/* A new reference; members that found no memory are missing. */
json_t *counters_json(const struct port_counters *counters);
/* Fills all fields; what is missing is 0, names that are unknown are ignored. */
void counters_parse(const json_t *members, struct port_counters *counters);

#endif
