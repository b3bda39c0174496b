/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/pause.h"
#include "cli/result.h"
#include "cli/watch.h"
#include "lib/clock.h"

static int
show(const struct command *c, const json_t *result, const json_t *earlier)
{
	char *text = NULL;
	size_t size;
	FILE *out;
	int r;

	if (c->json)
		return result_print_json(result, false, stdout);
	/* Drawn at once: a terminal that is cleared first and filled later flickers. */
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	r = result_print(c->verb, c->params, result, earlier, out);
	if (fclose(out))
		r = -ENOMEM;
	if (r == 0 && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J%s", text);
	else if (r == 0)
		printf("%s\n", text);
	free(text);
	return r;
}

int
watch_run(struct client *client, const struct command *c, struct err *err)
{
	bool rates = !c->json && result_has_rates(c->verb);
	uint64_t next = clock_ns();
	json_t *earlier = NULL;
	char method[64];
	int r = 0;

	verb_method(c->verb, method, sizeof(method));
	client->stopped = pause_catch_signals();
	while (!*client->stopped) {
		json_t *result;

		r = client_call(client, method, c->params, &result, err);
		if (r)
			break;
		/* A rate needs two answers: the first of them is not shown. */
		if (!rates || earlier)
			r = show(c, result, earlier);
		json_decref(earlier);
		earlier = result;
		if (r == 0 && fflush(stdout))
			r = -errno;
		if (r) {
			err_set(err, r, "cannot write the result: %s", strerror(-r));
			break;
		}
		next += (uint64_t)c->watch_ms * 1000000;
		pause_until(next);
	}
	json_decref(earlier);
	return *client->stopped ? 0 : r;
}
