/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checks that run a port's filters (datapath/filter.h).
 *
 * Threat model: frames are hostile.  They are judged by their private copy; bytes that a rule wants
 * and that are still in the sender's memory are copied once (datapath/pull.h), for the rules and for
 * the receiver.
 */
#include <smmintrin.h>

#include "datapath/address_set.h"
#include "datapath/check.h"
#include "datapath/filter_impl.h"
#include "datapath/view.h"

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
	return !rule->jit.bpf || view_matches(v, &rule->jit);
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

static inline __m128i
differ(const struct filter_memo *memo, const struct frame *f, unsigned block)
{
	const uint8_t *data = f->data + memo->at + (size_t)block * sizeof(__m128i);

	return _mm_xor_si128(_mm_and_si128(_mm_loadu_si128((const __m128i *)(const void *)data),
				     ((const __m128i *)memo->mask)[block]),
		((const __m128i *)memo->bytes)[block]);
}

static inline uint64_t
lengths_of(const struct frame *f)
{
	uint64_t lengths;

	memcpy(&lengths, &f->len, sizeof(lengths));
	return lengths;
}

_Static_assert(
	offsetof(struct frame, seg_count) == offsetof(struct frame, len) + 6, "lengths_of()");
/* What is compared may lie behind a short frame: its slot has bytes there, and the mask has none. */
_Static_assert(2 * BPF_TOUCH_MAX + FRAME_HEADROOM <= FRAME_WHOLE, "differ() stays in the slot");

/* The frames from the first on that is not as the one that is remembered. */
static inline uint64_t
skip_alike(const struct filter_memo *memo, const struct frame *frames, uint64_t left, bool wide)
{
	for (; left; left &= left - 1) {
		const struct frame *f = &frames[__builtin_ctzll(left)];
		__m128i all = differ(memo, f, 0);

		for (unsigned block = 1; wide && block < BPF_TOUCH_MAX / sizeof(all); block++)
			all = _mm_or_si128(all, differ(memo, f, block));
		if (!_mm_testz_si128(all, all) || lengths_of(f) != memo->lengths)
			break;
	}
	return left;
}

static void
remember(struct filter_memo *memo, const struct bpf_program *program, const struct frame *f)
{
	uint64_t touched;

	if (!bpf_touch(program, f->data, f->head_len, f->len, &touched))
		return;
	memo->at = touched ? (unsigned)__builtin_ctzll(touched) : 0;
	touched >>= memo->at;
	for (unsigned i = 0; i < BPF_TOUCH_MAX; i++) {
		memo->mask[i] = touched >> i & 1 ? 0xff : 0;
		memo->bytes[i] = f->data[memo->at + i] & memo->mask[i];
	}
	memo->lengths = lengths_of(f);
	memo->wide = touched >> 16;
}

/*
 * Where one quick program speaks for all rules: the frames that it does not rule out; the others are
 * counted as the default action's.  At most one frame of a burst is remembered anew.
 */
static uint64_t
look_quickly(struct worker *w, const struct filter *filter, uint64_t frames,
	struct filter_count *otherwise)
{
	const struct filter_entry *first = &filter->rules[0];
	struct filter_memo *memo = &filter->memos[w->id];
	uint64_t left = frames, doubtful = 0, bytes = 0;
	bool remembered = false;

	while (left) {
		uint64_t rest = memo->wide ? skip_alike(memo, w->burst.frames, left, true)
					   : skip_alike(memo, w->burst.frames, left, false);
		const struct frame *f;

		bytes += (uint64_t)__builtin_popcountll(left ^ rest) * (uint32_t)memo->lengths;
		if (!rest)
			break;
		left = rest & (rest - 1);
		f = &w->burst.frames[__builtin_ctzll(rest)];
		if (bpf_jit_run(&first->quick, f->data, f->head_len, f->len)) {
			doubtful |= rest & -rest;
			continue;
		}
		bytes += f->len;
		if (!remembered)
			remember(memo, &first->program, f);
		remembered = true;
	}
	otherwise->packets += (uint64_t)__builtin_popcountll(frames & ~doubtful);
	otherwise->bytes += bytes;
	return doubtful;
}

static uint64_t
run(struct worker *w, const struct snapshot_port *port, const struct filter *filter,
	uint64_t frames, enum drop drop)
{
	struct filter_count *counters = &filter->counters[w->id * filter->stride];
	bool deny_default = atomic_load_explicit(&filter->deny_default, memory_order_relaxed);
	uint64_t denied = 0, left = frames;

	if (filter->memos) {
		left = look_quickly(w, filter, frames, &counters[filter->count]);
		denied = deny_default ? frames & ~left : 0;
	}
	while (left) {
		unsigned i = check_next(&left), rule;
		struct frame *f = &w->burst.frames[i];
		struct view v = {w, f, f->data, f->head_len, f->len};

		rule = find_rule(filter, &v);
		counters[rule].packets++;
		counters[rule].bytes += f->len;
		if (rule < filter->count ? filter->rules[rule].deny : deny_default)
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
