/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table: text in aligned columns.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table {
	unsigned columns;
	char **cells; /* row by row; NULL = nothing to show */
	size_t count, capacity;
	bool failed; /* memory was short: nothing is printed */
};

void table_start(struct table *table, unsigned columns);

/* The next cell, row by row.  Takes ownership of text (from malloc), which may be NULL. */
void table_add(struct table *table, char *text);
void table_add_copy(struct table *table, const char *text);

/*
 * Prints; right[i] puts column i to the right.  A column whose cells below the title are all empty
 * is left out.  false: memory was short when it was filled.
 */
bool table_print(const struct table *table, const bool *right, FILE *file);

void table_free(struct table *table);

#endif
