/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * patchbay: the command that people type.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "cli/follow.h"
#include "cli/help.h"
#include "cli/local.h"
#include "cli/result.h"
#include "cli/watch.h"

static int
call_failed(int r)
{
	return r == -EREMOTEIO || r == -EMSGSIZE || r == -ENOMEM ? EXIT_FAILED : EXIT_UNREACHABLE;
}

static int
print_result(const struct command *c, const json_t *result, struct err *err)
{
	int r = c->json ? result_print_json(result, isatty(STDOUT_FILENO), stdout)
			: result_print(c->verb, c->params, result, NULL, stdout);

	if (r == 0)
		return EXIT_OK;
	err_set(err, r, "cannot print the result: %s", strerror(-r));
	return EXIT_FAILED;
}

static int
run_remote(const struct command *c, struct err *err)
{
	struct client client;
	json_t *result = NULL;
	char method[64];
	int r, code;

	if (client_open(&client, c->socket, c->timeout_ms, err))
		return EXIT_UNREACHABLE;
	if (c->watch_ms || c->follow) {
		r = c->follow ? follow_run(&client, c, err) : watch_run(&client, c, err);
		code = r ? call_failed(r) : EXIT_OK;
	} else {
		r = client_call(&client, verb_method(c->verb, method, sizeof(method)), c->params,
			&result, err);
		code = r ? call_failed(r) : print_result(c, result, err);
	}
	json_decref(result);
	client_close(&client);
	return code;
}

static int
run_help(const struct command *c)
{
	if (c->verb)
		help_verb(c->verb, stdout);
	else if (c->noun)
		help_noun(c->noun, stdout);
	else
		help_overview(stdout);
	return EXIT_OK;
}

static int
run(struct command *c, int argc, char **argv, struct err *err)
{
	int r;

	if (command_split(c, argc, argv, err))
		return EXIT_USAGE;
	if (c->version) {
		printf("patchbay %s\n", PATCHBAY_VERSION);
		return EXIT_OK;
	}
	if (command_find(c, err))
		return EXIT_USAGE;
	if (c->help)
		return run_help(c);
	if (!c->noun) {
		help_overview(stderr);
		return EXIT_USAGE;
	}
	if (!c->verb) {
		err_set(err, -EINVAL, "`%s` needs a verb: see `patchbay %s --help`", c->noun,
			c->noun);
		return EXIT_USAGE;
	}
	r = command_read(c, err);
	if (r)
		return r == -EINVAL || r == -ERANGE || r == -ENAMETOOLONG ? EXIT_USAGE
									  : EXIT_FAILED;
	return c->verb->flags & VERB_LOCAL ? local_run(c, err) : run_remote(c, err);
}

/* Words that scripts use, not people. */
static int
run_internal(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
		complete_print(argv + 2, argc - 2, stdout);
		return EXIT_OK;
	}
	if (argc == 2 && strcmp(argv[1], "__reference") == 0) {
		schema_write_reference(stdout);
		return EXIT_OK;
	}
	return -1;
}

/* An error may quote what others have written: nothing of it reaches the terminal's controls. */
static void
print_error(const char *text)
{
	fputs("patchbay: ", stderr);
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, stderr);
	fputc('\n', stderr);
}

int
main(int argc, char **argv)
{
	struct command command = {0};
	struct err err = {0};
	int code = run_internal(argc, argv);

	if (code < 0)
		code = run(&command, argc, argv, &err);
	command_free(&command);
	if ((fflush(stdout) || ferror(stdout)) && code == EXIT_OK) {
		err_set(&err, -EIO, "cannot write to standard output: %s", strerror(errno));
		code = EXIT_FAILED;
	}
	if (err.code && code != EXIT_OK)
		print_error(err.text);
	return code;
}
