/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/capture.h"
#include "cli/complete.h"
#include "cli/help.h"
#include "cli/local.h"
#include "cli/nic.h"
#include "cli/up.h"
#include "cli/vm.h"

static int
completion_bash(const struct command *c, struct err *err)
{
	complete_print_bash(stdout);
	return EXIT_OK;
}

static const char *
text_param(const struct command *c, const char *name)
{
	return json_string_value(json_object_get(c->params, name));
}

/* help [NOUN [VERB]] */
static int
help_show(const struct command *c, struct err *err)
{
	const char *noun = text_param(c, "noun"), *verb = text_param(c, "verb");
	struct command topic = {0};

	if (!noun) {
		help_overview(stdout);
		return EXIT_OK;
	}
	topic.words[topic.word_count++] = noun;
	if (verb)
		topic.words[topic.word_count++] = verb;
	topic.help = true;
	if (command_find(&topic, err))
		return EXIT_USAGE;
	if (topic.verb)
		help_verb(topic.verb, stdout);
	else
		help_noun(topic.noun, stdout);
	return EXIT_OK;
}

static const struct {
	const char *noun, *verb;
	int (*run)(const struct command *c, struct err *err);
} rows[] = {
	{"bench", "run", bench_run_verb},
	{"capture", "run", capture_run_verb},
	{"completion", "bash", completion_bash},
	{"down", "run", down_run_verb},
	{"help", "show", help_show},
	{"nic", "bind", nic_bind_verb},
	{"nic", "list", nic_list_verb},
	{"nic", "unbind", nic_unbind_verb},
	{"up", "run", up_run_verb},
	{"vm", "console", vm_console_verb},
	{"vm", "kill", vm_call_verb},
	{"vm", "list", vm_list_verb},
	{"vm", "log", vm_log_verb},
	{"vm", "pause", vm_call_verb},
	{"vm", "resume", vm_call_verb},
	{"vm", "run", vm_run_verb},
	{"vm", "show", vm_show_verb},
	{"vm", "stop", vm_call_verb},
};

int
local_run(const struct command *c, struct err *err)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].noun, c->verb->noun) == 0 &&
			strcmp(rows[i].verb, c->verb->name) == 0)
			return rows[i].run(c, err);
	}
	err_set(err, -ENOSYS, "`%s %s` is not part of this build", c->verb->noun, c->verb->name);
	return EXIT_FAILED;
}
