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

static const char *const sections[] = {"bridges", "ports", "fdb", "vms"};
static const char *const methods[] = {"bridge.add", "port.add", "fdb.add"};
enum { FDB = 2, VMS = 3, SECTION_COUNT };

/* ---- objects of the switch ---- */

static int
add_object(struct up_file *f, unsigned section, const char *name, json_t *members, unsigned line,
	struct err *err)
{
	json_t *params = json_is_object(members) ? json_copy(members) : json_object();
	struct up_object *objects =
		realloc(f->objects, (f->object_count + 1) * sizeof(*f->objects));
	struct up_object *object;
	int r;

	if (!params || !objects) {
		json_decref(params);
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->objects = objects;
	object = &objects[f->object_count];
	*object = (struct up_object){.method = methods[section], .line = line};
	if (name)
		json_object_set_new(params, "name", json_string(name));
	r = verb_check(verb_by_method(object->method), params, &object->params, err);
	json_decref(params);
	if (r)
		return document_prefix(&f->document, line, err);
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
read_section(
	struct up_file *f, unsigned section, json_t *content, const char *folder, struct err *err)
{
	json_t *members;
	const char *name;
	size_t i;
	int r = 0;

	if (json_is_null(content))
		return 0;
	if (section == FDB ? !json_is_array(content) : !json_is_object(content)) {
		err_set(err, -EINVAL, "\"%s\" is a %s", sections[section],
			section == FDB ? "list of mappings" : "mapping of names to objects");
		return document_prefix(&f->document,
			document_line(&f->document, f->document.root, sections[section], 0), err);
	}
	if (section == FDB) {
		json_array_foreach (content, i, members) {
			if (r == 0)
				r = add_object(f, section, NULL, members,
					document_line(&f->document, content, NULL, i), err);
		}
		return r;
	}
	json_object_foreach (content, name, members) {
		unsigned line = document_line(&f->document, content, name, 0);

		if (r == 0 && section == VMS)
			r = add_vm(f, name, members, folder, line, err);
		else if (r == 0)
			r = add_object(f, section, name, members, line, err);
	}
	return r;
}

static int
read_sections(struct up_file *f, const char *folder, struct err *err)
{
	const char *key, *near;
	json_t *content;
	int r = 0;

	if (!json_is_object(f->document.root))
		return err_set(err, -EINVAL, "%s: it is a mapping with bridges, ports, fdb and vms",
			f->document.source);
	json_object_foreach (f->document.root, key, content) {
		if (word_index("bridges ports fdb vms", key) >= 0)
			continue;
		near = nearest_name(key, sections, SECTION_COUNT);
		err_set(err, -EINVAL, "unknown key \"%.40s\": %s%s%s", key,
			near ? "did you mean \"" : "there are bridges, ports, fdb and vms",
			near ? near : "", near ? "\"?" : "");
		return document_prefix(
			&f->document, document_line(&f->document, f->document.root, key, 0), err);
	}
	for (unsigned s = 0; s < SECTION_COUNT && r == 0; s++) {
		content = json_object_get(f->document.root, sections[s]);
		if (content)
			r = read_section(f, s, content, folder, err);
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
