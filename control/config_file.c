/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_file.h"
#include "lib/file.h"

/* FDB and FILTERS are lists, the others mappings of names. */
enum { BRIDGES, PORTS, FDB, FILTERS, MIRRORS, NOUN_SECTIONS, SETS = NOUN_SECTIONS, SECTION_COUNT };

static const char *const section_names[SECTION_COUNT] = {
	"bridges", "ports", "fdb", "filters", "mirrors", "sets"};
static const struct noun *const section_nouns[NOUN_SECTIONS] = {
	&noun_bridge, &noun_port, &noun_fdb, &noun_filter, &noun_mirror};

/* Room for one object of any section. */
union object {
	struct bridge_config bridge;
	struct port_config port;
	struct fdb_config fdb;
	struct filter_config filter;
	struct mirror_config mirror;
};

/* An object's place in the document. */
struct place {
	const json_t *section; /* the mapping or sequence that holds it */
	const char *key;       /* its name; NULL in a sequence */
	size_t index;
	json_t *members; /* null for "br0:" */
};

/* "list, of, numbers" of a sequence: the schema takes sets as text. */
static json_t *
join_sequence(const json_t *sequence)
{
	json_t *element, *joined = json_string("");
	size_t i;

	json_array_foreach (sequence, i, element) {
		json_t *next;

		if (!json_is_string(element) && !json_is_integer(element)) {
			json_decref(joined);
			return json_incref((json_t *)sequence);
		}
		next = json_is_string(element) ? json_sprintf("%s%s%s", json_string_value(joined),
							 i ? "," : "", json_string_value(element))
					       : json_sprintf("%s%s%" JSON_INTEGER_FORMAT,
							 json_string_value(joined), i ? "," : "",
							 json_integer_value(element));
		json_decref(joined);
		joined = next;
	}
	return joined;
}

/* One key of an object. */
static int
read_member(struct config_file *file, const struct noun *noun, union object *object,
	const struct place *place, const char *key, json_t *value, struct err *err)
{
	json_t *single = json_object();
	int rc;

	if (json_is_array(value) && json_array_size(value) > 0)
		value = join_sequence(value);
	else
		json_incref(value);
	if (!single || !value || json_object_set_new(single, key, value) < 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	else
		rc = schema_load(noun, object, single, false, err);
	json_decref(single);
	if (rc < 0)
		document_prefix(&file->document,
			document_line(&file->document, place->members, key, 0), err);
	return rc;
}

static int
append_object(
	struct config_file *file, unsigned section, const union object *object, struct err *err)
{
	switch (section) {
	case BRIDGES:
		return model_add_bridge(&file->model, &object->bridge, err);
	case PORTS:
		return model_add_port(&file->model, &object->port, err);
	case FDB:
		return model_add_fdb(&file->model, &object->fdb, err);
	case MIRRORS:
		return model_add_mirror(&file->model, &object->mirror, err);
	default:
		return filter_config_check(&object->filter, err) < 0
			       ? err->code
			       : model_add_filter(&file->model, &object->filter, err);
	}
}

static unsigned
place_line(const struct config_file *file, const struct place *place)
{
	return document_line(&file->document, place->section, place->key, place->index);
}

/* The name stands outside of the object. */
static int
read_name(const struct noun *noun, union object *object, const struct place *place, struct err *err)
{
	json_t *name;
	int rc;

	if (!place->key)
		return 0;
	if (json_object_get(place->members, "name"))
		return err_set(err, -EINVAL,
			"%s \"%s\": its name stands before the colon, not in a key", noun->name,
			place->key);
	name = json_string(place->key);
	rc = name ? schema_set(noun_key(noun, "name"), object, name, err)
		  : err_set(err, -ENOMEM, "out of memory");
	json_decref(name);
	return rc;
}

static int
read_object(struct config_file *file, unsigned section, const struct place *place, struct err *err)
{
	const struct noun *noun = section_nouns[section];
	union object object;
	const char *key;
	json_t *value;
	int rc;

	if (!json_is_object(place->members) && !(place->key && json_is_null(place->members))) {
		err_set(err, -EINVAL, "a %s is a mapping of keys to values", noun->name);
		return document_prefix(&file->document, place_line(file, place), err);
	}
	schema_defaults(noun, &object);
	rc = read_name(noun, &object, place, err);
	if (rc < 0)
		return document_prefix(&file->document, place_line(file, place), err);
	/* The type decides which other keys there are. */
	value = section == PORTS ? json_object_get(place->members, "type") : NULL;
	if (value)
		rc = read_member(file, noun, &object, place, "type", value, err);
	json_object_foreach (place->members, key, value) {
		if (rc == 0 && !(section == PORTS && strcmp(key, "type") == 0))
			rc = read_member(file, noun, &object, place, key, value, err);
	}
	if (rc < 0)
		return rc;
	rc = append_object(file, section, &object, err);
	return rc < 0 ? document_prefix(&file->document, place_line(file, place), err) : 0;
}

static bool
is_list(unsigned section)
{
	return section == FDB || section == FILTERS;
}

static int
read_section(struct config_file *file, unsigned section, json_t *content, struct err *err)
{
	struct place place = {.section = content};
	json_t *element;
	int rc = 0;

	if (json_is_null(content))
		return 0;
	if (is_list(section) ? !json_is_array(content) : !json_is_object(content)) {
		err_set(err, -EINVAL,
			is_list(section)  ? "\"%s\" is a list of mappings"
			: section == SETS ? "\"%s\" is a mapping of names to lists of addresses"
					  : "\"%s\" is a mapping of names to objects",
			section_names[section]);
		return document_prefix(&file->document,
			document_line(
				&file->document, file->document.root, section_names[section], 0),
			err);
	}
	if (section == SETS)
		return config_read_sets(file, content, err);
	if (is_list(section)) {
		json_array_foreach (content, place.index, element) {
			place.members = element;
			rc = read_object(file, section, &place, err);
			if (rc < 0)
				break;
		}
		return rc;
	}
	json_object_foreach (content, place.key, element) {
		place.members = element;
		rc = read_object(file, section, &place, err);
		if (rc < 0)
			break;
	}
	return rc;
}

static int
read_root(struct config_file *file, struct err *err)
{
	json_t *root = file->document.root, *content;
	const char *key;

	if (!root || json_is_null(root))
		return 0;
	if (!json_is_object(root))
		return err_set(err, -EINVAL,
			"%s: a configuration is a mapping with the keys bridges, ports, fdb, "
			"filters, mirrors and sets",
			file->document.source);
	json_object_foreach (root, key, content) {
		unsigned section = 0;
		int rc;

		while (section < SECTION_COUNT && strcmp(key, section_names[section]) != 0)
			section++;
		if (section == SECTION_COUNT) {
			const char *near = nearest_name(key, section_names, SECTION_COUNT);

			if (strcmp(key, "vms") == 0)
				err_set(err, -EINVAL,
					"virtual machines (\"vms\") are not the switch's: start them "
					"and the rest of the file with `patchbay up`");
			else
				err_set(err, -EINVAL, "unknown key \"%.40s\": %s%s%s", key,
					near ? "did you mean \""
					     : "there are bridges, ports, fdb, filters, mirrors and sets",
					near ? near : "", near ? "\"?" : "");
			return document_prefix(
				&file->document, document_line(&file->document, root, key, 0), err);
		}
		rc = read_section(file, section, content, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Where the rule stands that the model, which sorts them, has at this index. */
static size_t
filter_place(const json_t *section, const struct config_file *file, unsigned index)
{
	const struct filter_config *wanted = &file->model.filters[index];
	struct filter_config found;
	const json_t *element;
	size_t i;

	json_array_foreach (section, i, element) {
		schema_defaults(&noun_filter, &found);
		if (schema_load(&noun_filter, &found, element, false, NULL) == 0 &&
			strcmp(found.port, wanted->port) == 0 &&
			found.direction == wanted->direction && found.priority == wanted->priority)
			return i;
	}
	return 0;
}

/* The line of what model_check() found. */
static unsigned
fault_line(const struct config_file *file, const struct model_fault *fault)
{
	const struct document *d = &file->document;
	const json_t *section, *object;
	unsigned line = 0, s = 0;
	const char *name;

	while (s < NOUN_SECTIONS && section_nouns[s] != fault->noun)
		s++;
	if (s == NOUN_SECTIONS)
		return 0;
	section = json_object_get(d->root, section_names[s]);
	if (is_list(s)) {
		size_t at = s == FDB ? fault->index : filter_place(section, file, fault->index);

		object = json_array_get(section, at);
		line = fault->key ? document_line(d, object, fault->key, 0) : 0;
		return line ? line : document_line(d, section, NULL, at);
	}
	name = s == BRIDGES   ? file->model.bridges[fault->index].name
	       : s == MIRRORS ? file->model.mirrors[fault->index].name
			      : file->model.ports[fault->index].name;
	object = json_object_get(section, name);
	line = fault->key ? document_line(d, object, fault->key, 0) : 0;
	return line ? line : document_line(d, section, name, 0);
}

int
config_read(struct config_file *file, const char *source, const char *text, size_t size,
	struct err *err)
{
	struct model_fault fault;
	struct err local;
	int rc;

	err = err ? err : &local;
	memset(file, 0, sizeof(*file));
	if (size > CONFIG_TEXT_MAX)
		return err_set(err, -E2BIG, "%s: more than %u MiB", source, CONFIG_TEXT_MAX >> 20);
	rc = document_parse(&file->document, source, text, size, err);
	if (rc < 0)
		return rc;
	rc = read_root(file, err);
	if (rc == 0) {
		rc = model_check(&file->model, &fault, err);
		if (rc < 0)
			document_prefix(&file->document, fault_line(file, &fault), err);
	}
	if (rc < 0)
		config_free(file);
	return rc;
}

/* The whole file; *text is for free(). */
static int
read_file(const char *path, char **text, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0)
		return -errno;
	rc = file_read(fd, CONFIG_TEXT_MAX, text, size);
	close(fd);
	return rc;
}

int
config_load(struct config_file *file, const char *path, struct err *err)
{
	size_t size;
	char *text;
	int rc = read_file(path, &text, &size);

	memset(file, 0, sizeof(*file));
	if (rc == -EINVAL)
		return err_set(err, rc, "configuration %s is not a regular file", path);
	if (rc == -EFBIG)
		return err_set(err, rc, "configuration %s is larger than %u MiB", path,
			CONFIG_TEXT_MAX >> 20);
	if (rc < 0)
		return err_set(err, rc, "cannot read configuration %s: %s", path, strerror(-rc));
	rc = config_read(file, path, text, size, err);
	free(text);
	return rc;
}

void
config_free(struct config_file *file)
{
	model_free(&file->model);
	document_free(&file->document);
}

/* ---- the other way round ---- */

static json_t *
store_named(const struct noun *noun, const char *items, unsigned count)
{
	json_t *section = json_object();

	for (unsigned i = 0; section && i < count; i++) {
		const char *object = items + i * noun->size; /* begins with its name */
		json_t *members = schema_store(noun, object, false, false);

		if (!members || json_object_set_new(section, object, members) < 0) {
			json_decref(section);
			return NULL;
		}
	}
	return section;
}

static json_t *
store_list(const struct noun *noun, const void *items, unsigned count)
{
	json_t *section = json_array();

	for (unsigned i = 0; section && i < count; i++) {
		json_t *members =
			schema_store(noun, (const char *)items + i * noun->size, false, true);

		if (!members || json_array_append_new(section, members) < 0) {
			json_decref(section);
			return NULL;
		}
	}
	return section;
}

json_t *
config_store(const struct model *model)
{
	json_t *root = json_object();

	if (json_object_set_new(root, "bridges",
		    store_named(&noun_bridge, (const char *)model->bridges, model->bridge_count)) <
			0 ||
		json_object_set_new(root, "ports",
			store_named(&noun_port, (const char *)model->ports, model->port_count)) <
			0 ||
		json_object_set_new(
			root, "fdb", store_list(&noun_fdb, model->fdb, model->fdb_count)) < 0 ||
		(model->filter_count && json_object_set_new(root, "filters",
						store_list(&noun_filter, model->filters,
							model->filter_count)) < 0) ||
		(model->mirror_count &&
			json_object_set_new(root, "mirrors",
				store_named(&noun_mirror, (const char *)model->mirrors,
					model->mirror_count)) < 0) ||
		(model->set_count &&
			json_object_set_new(root, "sets", config_store_sets(model)) < 0)) {
		json_decref(root);
		return NULL;
	}
	return root;
}
