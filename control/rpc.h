/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc: one line of JSON-RPC 2.0 in, one line out (https://www.jsonrpc.org/specification).
 *
 * Batches are refused; a request without an id is a notification and gets no answer, except when it
 * cannot be understood at all.
 */
#ifndef CONTROL_RPC_H
#define CONTROL_RPC_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "lib/err.h"
#include "lib/fd_pass.h"

#define RPC_DEPTH_MAX  16          /* of nested arrays and objects */
#define RPC_VALUES_MAX 100000      /* in one request */
#define RPC_ANSWER_MAX (16u << 20) /* bytes of one answer */

struct rpc_error {
	int code; /* API_... of api/schema.h */
	struct err err;
};

/* Who asks. */
struct rpc_peer {
	bool may_change; /* it may do more than look */

	/* Set by a handler: descriptors that go with the answer, closed when they are sent. */
	int fds[FD_PASS_MAX];
	unsigned fd_count;
	/* And what is to be called once the peer has gone, if anything. */
	void (*gone)(void *arg);
	void *arg;
};

/*
 * Does what a method says.  params is an object or NULL.  Returns the result (a new reference) or
 * NULL with *error filled.
 */
struct rpc_handler {
	json_t *(*call)(void *arg, const char *method, json_t *params, struct rpc_peer *peer,
		struct rpc_error *error);
	void *arg;
};

/*
 * Answers a line (without its newline).  The answer ends with a newline and is for free(); NULL
 * when there is nothing to say, or when memory is short (*failed).
 */
char *rpc_answer(const struct rpc_handler *handler, const char *line, size_t size,
	struct rpc_peer *peer, size_t *answer_size, bool *failed);

/* An error answer that belongs to no request; same ownership. */
char *rpc_refusal(int code, int errno_code, const char *text, size_t *answer_size);

#endif
