/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "datapath/drop.h"

static const struct {
	const char *name;
	const char *text;
	int direction;
} drops[DROP_COUNT] = {
#define X(identifier, way, explanation) \
	[DROP_##identifier] = {.name = #identifier, .text = explanation, .direction = DROP_##way},
	DROP_LIST(X)
#undef X
};

/* The names in lower case, spelt once per process by the constructor below. */
static char names[DROP_COUNT][32];

static void __attribute__((constructor)) drop_spell_names(void)
{
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		const char *from = drops[i].name;

		for (size_t j = 0; from[j] && j + 1 < sizeof(names[i]); j++)
			names[i][j] =
				(char)(from[j] >= 'A' && from[j] <= 'Z' ? from[j] | 0x20 : from[j]);
	}
}

const char *
drop_name(enum drop drop)
{
	return (unsigned)drop < DROP_COUNT ? names[drop] : "unknown";
}

const char *
drop_text(enum drop drop)
{
	return (unsigned)drop < DROP_COUNT ? drops[drop].text : "";
}

int
drop_direction(enum drop drop)
{
	return (unsigned)drop < DROP_COUNT ? drops[drop].direction : DROP_IN;
}
