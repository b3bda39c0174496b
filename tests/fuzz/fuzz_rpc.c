/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line of the control socket: any bytes.  An answer is one line of JSON; a handler sees only
 * parameters that the verb's row allows.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"
#include "control/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static json_t *
call(void *arg, const char *method, json_t *params, struct rpc_peer *peer, struct rpc_error *error)
{
	const struct verb *verb = verb_by_method(method);
	json_t *checked, *again;

	(void)arg;
	(void)peer;
	error->code = API_NO_METHOD;
	if (!verb) {
		err_set(&error->err, -ENOSYS, "there is no method \"%.60s\"", method);
		return NULL;
	}
	error->code = API_INVALID_PARAMS;
	if (verb_check(verb, params, &checked, &error->err) < 0)
		return NULL;
	/* Canonical parameters are canonical. */
	REQUIRE(verb_check(verb, checked, &again, &error->err) == 0);
	REQUIRE(json_equal(checked, again));
	json_decref(again);
	return checked;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const struct rpc_handler handler = {call, NULL};
	struct rpc_peer peer = {.may_change = true};
	size_t answer_size;
	json_t *parsed;
	bool failed;
	char *answer =
		rpc_answer(&handler, (const char *)input, size, &peer, &answer_size, &failed);

	REQUIRE(!failed);
	if (!answer)
		return 0;
	REQUIRE(memchr(answer, '\n', answer_size) == answer + answer_size - 1);
	parsed = json_loadb(answer, answer_size, 0, NULL);
	REQUIRE(parsed);
	REQUIRE(json_object_get(parsed, "result") || json_object_get(parsed, "error"));
	json_decref(parsed);
	free(answer);
	return 0;
}
