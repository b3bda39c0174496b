/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "bench/sequence.h"

#define OVERTAKER_STEPS 4096 /* how far to look for a later frame of the same flow */

void
sequence_start(struct sequence *s, uint64_t first, uint32_t flows)
{
	s->next = first;
	s->flows = flows;
	s->gap_count = 0;
	s->missing = s->duplicates = s->reordered = 0;
}

static void
gap_remove(struct sequence *s, unsigned i)
{
	s->gap_count--;
	memmove(&s->gaps[i], &s->gaps[i + 1], (s->gap_count - i) * sizeof(s->gaps[0]));
}

static void
gap_insert(struct sequence *s, unsigned i, uint64_t first, uint64_t end)
{
	if (s->gap_count == SEQUENCE_GAPS) {
		gap_remove(s, 0);
		i = i ? i - 1 : 0;
	}
	memmove(&s->gaps[i + 1], &s->gaps[i], (s->gap_count - i) * sizeof(s->gaps[0]));
	s->gaps[i] = (struct sequence_gap){first, end};
	s->gap_count++;
}

/* The gap that the number is in, -1 when it arrived. */
static int
gap_find(const struct sequence *s, uint64_t number)
{
	unsigned low = 0, high = s->gap_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (number < s->gaps[middle].first)
			high = middle;
		else if (number >= s->gaps[middle].end)
			low = middle + 1;
		else
			return (int)middle;
	}
	return -1;
}

static void
gap_fill(struct sequence *s, unsigned i, uint64_t number)
{
	struct sequence_gap *gap = &s->gaps[i];
	uint64_t end = gap->end;

	s->missing--;
	if (gap->first == number) {
		gap->first++;
		if (gap->first == end)
			gap_remove(s, i);
		return;
	}
	gap->end = number;
	if (number + 1 < end)
		gap_insert(s, i + 1, number + 1, end);
}

static bool
was_overtaken(const struct sequence *s, uint64_t number)
{
	for (unsigned k = 0; k < OVERTAKER_STEPS; k++) {
		number += s->flows;
		if (number >= s->next)
			return false;
		if (gap_find(s, number) < 0)
			return true;
	}
	return true;
}

void
sequence_arrived_late(struct sequence *s, uint64_t number)
{
	int gap;

	if (number >= s->next) {
		if (number > s->next) {
			gap_insert(s, s->gap_count, s->next, number);
			s->missing += number - s->next;
		}
		s->next = number + 1;
		return;
	}
	gap = gap_find(s, number);
	if (gap < 0) {
		s->duplicates++;
		return;
	}
	gap_fill(s, (unsigned)gap, number);
	if (was_overtaken(s, number))
		s->reordered++;
}

uint64_t
sequence_end(struct sequence *s, uint64_t end)
{
	if (end > s->next) {
		s->missing += end - s->next;
		s->next = end;
	}
	return s->missing;
}
