/* SPDX-License-Identifier: BSD-3-Clause */
/* The section "sets" of a configuration: names, and lists of addresses. */
#include <errno.h>
#include <stdlib.h>

#include "control/config_file.h"
#include "lib/parse.h"

static int
read_set(struct config_file *file, const char *name, const json_t *list, struct err *err)
{
	struct ip_prefix *addresses = NULL, *one;
	const json_t *element;
	unsigned count = 0, n;
	size_t i;
	int rc = 0;

	if (!name_is_valid(name, CONFIG_NAME_SIZE))
		return err_set(err, -EINVAL, "\"%.40s\" is no name for a set", name);
	if (!json_is_array(list) && !json_is_null(list))
		return err_set(err, -EINVAL, "set \"%s\" is a list of addresses", name);
	if (json_array_size(list)) {
		addresses = calloc(json_array_size(list), sizeof(*addresses));
		if (!addresses)
			return err_set(err, -ENOMEM, "out of memory");
	}
	json_array_foreach (list, i, element) {
		rc = json_is_string(element)
			     ? set_addresses_parse(json_string_value(element), &one, &n, err)
			     : err_set(err, -EINVAL, "set \"%s\" is a list of addresses", name);
		if (rc < 0)
			break;
		if (n == 1)
			addresses[count++] = one[0];
		free(one);
		if (n != 1) {
			rc = err_set(err, -EINVAL, "set \"%s\": one address each", name);
			break;
		}
	}
	if (rc == 0)
		rc = model_add_set(&file->model, name, addresses, count, err);
	free(addresses);
	return rc;
}

int
config_read_sets(struct config_file *file, json_t *content, struct err *err)
{
	const char *name;
	json_t *list;

	json_object_foreach (content, name, list) {
		if (read_set(file, name, list, err) < 0)
			return document_prefix(&file->document,
				document_line(&file->document, content, name, 0), err);
	}
	return 0;
}

json_t *
config_store_sets(const struct model *model)
{
	json_t *section = json_object(), *list = NULL;
	char text[IP_TEXT_SIZE];

	for (unsigned i = 0; section && i < model->set_count; i++) {
		const struct set_config *row = &model->sets[i];
		int rc;

		if (row->address.version == SET_ITSELF) {
			list = json_array();
			rc = json_object_set_new(section, row->name, list);
		} else {
			rc = json_array_append_new(
				list, json_string(set_address_format(&row->address, text)));
		}
		if (rc < 0) {
			json_decref(section);
			return NULL;
		}
	}
	return section;
}
