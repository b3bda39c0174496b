/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tables: what a daemon has learnt and counted, for the one after it: counters and leases of ports,
 * and learnt addresses, in a file.
 *
 *	{"version": 1, "bridges": [name...], "ports": [{"name", "pairs", counters..., "leases"}...], "entries": N}\n
 *	N records of 16 bytes: key, port, bridge (numbers in the lists above), age in seconds
 *
 * Names of counters and drops are those of `patchbay stats --json`, so that a daemon of another
 * version finds what it knows.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_TABLES_H
#define CONTROL_TABLES_H

#include "control/live.h"

#define TABLES_HEAD_MAX (4u << 20) /* bytes of the first line */

/* Writes all to fd, from its present position.  -ENOMEM, or what write(2) says. */
int tables_write(int fd, const struct live *live);

/*
 * Reads them from the beginning of fd, and gives to ports and bridges that exist what belongs to
 * them.  What a table has no room for is left out.  -EINVAL with a text: not such a file; what came
 * before the fault is in place.
 */
int tables_read(int fd, struct live *live, struct err *err);

#endif
