/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sequence: which numbers of a sequence arrived: what was lost, came twice, or was overtaken by a
 * later one of its flow.
 *
 * Flow of a number: the number modulo the count of flows.  Frames that arrive in order cost one
 * comparison; memory is bounded: of more than SEQUENCE_GAPS gaps the oldest are given up as lost.
 */
#ifndef BENCH_SEQUENCE_H
#define BENCH_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#define SEQUENCE_GAPS 256

struct sequence {
	uint64_t next; /* all before it arrived, but for the gaps */
	uint32_t flows;
	unsigned gap_count;
	struct sequence_gap {
		uint64_t first, end; /* first..end-1 did not arrive */
	} gaps[SEQUENCE_GAPS];       /* ascending */
	uint64_t missing, duplicates, reordered;
};

void sequence_start(struct sequence *s, uint64_t first, uint32_t flows);

/* For a number other than `next`. */
void sequence_arrived_late(struct sequence *s, uint64_t number);

static inline void
sequence_arrived(struct sequence *s, uint64_t number)
{
	if (number == s->next)
		s->next++;
	else
		sequence_arrived_late(s, number);
}

/* Nothing comes any more; `end` is the number behind the last one sent.  Returns how many are lost. */
uint64_t sequence_end(struct sequence *s, uint64_t end);

#endif
