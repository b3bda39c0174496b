/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe_track: what became of the numbered frames of one direction: lost, doubled, out of order,
 * and how long they took.
 */
#ifndef TESTS_TOOLS_PROBE_TRACK_H
#define TESTS_TOOLS_PROBE_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#define TRACK_WINDOW 1048576 /* numbers behind the highest seen that are told apart */

/* Counts by power of two with 32 steps in each: 3 % of error. */
struct histogram {
	uint64_t counts[64 * 32];
	uint64_t total, max;
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value below which the share (0..1) of the counts lies; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

struct track {
	uint64_t sent;     /* cells */
	uint64_t received; /* cells, each number once */
	uint64_t doubled, reordered, damaged;
	uint64_t first; /* number that counting began with */
	uint64_t next;  /* highest number seen, plus 1 */
	uint8_t seen[TRACK_WINDOW / 8];
};

/* Notes `count` numbers from `number` on. */
void track_note(struct track *track, uint64_t number, unsigned count);

#endif
