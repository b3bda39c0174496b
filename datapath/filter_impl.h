/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_impl: how a filter is laid out, for filter.c and filter_run.c. */
#ifndef DATAPATH_FILTER_IMPL_H
#define DATAPATH_FILTER_IMPL_H

#include "datapath/bpf_jit.h"
#include "datapath/filter.h"

struct filter_entry {
	struct bpf_jit jit; /* bpf == NULL: every frame */
	const struct filter_set *source, *target;
	bool deny;
	/* Of the first rule of a group: the program of all, and how many rules it speaks for. */
	struct bpf_jit quick; /* bpf == NULL: there is none */
	unsigned group;
	uint32_t priority;
	char *expression;
};

struct filter {
	unsigned count, workers;
	unsigned stride; /* of counters: entries of one worker */
	atomic_bool deny_default;
	struct filter_entry *rules;
	struct filter_count *counters;  /* [workers][count + 1] */
	struct filter_count *inherited; /* [count + 1] */
};

#endif
