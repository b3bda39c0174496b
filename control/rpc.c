/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: whoever may open the control socket sends any bytes.  Size is bounded by the server,
 * nesting and number of values here before the parser allocates anything; NUL bytes, invalid UTF-8,
 * duplicate members and numbers that do not fit are errors of the parser.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"
#include "control/rpc.h"

/* Bounds depth and number of values of a JSON text, whether or not it is one. */
static int
check_bounds(const char *text, size_t size, struct err *err)
{
	unsigned depth = 0, values = 0;
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth)
			depth--;
		if (c == '[' || c == '{' || c == ',')
			values++;
		if (depth > RPC_DEPTH_MAX)
			return err_set(err, -E2BIG, "the request is nested more than %d deep",
				RPC_DEPTH_MAX);
		if (values > RPC_VALUES_MAX)
			return err_set(
				err, -E2BIG, "the request has more than %d values", RPC_VALUES_MAX);
	}
	return 0;
}

/* Texts may quote what a peer sent, cut in the middle of a character. */
static json_t *
safe_string(const char *text)
{
	json_t *string = json_string(text);
	char copy[ERR_TEXT_MAX];
	size_t i;

	if (string)
		return string;
	for (i = 0; text[i] && i < sizeof(copy) - 1; i++)
		copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	copy[i] = '\0';
	return json_string(copy);
}

static json_t *
error_object(const struct rpc_error *error)
{
	const char *name = error->err.code ? strerrorname_np(-error->err.code) : NULL;
	json_t *object = json_object();

	json_object_set_new(object, "code", json_integer(error->code));
	json_object_set_new(object, "message", safe_string(error->err.text));
	if (name)
		json_object_set_new(object, "data", json_pack("{s:s}", "errno", name));
	return object;
}

/* Takes result (or NULL for an error) and makes the line. */
static char *
print_answer(const json_t *id, json_t *result, const struct rpc_error *error, size_t *size)
{
	json_t *answer = json_object();
	char *line;

	json_object_set_new(answer, "jsonrpc", json_string("2.0"));
	json_object_set(answer, "id", id ? (json_t *)id : json_null());
	if (result)
		json_object_set_new(answer, "result", result);
	else
		json_object_set_new(answer, "error", error_object(error));
	*size = json_dumpb(answer, NULL, 0, JSON_COMPACT);
	line = *size && *size <= RPC_ANSWER_MAX ? malloc(*size + 1) : NULL;
	if (line) {
		json_dumpb(answer, line, *size, JSON_COMPACT);
		line[(*size)++] = '\n';
	}
	json_decref(answer);
	return line;
}

char *
rpc_refusal(int code, int errno_code, const char *text, size_t *answer_size)
{
	struct rpc_error error = {.code = code};

	err_set(&error.err, errno_code, "%s", text);
	return print_answer(NULL, NULL, &error, answer_size);
}

static int
invalid(struct rpc_error *error, const char *text)
{
	error->code = API_INVALID_REQUEST;
	return err_set(&error->err, -EINVAL, "%s", text);
}

/* The envelope: every member checked, the unknown refused. */
static int
check_request(const json_t *request, const char **method, json_t **params, struct rpc_error *error)
{
	const json_t *version = json_object_get(request, "jsonrpc");
	const json_t *name = json_object_get(request, "method");
	const json_t *id = json_object_get(request, "id");
	const char *member;
	json_t *value;

	if (json_is_array(request))
		return invalid(error, "batches are not supported: send one request per line");
	if (!json_is_object(request))
		return invalid(error, "a request is a JSON object");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return invalid(error, "the member \"jsonrpc\" must be \"2.0\"");
	if (!json_is_string(name))
		return invalid(error, "the member \"method\" must be a string");
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return invalid(error, "the member \"id\" must be a string, a number or null");
	json_object_foreach ((json_t *)request, member, value) {
		if (strcmp(member, "jsonrpc") != 0 && strcmp(member, "method") != 0 &&
			strcmp(member, "id") != 0 && strcmp(member, "params") != 0)
			return invalid(error,
				"a request has the members jsonrpc, method, params and id only");
	}
	*method = json_string_value(name);
	*params = json_object_get(request, "params");
	if (*params && !json_is_object(*params)) {
		error->code = API_INVALID_PARAMS;
		return err_set(&error->err, -EINVAL, "params must be an object with named members");
	}
	return 0;
}

static json_t *
parse(const char *line, size_t size, struct rpc_error *error)
{
	json_error_t why;
	json_t *request;

	error->code = API_PARSE_ERROR;
	if (check_bounds(line, size, &error->err) < 0)
		return NULL;
	request = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!request)
		err_set(&error->err, -EBADMSG, "not a JSON text: %s (byte %d)", why.text,
			why.position);
	return request;
}

char *
rpc_answer(const struct rpc_handler *handler, const char *line, size_t size, struct rpc_peer *peer,
	size_t *answer_size, bool *failed)
{
	struct rpc_error error = {0};
	json_t *request = parse(line, size, &error), *params = NULL, *result = NULL;
	const json_t *id = json_object_get(request, "id");
	const char *method = NULL;
	bool understood = false, has_result;
	char *answer;

	*failed = false;
	if (request && check_request(request, &method, &params, &error) == 0) {
		understood = true;
		result = handler->call(handler->arg, method, params, peer, &error);
	}
	if (understood && !id) {
		json_decref(result);
		json_decref(request);
		return NULL;
	}
	has_result = result != NULL;
	answer = print_answer(id, result, &error, answer_size);
	if (!answer && has_result) {
		/* json_dumpb() said how large it would have been. */
		error.code = API_FAILED;
		err_set(&error.err, *answer_size > RPC_ANSWER_MAX ? -EMSGSIZE : -ENOMEM, "%s",
			*answer_size > RPC_ANSWER_MAX ? "the answer is too long: ask for less of it"
						      : "out of memory");
		answer = print_answer(id, NULL, &error, answer_size);
	}
	*failed = !answer;
	json_decref(request);
	return answer;
}
