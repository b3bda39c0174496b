/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checks that run a port's filters (datapath/filter.h).
 *
 * Threat model: frames are hostile.  They are judged by their private copy; bytes that a rule wants
 * and that are still in the sender's memory are copied once (datapath/pull.h), for the rules and for
 * the receiver.
 */
#include "datapath/address_set.h"
#include "datapath/check.h"
#include "datapath/filter_impl.h"

/* A frame as a filter sees it. */
struct view {
	struct worker *w;
	struct frame *f;
	uint8_t *bytes; /* with BPF_JIT_ROOM in front */
	uint32_t seen, len;
};

static bool
run_expression(const struct bpf_jit *jit, struct view *v)
{
	uint32_t answer = bpf_jit_run(jit, v->bytes, v->seen, v->len);

	if (__builtin_expect(answer == BPF_JIT_MORE, 0)) {
		const uint8_t *more = pull(v->w->pull, &v->w->burst, v->f, PULL_MAX);

		if (more) {
			v->bytes = (uint8_t *)(uintptr_t)more;
			v->seen = v->len < PULL_MAX ? v->len : PULL_MAX;
		}
		/* BPF_JIT_MORE once more: behind what a filter sees of a frame. */
		answer = bpf_jit_run(jit, v->bytes, v->seen, v->len);
	}
	return answer == 1;
}

static bool
in_set(const struct filter_set *set, const struct view *v, bool target)
{
	const struct address_set *now = atomic_load_explicit(&set->now, memory_order_acquire);

	return address_set_has_frame(now, v->bytes, v->seen, target);
}

static bool
matches(const struct filter_entry *rule, struct view *v)
{
	if (rule->source && !in_set(rule->source, v, false))
		return false;
	if (rule->target && !in_set(rule->target, v, true))
		return false;
	return !rule->jit.bpf || run_expression(&rule->jit, v);
}

/* The rule that decides; filter->count = the default action. */
static unsigned
find_rule(const struct filter *filter, struct view *v)
{
	unsigned sure = 0; /* rules below this one have been asked one by one */

	for (unsigned i = 0; i < filter->count;) {
		const struct filter_entry *rule = &filter->rules[i];

		if (rule->group && i >= sure) {
			if (!bpf_jit_run(&rule->quick, v->bytes, v->seen, v->len)) {
				i += rule->group;
				continue;
			}
			sure = i + rule->group;
		}
		if (matches(rule, v))
			return i;
		i++;
	}
	return filter->count;
}

static uint64_t
run(struct worker *w, const struct snapshot_port *port, const struct filter *filter,
	uint64_t frames, enum drop drop)
{
	struct filter_count *counters = &filter->counters[w->id * filter->stride];
	uint64_t denied = 0;

	for (uint64_t left = frames; left;) {
		unsigned i = check_next(&left), rule;
		struct frame *f = &w->burst.frames[i];
		struct view v = {w, f, f->data, f->head_len, f->len};

		rule = find_rule(filter, &v);
		counters[rule].packets++;
		counters[rule].bytes += f->len;
		if (rule < filter->count
				? filter->rules[rule].deny
				: atomic_load_explicit(&filter->deny_default, memory_order_relaxed))
			denied |= UINT64_C(1) << i;
	}
	if (denied)
		check_drop(w, port, denied, drop);
	return frames & ~denied;
}

uint64_t
filter_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	return run(w, in, in->filters[FILTER_DIRECTION_IN], frames, DROP_FILTER_IN);
}

uint64_t
filter_out(struct worker *w, const struct snapshot_port *out, uint64_t frames)
{
	return run(w, out, out->filters[FILTER_DIRECTION_OUT], frames, DROP_FILTER_OUT);
}
