/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules between filters and what they name. */
#include <errno.h>
#include <string.h>

#include "control/model.h"
#include "datapath/filter.h"

static int
check_set(
	const struct model *model, const struct filter_config *f, const char *set, struct err *err)
{
	if (!set[0] || model_first_set(model, set))
		return 0;
	return err_set(err, -ENOENT,
		"filter of port \"%s\" %s, rule %u: set \"%s\" does not exist: add it with `patchbay "
		"set add %s`",
		f->port, f->direction == FILTER_IN ? "in" : "out", f->priority, set, set);
}

/* in_group: how many rules of its port and direction there are up to this one. */
static int
check_filter(const struct model *model, const struct filter_config *f, unsigned in_group,
	const char **key, struct err *err)
{
	*key = NULL;
	if (schema_complete(&noun_filter, f, err) < 0)
		return err->code;
	if (in_group > FILTER_RULES_MAX)
		return err_set(err, -ENOSPC,
			"filter of port \"%s\": more than %u rules in one direction", f->port,
			FILTER_RULES_MAX);
	*key = "port";
	if (!model_port(model, f->port))
		return err_set(err, -ENOENT, "filter: port \"%s\" does not exist", f->port);
	*key = "src_set";
	if (check_set(model, f, f->src_set, err) < 0)
		return err->code;
	*key = "dst_set";
	return check_set(model, f, f->dst_set, err);
}

int
filters_check(const struct model *model, struct model_fault *fault, struct err *err)
{
	unsigned in_group = 0;
	const char *key;

	for (unsigned i = 0; i < model->filter_count; i++) {
		const struct filter_config *f = &model->filters[i];

		in_group = i && strcmp(f[-1].port, f->port) == 0 && f[-1].direction == f->direction
				   ? in_group + 1
				   : 1;
		if (check_filter(model, f, in_group, &key, err) == 0)
			continue;
		if (fault)
			*fault = (struct model_fault){&noun_filter, i, key};
		return err->code;
	}
	return 0;
}
