/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command: what a user typed, understood by the tables of api/.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>

#include <jansson.h>

#include "api/schema.h"
#include "lib/err.h"

/* Exit codes. */
enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE };

#define COMMAND_WORDS_MAX   64
#define COMMAND_SOCKETS_MAX 64

struct command {
	/* Options that every command takes. */
	const char *socket; /* NULL = find it; the last one given */
	/* `bench` takes several: those of the ports that it measures between. */
	const char *sockets[COMMAND_SOCKETS_MAX];
	unsigned socket_count;
	unsigned timeout_ms;
	bool json, help, version;
	unsigned watch_ms; /* 0 = once */
	bool follow;

	/* What is left: noun, verb, arguments, in the order typed. */
	const char *words[COMMAND_WORDS_MAX];
	unsigned word_count;
	unsigned plain_from; /* words from here on stood behind "--": no options */

	const char *noun;        /* NULL when no command was typed */
	const struct verb *verb; /* NULL when only a noun was typed and help is asked for */
	unsigned argument_from;  /* first word behind noun and verb */
	json_t *params;          /* checked and canonical; owned */
};

/* Options and words, not yet understood.  -EINVAL. */
int command_split(struct command *command, int argc, char **argv, struct err *err);

/* Finds noun and verb.  -EINVAL. */
int command_find(struct command *command, struct err *err);

/* Reads the arguments into params: files read, relative paths completed, all checked. */
int command_read(struct command *command, struct err *err);

void command_free(struct command *command);

/* The parameter or key that argument `index` is by position; NULL behind the last.  With params
 * *key holds the parameter seen as a key. */
const struct key *command_positional(const struct verb *verb, unsigned index, struct key *key);

/* The key or parameter of that name; NULL if there is none.  As above. */
const struct key *verb_argument(const struct verb *verb, const char *name, struct key *key);

/* Length of the name in "name=value" ("--name=value" without the dashes); 0 when it is neither. */
size_t argument_name_length(const char *word);

/* The names of all nouns in the table, each once; NULL behind the last. */
const char *command_noun(unsigned index);
/* How many verbs a noun has; 0 = there is no such noun. */
unsigned command_verbs(const char *noun);

#endif
