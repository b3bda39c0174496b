/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of addresses in a model: one sorted array, a row for each address and one for the set. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/model.h"

static int
compare(const void *a, const void *b)
{
	const struct set_config *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	/* SET_ITSELF before all. */
	if (order == 0)
		order = (x->address.version + 1) % 256 - (y->address.version + 1) % 256;
	if (order == 0)
		order = memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));
	return order ? order : x->address.len - y->address.len;
}

static struct set_config
row_of(const char *name, const struct ip_prefix *address)
{
	struct set_config row;

	memset(&row, 0, sizeof(row));
	memcpy(row.name, name, strnlen(name, sizeof(row.name) - 1));
	if (address)
		row.address = *address;
	else
		row.address.version = SET_ITSELF;
	return row;
}

const struct set_config *
model_first_set(const struct model *model, const char *name)
{
	struct set_config wanted = row_of(name, NULL);

	return model->set_count ? bsearch(&wanted, model->sets, model->set_count,
					  sizeof(*model->sets), compare)
				: NULL;
}

unsigned
model_group_set(const struct set_config *first)
{
	unsigned n = 0;

	while (first && strcmp(first[n].name, first->name) == 0)
		n++;
	return n;
}

int
model_add_set(struct model *model, const char *name, const struct ip_prefix *addresses,
	unsigned count, struct err *err)
{
	struct set_config *rows;
	unsigned kept = 0, all = model->set_count + count + 1;

	rows = reallocarray(model->sets, (size_t)all + 1, sizeof(*rows));
	if (!rows)
		return err_set(err, -ENOMEM, "out of memory");
	model->sets = rows;
	rows[model->set_count] = row_of(name, NULL);
	for (unsigned i = 0; i < count; i++)
		rows[model->set_count + 1 + i] = row_of(name, &addresses[i]);
	qsort(rows, all, sizeof(*rows), compare);
	for (unsigned i = 0; i < all; i++)
		if (!kept || compare(&rows[kept - 1], &rows[i]) != 0)
			rows[kept++] = rows[i];
	memset(&rows[kept], 0, sizeof(*rows));
	model->set_count = kept;
	return kept <= MODEL_SETS_MAX
		       ? 0
		       : err_set(err, -ENOSPC,
				 "no room for more addresses: all sets together have %u at most",
				 MODEL_SETS_MAX);
}

static struct set_config *
find(const struct model *model, const char *name, const struct ip_prefix *address)
{
	struct set_config wanted = row_of(name, address);

	return bsearch(&wanted, model->sets, model->set_count, sizeof(wanted), compare);
}

static void
remove_rows(struct model *model, unsigned at, unsigned count)
{
	memmove(&model->sets[at], &model->sets[at + count],
		(model->set_count - at - count + 1) * sizeof(*model->sets));
	model->set_count -= count;
}

int
model_del_set_addresses(struct model *model, const char *name, const struct ip_prefix *addresses,
	unsigned count, struct err *err)
{
	char text[IP_TEXT_SIZE];

	for (unsigned i = 0; i < count; i++)
		if (!find(model, name, &addresses[i]))
			return err_set(err, -ENOENT, "set \"%s\" has no address %s", name,
				set_address_format(&addresses[i], text));
	for (unsigned i = 0; i < count; i++) {
		const struct set_config *row = find(model, name, &addresses[i]);

		/* Named twice, it is gone already. */
		if (row)
			remove_rows(model, (unsigned)(row - model->sets), 1);
	}
	return 0;
}

void
model_del_set(struct model *model, const char *name)
{
	const struct set_config *first = model_first_set(model, name);

	if (first)
		remove_rows(model, (unsigned)(first - model->sets), model_group_set(first));
}
