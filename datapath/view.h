/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view: a frame of the burst as an expression sees it: the private copy, and more of the frame when the
 * expression asks for it, copied once for the expression and for the receivers (datapath/pull.h).
 *
 * Threads: worker.
 */
#ifndef DATAPATH_VIEW_H
#define DATAPATH_VIEW_H

#include "datapath/bpf_jit.h"
#include "datapath/worker.h"

struct view {
	struct worker *w;
	struct frame *f;
	uint8_t *bytes; /* with BPF_JIT_ROOM in front */
	uint32_t seen, len;
};

static inline bool
view_matches(struct view *v, const struct bpf_jit *jit)
{
	uint32_t answer = bpf_jit_run(jit, v->bytes, v->seen, v->len);

	if (__builtin_expect(answer == BPF_JIT_MORE, 0)) {
		const uint8_t *more = pull(v->w->pull, &v->w->burst, v->f, PULL_MAX);

		if (more) {
			v->bytes = (uint8_t *)(uintptr_t)more;
			v->seen = v->len < PULL_MAX ? v->len : PULL_MAX;
		}
		/* BPF_JIT_MORE once more: behind what is seen of a frame. */
		answer = bpf_jit_run(jit, v->bytes, v->seen, v->len);
	}
	return answer == 1;
}

#endif
