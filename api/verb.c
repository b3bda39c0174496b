/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verb: finding rows of the table of verbs.
 */
#include <stdio.h>
#include <string.h>

#include "api/schema.h"

const struct verb *
verb_find(const char *noun, const char *name)
{
	for (unsigned i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) == 0 && strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

const char *
verb_method(const struct verb *verb, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s.%s", verb->noun, verb->name);
	return buffer;
}

const struct verb *
verb_by_method(const char *method)
{
	char name[64];

	for (unsigned i = 0; i < verb_count; i++) {
		if (!(verbs[i].flags & VERB_LOCAL) &&
			strcmp(verb_method(&verbs[i], name, sizeof(name)), method) == 0)
			return &verbs[i];
	}
	return NULL;
}

const struct verb *
verb_default(const char *noun)
{
	const struct verb *only = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) != 0)
			continue;
		if (verbs[i].flags & VERB_DEFAULT)
			return &verbs[i];
		only = &verbs[i];
		count++;
	}
	return count == 1 ? only : NULL;
}
