/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration file: any bytes.  What is accepted is a consistent model that survives being
 * printed and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct config_file first, second;
	struct err err = {0};
	struct plan plan;
	json_t *json;
	char *text;

	if (config_read(&first, "f", (const char *)input, size, &err) < 0) {
		REQUIRE(err.text[0] == 'f' && err.text[1] == ':');
		return 0;
	}
	REQUIRE(model_check(&first.model, NULL, NULL) == 0);
	json = config_store(&first.model);
	text = document_print(json);
	REQUIRE(text && config_read(&second, "f", text, strlen(text), &err) == 0);
	REQUIRE(plan_make(&plan, &first.model, &second.model) == 0 && plan.count == 0);
	plan_free(&plan);
	free(text);
	json_decref(json);
	config_free(&first);
	config_free(&second);
	return 0;
}
