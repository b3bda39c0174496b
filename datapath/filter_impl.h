/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_impl: how a filter is laid out, for filter.c and filter_run.c. */
#ifndef DATAPATH_FILTER_IMPL_H
#define DATAPATH_FILTER_IMPL_H

#include <stdalign.h>

#include <pcap/pcap.h>

#include "datapath/bpf_jit.h"
#include "datapath/bpf_touch.h"
#include "datapath/filter.h"

/*
 * A worker's memory of a frame that no rule matched: the bytes that were looked at.  Others that have
 * them need not be asked.  lengths == 0: none.
 */
struct filter_memo {
	alignas(64) uint8_t mask[BPF_TOUCH_MAX];
	uint8_t bytes[BPF_TOUCH_MAX]; /* under the mask */
	uint64_t lengths;             /* of the frame: len, head_len and seg_count */
	unsigned at;                  /* where `mask` and `bytes` begin in the frame */
	bool wide;                    /* the mask has bytes behind the first 16 */
};

struct filter_entry {
	struct bpf_jit jit; /* bpf == NULL: every frame */
	const struct filter_set *source, *target;
	bool deny;
	/* Of the first rule of a group: the program of all, and how many rules it speaks for. */
	struct bpf_jit quick;       /* bpf == NULL: there is none */
	struct bpf_program program; /* it was made of */
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
	struct filter_memo *memos; /* [workers]; NULL unless one quick program speaks for all */
};

#endif
