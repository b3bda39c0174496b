/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter: ordered rules that let frames of a port pass or end, one filter for each direction.
 *
 * A rule matches when its expression does and the frame's addresses are in its sets; the first rule
 * that matches decides, and the default action where none does.  A filter sees a frame as it is on
 * the wire of its port, VLAN tag included, and of a frame the first PULL_MAX bytes: what lies behind
 * them is as if it were not there.  Frames to be segmented are seen, and counted, whole.
 *
 * A quick first look at several rules at once, by one program that libpcap has optimised as a whole,
 * says of most frames that none of the rules matches; only the others are given to one rule after
 * the other.
 *
 * Threads: made and destroyed on the control thread, when no worker has it; workers run it, each
 * with counters of its own.
 */
#ifndef DATAPATH_FILTER_H
#define DATAPATH_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define FILTER_RULES_MAX 256 /* of one port and direction */

enum filter_direction { FILTER_DIRECTION_IN, FILTER_DIRECTION_OUT, FILTER_DIRECTIONS };

struct address_set;

/* A set that filters refer to; `now` may be replaced, the old one lives for a grace period. */
struct filter_set {
	const struct address_set *_Atomic now;
};

struct filter_rule {
	uint32_t priority; /* rules come in this order */
	bool deny;
	const char *expression; /* "" = all */
	const struct filter_set *source,
		*target; /* NULL = all; borrowed, must outlive the filter */
};

struct filter_count {
	uint64_t packets, bytes;
};

struct filter;

/* -EINVAL: an expression that libpcap refuses, with its message; -E2BIG, -ENOMEM. */
int filter_create(struct filter **filter, const struct filter_rule *rules, unsigned count,
	bool deny_default, unsigned workers, struct err *err);
void filter_destroy(struct filter *filter);
/* Changes the default action while workers run it. */
void filter_set_default(struct filter *filter, bool deny);

/* Frames that the rule decided; index `count` is the default action. */
void filter_counters(const struct filter *filter, unsigned rule, struct filter_count *sum);
/* Adds what the same rules of an older filter have counted, which no worker runs any more. */
void filter_inherit(struct filter *filter, const struct filter *old);

#endif
