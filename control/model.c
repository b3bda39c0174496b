/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/model.h"

void
model_free(struct model *model)
{
	free(model->bridges);
	free(model->ports);
	free(model->fdb);
	free(model->filters);
	free(model->sets);
	free(model->mirrors);
	memset(model, 0, sizeof(*model));
}

static int
copy_array(void *to, const void *from, size_t count, size_t size)
{
	void *items = NULL;

	if (count) {
		items = malloc(count * size);
		if (!items)
			return -ENOMEM;
		memcpy(items, from, count * size);
	}
	memcpy(to, &items, sizeof(items));
	return 0;
}

/* With the empty row behind the last. */
static int
copy_ended(void *to, const void *from, unsigned count, size_t size)
{
	return copy_array(to, from, from ? count + 1u : 0, size);
}

int
model_copy(struct model *to, const struct model *from)
{
	memset(to, 0, sizeof(*to));
	if (copy_array(&to->bridges, from->bridges, from->bridge_count, sizeof(*to->bridges)) < 0 ||
		copy_array(&to->ports, from->ports, from->port_count, sizeof(*to->ports)) < 0 ||
		copy_array(&to->fdb, from->fdb, from->fdb_count, sizeof(*to->fdb)) < 0 ||
		copy_ended(&to->filters, from->filters, from->filter_count, sizeof(*to->filters)) <
			0 ||
		copy_ended(&to->sets, from->sets, from->set_count, sizeof(*to->sets)) < 0 ||
		copy_array(&to->mirrors, from->mirrors, from->mirror_count, sizeof(*to->mirrors)) <
			0) {
		model_free(to);
		return -ENOMEM;
	}
	to->bridge_count = from->bridge_count;
	to->port_count = from->port_count;
	to->fdb_count = from->fdb_count;
	to->filter_count = from->filter_count;
	to->set_count = from->set_count;
	to->mirror_count = from->mirror_count;
	return 0;
}

struct bridge_config *
model_bridge(const struct model *model, const char *name)
{
	for (unsigned i = 0; i < model->bridge_count; i++) {
		if (strcmp(model->bridges[i].name, name) == 0)
			return &model->bridges[i];
	}
	return NULL;
}

struct port_config *
model_port(const struct model *model, const char *name)
{
	for (unsigned i = 0; i < model->port_count; i++) {
		if (strcmp(model->ports[i].name, name) == 0)
			return &model->ports[i];
	}
	return NULL;
}

struct fdb_config *
model_fdb(const struct model *model, const char *bridge, const struct mac *mac, uint32_t vlan)
{
	for (unsigned i = 0; i < model->fdb_count; i++) {
		struct fdb_config *f = &model->fdb[i];

		if (f->vlan == vlan && memcmp(&f->mac, mac, sizeof(*mac)) == 0 &&
			strcmp(f->bridge, bridge) == 0)
			return f;
	}
	return NULL;
}

struct mirror_config *
model_mirror(const struct model *model, const char *name)
{
	for (unsigned i = 0; i < model->mirror_count; i++) {
		if (strcmp(model->mirrors[i].name, name) == 0)
			return &model->mirrors[i];
	}
	return NULL;
}

bool
name_list_has(const struct name_list *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->names[i], name) == 0)
			return true;
	}
	return false;
}

static int
append(void *array, unsigned *count, const void *item, size_t size)
{
	char *items;

	memcpy(&items, array, sizeof(items));
	items = reallocarray(items, (size_t)*count + 1, size);
	if (!items)
		return -ENOMEM;
	memcpy(array, &items, sizeof(items));
	memcpy(items + *count * size, item, size);
	(*count)++;
	return 0;
}

static int
add(void *array, unsigned *count, unsigned max, const void *item, const struct noun *noun,
	struct err *err)
{
	if (*count >= max)
		return err_set(
			err, -ENOSPC, "no room for another %s: %u is the most", noun->name, max);
	if (append(array, count, item, noun->size) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

int
model_add_bridge(struct model *model, const struct bridge_config *config, struct err *err)
{
	return add(&model->bridges, &model->bridge_count, CONFIG_BRIDGES_MAX, config, &noun_bridge,
		err);
}

int
model_add_port(struct model *model, const struct port_config *config, struct err *err)
{
	return add(&model->ports, &model->port_count, CONFIG_PORTS_MAX, config, &noun_port, err);
}

int
model_add_fdb(struct model *model, const struct fdb_config *config, struct err *err)
{
	return add(&model->fdb, &model->fdb_count, MODEL_FDB_MAX, config, &noun_fdb, err);
}

int
model_add_mirror(struct model *model, const struct mirror_config *config, struct err *err)
{
	return add(&model->mirrors, &model->mirror_count, CONFIG_MIRRORS_MAX, config, &noun_mirror,
		err);
}

void
model_del_mirror(struct model *model, const struct mirror_config *mirror)
{
	unsigned i = (unsigned)(mirror - model->mirrors);

	model->mirror_count--;
	memmove(&model->mirrors[i], &model->mirrors[i + 1],
		(model->mirror_count - i) * sizeof(*model->mirrors));
}

void
model_del_bridge(struct model *model, const struct bridge_config *bridge)
{
	unsigned i = (unsigned)(bridge - model->bridges);

	model->bridge_count--;
	memmove(&model->bridges[i], &model->bridges[i + 1],
		(model->bridge_count - i) * sizeof(*model->bridges));
}

void
model_del_fdb(struct model *model, const struct fdb_config *fdb)
{
	unsigned i = (unsigned)(fdb - model->fdb);

	model->fdb_count--;
	memmove(&model->fdb[i], &model->fdb[i + 1], (model->fdb_count - i) * sizeof(*model->fdb));
}

void
model_del_port(struct model *model, const struct port_config *port)
{
	unsigned i = (unsigned)(port - model->ports), kept = 0;

	for (unsigned f = 0; f < model->fdb_count; f++) {
		if (strcmp(model->fdb[f].port, port->name) != 0)
			model->fdb[kept++] = model->fdb[f];
	}
	model->fdb_count = kept;
	/* Making rules fewer needs no memory. */
	model_put_filters(model, port->name, NULL, NULL);
	model->port_count--;
	memmove(&model->ports[i], &model->ports[i + 1],
		(model->port_count - i) * sizeof(*model->ports));
}
