/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tools/probe_track.h"

#define STEPS 32

/* Values below 32 have a slot each, then every power of two has 32. */
static unsigned
slot_of(uint64_t value)
{
	unsigned shift;

	if (value < STEPS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - 5;
	return (shift + 1) * STEPS + (unsigned)(value >> shift) - STEPS;
}

static uint64_t
value_of(unsigned slot)
{
	unsigned shift;

	if (slot < STEPS)
		return slot;
	shift = slot / STEPS - 1;
	return (uint64_t)(slot % STEPS + STEPS) << shift;
}

void
histogram_add(struct histogram *h, uint64_t value)
{
	h->counts[slot_of(value)]++;
	h->total++;
	if (value > h->max)
		h->max = value;
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)(share * (double)h->total), below = 0;

	for (unsigned i = 0; i < sizeof(h->counts) / sizeof(h->counts[0]); i++) {
		below += h->counts[i];
		if (h->counts[i] && below > rank)
			return value_of(i);
	}
	return h->max;
}

static bool
seen_swap(struct track *track, uint64_t number, bool value)
{
	uint8_t *byte = &track->seen[number % TRACK_WINDOW / 8];
	uint8_t bit = (uint8_t)(1u << (number & 7));
	bool old = *byte & bit;

	*byte = (uint8_t)(value ? *byte | bit : *byte & ~bit);
	return old;
}

static void
note_one(struct track *track, uint64_t number)
{
	if (number >= track->sent) {
		track->damaged++; /* a number that was never sent */
		return;
	}
	if (number + TRACK_WINDOW < track->next) {
		track->reordered++; /* too old to be told from a double */
		return;
	}
	if (number < track->next) {
		if (seen_swap(track, number, true)) {
			track->doubled++;
			return;
		}
		track->reordered++;
		track->received++;
		return;
	}
	if (number - track->next >= TRACK_WINDOW)
		track->next = number - TRACK_WINDOW + 1;
	for (; track->next <= number; track->next++)
		seen_swap(track, track->next, false);
	seen_swap(track, number, true);
	track->received++;
}

void
track_note(struct track *track, uint64_t number, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		note_one(track, number + i);
}
