/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nearest: what a misspelt word may have meant.
 */
#include <string.h>

#include "api/schema.h"

#define WORD_MAX 40

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/*
 * How many letters are to be inserted, removed, replaced or swapped with their neighbour to get
 * from a to b (optimal string alignment).  Words longer than WORD_MAX are infinitely far away.
 */
static unsigned
word_distance(const char *a, const char *b)
{
	unsigned row[3][WORD_MAX + 1];
	unsigned *before = row[0], *last = row[1], *now = row[2];
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return (unsigned)-1;
	for (unsigned j = 0; j <= lb; j++)
		last[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *oldest = before;

		now[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			now[j] = min3(
				last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[lb];
}

const char *
nearest_name(const char *word, const char *const *names, unsigned count)
{
	size_t length = strlen(word);
	unsigned best_distance = length < 3 ? 1 : length < 6 ? 2 : 3;
	const char *best = NULL;

	if (length == 0)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		unsigned distance = word_distance(word, names[i]);

		/* The beginning of a word is near to it, however much is missing. */
		if (length >= 2 && strncmp(names[i], word, length) == 0)
			distance = 1;
		if (distance < best_distance || (!best && distance == best_distance)) {
			best = names[i];
			best_distance = distance;
		}
	}
	return best;
}
