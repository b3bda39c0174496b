/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/schema.h"
#include "cli/up_file.h"

#define SECTION_NAMES "bridges, sets, ports, fdb, filters, mirrors and vms"

/* In the order in which they are made. */
static const struct section {
	const char *name, *method; /* NULL: virtual machines */
	bool list;                 /* of objects; else a mapping of names to objects */
} sections[] = {
	{"bridges", "bridge.add", false},
	{"sets", "set.load", false},
	{"ports", "port.add", false},
	{"fdb", "fdb.add", true},
	{"filters", "filter.add", true},
	{"mirrors", "mirror.add", false},
	{"vms", NULL, false},
};

#define SECTION_COUNT (sizeof(sections) / sizeof(sections[0]))

/* ---- objects of the switch ---- */

/* The addresses of a set as the text that set.load takes. */
static json_t *
set_members(const json_t *addresses, struct err *err)
{
	json_t *text = json_string("");
	const json_t *address;
	size_t i;

	json_array_foreach (addresses, i, address) {
		json_t *longer = json_sprintf("%s%s\n", json_string_value(text),
			json_is_string(address) ? json_string_value(address) : "?");

		json_decref(text);
		text = longer;
	}
	if (json_is_array(addresses) || json_is_null(addresses))
		return json_pack("{s:o}", "text", text);
	json_decref(text);
	err_set(err, -EINVAL, "a set is a list of addresses");
	return NULL;
}

/* Is it the name of a port that a virtual machine brings? */
static bool
is_machines_port(const struct up_file *f, const char *port)
{
	for (unsigned i = 0; port && i < f->object_count; i++) {
		const char *name = json_string_value(json_object_get(f->objects[i].params, "name"));

		if (strcmp(f->objects[i].method, "port.add") == 0 && strcmp(name, port) == 0)
			return false;
	}
	return port;
}

/* Is it about a port that a virtual machine brings? */
static bool
is_late(const struct up_file *f, const struct up_object *object)
{
	struct mirror_config mirror;
	bool late;

	if (strcmp(object->method, "mirror.add") != 0 ||
		schema_load(&noun_mirror, &mirror, object->params, false, NULL))
		return is_machines_port(
			f, json_string_value(json_object_get(object->params, "port")));
	late = is_machines_port(f, mirror.to);
	for (unsigned i = 0; i < mirror.from.count; i++)
		late |= is_machines_port(f, mirror.from.names[i]);
	return late;
}

static int
add_object(struct up_file *f, const struct section *section, const char *name, json_t *members,
	unsigned line, struct err *err)
{
	bool set = strcmp(section->name, "sets") == 0;
	json_t *params = set                       ? set_members(members, err)
			 : json_is_object(members) ? json_copy(members)
						   : json_object();
	struct up_object *objects =
		realloc(f->objects, (f->object_count + 1) * sizeof(*f->objects));
	struct up_object *object;
	int r;

	f->objects = objects ? objects : f->objects;
	if (!params || !objects) {
		json_decref(params);
		if (!objects || !set)
			return err_set(err, -ENOMEM, "out of memory");
		return document_prefix(&f->document, line, err);
	}
	object = &objects[f->object_count];
	*object = (struct up_object){.method = section->method, .line = line};
	if (name)
		json_object_set_new(params, "name", json_string(name));
	r = verb_check(verb_by_method(object->method), params, &object->params, err);
	json_decref(params);
	if (r)
		return document_prefix(&f->document, line, err);
	object->late = is_late(f, object);
	f->object_count++;
	return 0;
}

static int
add_vm(struct up_file *f, const char *name, json_t *members, const char *folder, unsigned line,
	struct err *err)
{
	struct vm_definition *vms = realloc(f->vms, (f->vm_count + 1) * sizeof(*f->vms));
	json_t *text = json_string(name);
	struct vm_definition *def;
	int r = 0;

	if (!vms || !text) {
		json_decref(text);
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->vms = vms;
	def = &vms[f->vm_count];
	definition_init(def);
	if (json_object_get(members, "name"))
		r = err_set(err, -EINVAL, "its name stands before the colon, not in a key");
	if (r == 0)
		r = schema_set(noun_key(&noun_vm, "name"), &def->vm, text, err);
	json_decref(text);
	if (r == 0) {
		r = definition_take(def, &f->document, members, folder, err);
		if (r) /* it names the line already, if it is about one */
			return strncmp(err->text, f->document.source, strlen(f->document.source)) ==
					       0
				       ? r
				       : document_prefix(&f->document, line, err);
		r = definition_complete(def, err);
	}
	if (r)
		return document_prefix(&f->document, line, err);
	f->vm_count++;
	return 0;
}

static int
read_section(struct up_file *f, const struct section *section, json_t *content, const char *folder,
	struct err *err)
{
	json_t *members;
	const char *name;
	size_t i;
	int r = 0;

	if (json_is_null(content))
		return 0;
	if (section->list ? !json_is_array(content) : !json_is_object(content)) {
		err_set(err, -EINVAL, "\"%s\" is a %s", section->name,
			section->list ? "list of mappings" : "mapping of names to objects");
		return document_prefix(&f->document,
			document_line(&f->document, f->document.root, section->name, 0), err);
	}
	json_array_foreach (content, i, members) {
		if (r == 0)
			r = add_object(f, section, NULL, members,
				document_line(&f->document, content, NULL, i), err);
	}
	json_object_foreach (content, name, members) {
		unsigned line = document_line(&f->document, content, name, 0);

		if (r == 0 && !section->method)
			r = add_vm(f, name, members, folder, line, err);
		else if (r == 0)
			r = add_object(f, section, name, members, line, err);
	}
	return r;
}

static int
refuse_section(const struct up_file *f, const char *key, struct err *err)
{
	const char *names[SECTION_COUNT], *near;

	for (unsigned s = 0; s < SECTION_COUNT; s++)
		names[s] = sections[s].name;
	near = nearest_name(key, names, SECTION_COUNT);
	err_set(err, -EINVAL, "unknown key \"%.40s\": %s%s%s", key,
		near ? "did you mean \"" : "there are " SECTION_NAMES, near ? near : "",
		near ? "\"?" : "");
	return document_prefix(
		&f->document, document_line(&f->document, f->document.root, key, 0), err);
}

static int
read_sections(struct up_file *f, const char *folder, struct err *err)
{
	const char *key;
	json_t *content;
	int r = 0;

	if (!json_is_object(f->document.root))
		return err_set(err, -EINVAL, "%s: it is a mapping with " SECTION_NAMES,
			f->document.source);
	json_object_foreach (f->document.root, key, content) {
		unsigned s = 0;

		while (s < SECTION_COUNT && strcmp(sections[s].name, key) != 0)
			s++;
		if (s == SECTION_COUNT)
			return refuse_section(f, key, err);
	}
	for (unsigned s = 0; s < SECTION_COUNT && r == 0; s++) {
		content = json_object_get(f->document.root, sections[s].name);
		if (content)
			r = read_section(f, &sections[s], content, folder, err);
	}
	return r;
}

int
up_file_read(struct up_file *f, const char *path, struct err *err)
{
	char folder[PATH_MAX];
	int r;

	memset(f, 0, sizeof(*f));
	r = definition_document(&f->document, path, folder, err);
	if (r)
		return r;
	if (!realpath(path, f->path))
		r = err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (r == 0)
		r = read_sections(f, folder, err);
	if (r)
		up_file_free(f);
	return r;
}

void
up_file_free(struct up_file *f)
{
	for (unsigned i = 0; i < f->object_count; i++)
		json_decref(f->objects[i].params);
	free(f->objects);
	free(f->vms);
	f->objects = NULL;
	f->vms = NULL;
	f->object_count = f->vm_count = 0;
	document_free(&f->document);
}

/* ---- the record ---- */

/* RUNTIME/up/ and a hash (FNV-1a) of the file's path. */
static int
record_path(const char *path, char *buffer, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char runtime[PATH_MAX];
	int r = api_runtime_dir(runtime, sizeof(runtime));

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
	snprintf(buffer, size, "%.2000s/up/%016" PRIx64 ".json", runtime, hash);
	return r;
}

int
up_record_read(const char *path, json_t **record, struct err *err)
{
	char file[PATH_MAX];
	int r = record_path(path, file, sizeof(file));

	*record = r ? NULL : json_load_file(file, 0, NULL);
	return *record ? 0 : err_set(err, -ENOENT, "nothing of %s is up", path);
}

int
up_record_write(const char *path, const json_t *record, struct err *err)
{
	char file[PATH_MAX], folder[PATH_MAX];
	int r = record_path(path, file, sizeof(file));

	memcpy(folder, file, sizeof(folder));
	if (r)
		return err_set(err, r, "$XDG_RUNTIME_DIR is too long");
	*strrchr(folder, '/') = '\0';
	*strrchr(folder, '/') = '\0';
	mkdir(folder, 0755);
	folder[strlen(folder)] = '/';
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return err_set(
			err, -errno, "cannot make the directory %s: %s", folder, strerror(errno));
	if (json_dump_file(record, file, JSON_COMPACT))
		return err_set(err, -EIO, "cannot write %s", file);
	return 0;
}

void
up_record_remove(const char *path)
{
	char file[PATH_MAX];

	if (record_path(path, file, sizeof(file)) == 0)
		unlink(file);
}
