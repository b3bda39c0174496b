/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/follow.h"
#include "cli/pause.h"
#include "lib/clock.h"

#define ASK_MS 250 /* the daemon is asked this often */

static const char *
member(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static int
print_row(const struct command *c, const json_t *row)
{
	char *text;

	if (!c->json) {
		printf("%s %s %s\n", member(row, "time"), member(row, "type"), member(row, "text"));
		return 0;
	}
	text = json_dumps(row, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	puts(text);
	free(text);
	return 0;
}

static int
print_rows(const struct command *c, const json_t *result)
{
	json_int_t lost = json_integer_value(json_object_get(result, "lost"));
	const json_t *rows = json_object_get(result, "rows"), *row;
	size_t i;
	int r = 0;

	if (lost)
		fprintf(stderr, "patchbay: %lld events were missed\n", (long long)lost);
	json_array_foreach (rows, i, row) {
		r = print_row(c, row);
		if (r)
			return r;
	}
	return fflush(stdout) ? -errno : 0;
}

int
follow_run(struct client *client, const struct command *c, struct err *err)
{
	uint64_t next = clock_ns();
	json_t *params = json_deep_copy(c->params);
	char method[64];
	int r = params ? 0 : err_set(err, -ENOMEM, "out of memory");

	verb_method(c->verb, method, sizeof(method));
	client->stopped = pause_catch_signals();
	while (r == 0 && !*client->stopped) {
		json_t *result;

		r = client_call(client, method, params, &result, err);
		if (r)
			break;
		r = print_rows(c, result);
		if (r)
			err_set(err, r, "cannot write the result: %s", strerror(-r));
		/* How far back to begin was asked for the first answer only. */
		json_object_del(params, "limit");
		json_object_set(params, "since", json_object_get(result, "next"));
		json_decref(result);
		next += ASK_MS * UINT64_C(1000000);
		pause_until(next);
	}
	json_decref(params);
	return client->stopped && *client->stopped ? 0 : r;
}
