/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of filters in a model: one sorted array, so that those of a port stand together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/bpf.h>

#include "control/model.h"
#include "datapath/expression.h"

static int
compare(const struct filter_config *a, const char *port, int direction, uint32_t priority)
{
	int order = strcmp(a->port, port);

	if (order == 0)
		order = a->direction - direction;
	return order ? order : (a->priority > priority) - (a->priority < priority);
}

/* The first row that is not before the one described. */
static unsigned
find(const struct model *model, const char *port, int direction, uint32_t priority)
{
	unsigned from = 0, to = model->filter_count;

	while (from < to) {
		unsigned middle = (from + to) / 2;

		if (compare(&model->filters[middle], port, direction, priority) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct filter_config *
model_filter(const struct model *model, const char *port, int direction, uint32_t priority)
{
	unsigned i = find(model, port, direction, priority);

	return i < model->filter_count &&
			       compare(&model->filters[i], port, direction, priority) == 0
		       ? &model->filters[i]
		       : NULL;
}

/* Room for more rows at a place; the rows from there on move. */
static struct filter_config *
make_room(struct model *model, unsigned at, unsigned more)
{
	struct filter_config *rows =
		reallocarray(model->filters, (size_t)model->filter_count + more + 1, sizeof(*rows));

	if (!rows)
		return NULL;
	model->filters = rows;
	memmove(&rows[at + more], &rows[at], (model->filter_count - at) * sizeof(*rows));
	model->filter_count += more;
	memset(&rows[model->filter_count], 0, sizeof(*rows));
	return &rows[at];
}

int
model_add_filter(struct model *model, const struct filter_config *config, struct err *err)
{
	struct filter_config *row;

	if (model_filter(model, config->port, config->direction, config->priority))
		return err_set(err, -EEXIST, "filter of port \"%s\" %s: there is a rule %u already",
			config->port, config->direction == FILTER_IN ? "in" : "out",
			config->priority);
	if (model->filter_count >= MODEL_FILTERS_MAX)
		return err_set(err, -ENOSPC, "no room for another rule: %u is the most",
			MODEL_FILTERS_MAX);
	row = make_room(model, find(model, config->port, config->direction, config->priority), 1);
	if (!row)
		return err_set(err, -ENOMEM, "out of memory");
	*row = *config;
	return 0;
}

static void
remove_rows(struct model *model, unsigned at, unsigned count)
{
	/* With the empty row behind the last. */
	memmove(&model->filters[at], &model->filters[at + count],
		(model->filter_count - at - count + 1) * sizeof(*model->filters));
	model->filter_count -= count;
}

void
model_del_filter(struct model *model, const struct filter_config *filter)
{
	remove_rows(model, (unsigned)(filter - model->filters), 1);
}

unsigned
model_group_filters(const struct filter_config *first)
{
	unsigned n = 0;

	while (first && strcmp(first[n].port, first->port) == 0)
		n++;
	return n;
}

const struct filter_config *
model_first_filter(const struct model *model, const char *port)
{
	unsigned i = find(model, port, FILTER_IN, 0);

	return i < model->filter_count && strcmp(model->filters[i].port, port) == 0
		       ? &model->filters[i]
		       : NULL;
}

int
model_put_filters(
	struct model *model, const char *port, const struct filter_config *group, struct err *err)
{
	const struct filter_config *old = model_first_filter(model, port);
	unsigned count = model_group_filters(group);
	struct filter_config *rows;

	if (old)
		remove_rows(model, (unsigned)(old - model->filters), model_group_filters(old));
	if (!count)
		return 0;
	rows = make_room(model, find(model, port, FILTER_IN, 0), count);
	if (!rows)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(rows, group, count * sizeof(*rows));
	return 0;
}

int
filter_config_check(const struct filter_config *config, struct err *err)
{
	struct bpf_program program;
	int rc;

	if (!config->expression[0])
		return 0;
	rc = expression_compile(config->expression, &program, err);
	if (rc < 0)
		return rc;
	expression_free(&program);
	return 0;
}
