/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * word: lists of words separated by spaces, as the tables have them.
 */
#include <string.h>

#include "api/schema.h"

/* The first word at or after p; NULL at the end. */
static const char *
word_next(const char *p, size_t *length)
{
	p += strspn(p, " ");
	*length = strcspn(p, " ");
	return *length ? p : NULL;
}

bool
word_at(const char *list, unsigned i, char *buffer, size_t size)
{
	const char *p = list;
	size_t n;

	while (p && (p = word_next(p, &n))) {
		if (i-- == 0) {
			if (n >= size)
				return false;
			memcpy(buffer, p, n);
			buffer[n] = '\0';
			return true;
		}
		p += n;
	}
	return false;
}

int
word_index(const char *list, const char *word)
{
	size_t length = strlen(word), n;
	const char *p = list;

	for (int i = 0; p && (p = word_next(p, &n)); i++, p += n) {
		if (n == length && memcmp(p, word, n) == 0)
			return i;
	}
	return -1;
}
