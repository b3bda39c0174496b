/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "control/command.h"
#include "control/config_file.h"

static json_t *
config_show(struct state *state, const json_t *params, struct err *err)
{
	json_t *config, *result;
	struct model shown;
	char *text;

	(void)params;
	if (model_copy_unowned(&shown, &state->running))
		return command_no_memory(err);
	config = config_store(&shown);
	model_free(&shown);
	text = config ? document_print(config) : NULL;
	result = text ? json_pack("{s:o, s:s}", "config", config, "text", text) : NULL;
	if (!result) {
		if (!text)
			json_decref(config);
		command_no_memory(err);
	}
	free(text);
	return result;
}

static json_t *
config_apply(struct state *state, const json_t *params, struct err *err)
{
	const json_t *text = json_object_get(params, "text");
	const char *source = param_text(params, "source");
	struct config_file file;
	json_t *changes, *kept;
	int rc;

	rc = config_read(&file, source ? source : "configuration", json_string_value(text),
		json_string_length(text), err);
	if (rc < 0)
		return NULL;
	changes = json_array();
	kept = json_array();
	rc = state_apply(state, &file.model, param_true(params, "dry_run"), changes, kept, err);
	if (rc < 0) {
		document_prefix(&file.document, 0, err);
		json_decref(changes);
		json_decref(kept);
	}
	config_free(&file);
	if (rc < 0)
		return NULL;
	return json_pack("{s:o, s:o}", "changes", changes, "kept", kept);
}

const struct command config_commands[] = {
	{"config.show", config_show},
	{"config.apply", config_apply},
	{NULL},
};
