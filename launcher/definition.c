/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"
#include "launcher/definition.h"

void
definition_init(struct vm_definition *def)
{
	memset(def, 0, sizeof(*def));
	schema_defaults(&noun_vm, &def->vm);
}

/* ---- reading ---- */

/* A path that is not absolute begins in the folder; what is no path is left to the schema. */
static int
complete_path(json_t *object, const struct key *key, const char *folder, struct err *err)
{
	const char *path = json_string_value(json_object_get(object, key->name));

	if (key->type != VALUE_PATH || !folder || !path || path[0] == '/' || !path[0])
		return 0;
	if (json_object_set_new(object, key->name, json_sprintf("%s/%s", folder, path)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int
take_item(struct vm_definition *def, const struct key *key, json_t *item, const char *folder,
	struct err *err)
{
	json_t *members = json_is_string(item)
				  ? list_item_read(key->item, json_string_value(item), err)
				  : json_deep_copy(item);
	bool net = key->item == &noun_net;
	unsigned *count = net ? &def->net_count : &def->disk_count;
	unsigned max = net ? CONFIG_VM_NETS_MAX : CONFIG_VM_DISKS_MAX;
	void *object = net ? (void *)&def->nets[*count % max].set : &def->disks[*count % max];
	int r = 0;

	if (!members)
		return err->code ? err->code : err_set(err, -ENOMEM, "out of memory");
	if (*count == max)
		r = err_set(err, -E2BIG, "more than %u of \"%s\"", max, key->name);
	for (unsigned i = 0; r == 0 && json_is_object(members) && i < key->item->key_count; i++)
		r = complete_path(members, &key->item->keys[i], folder, err);
	if (r == 0) {
		schema_defaults(key->item, object);
		r = schema_load(key->item, object, members, false, err);
	}
	if (r == 0)
		r = schema_complete(key->item, object, err);
	if (r == 0)
		(*count)++;
	json_decref(members);
	return r;
}

static int
take_list(struct vm_definition *def, const struct document *document, const struct key *key,
	json_t *list, const char *folder, struct err *err)
{
	size_t count = json_is_array(list) ? json_array_size(list) : !json_is_null(list);

	*(key->item == &noun_net ? &def->net_count : &def->disk_count) = 0;
	for (size_t i = 0; i < count; i++) {
		json_t *item = json_is_array(list) ? json_array_get(list, i) : list;
		int r = take_item(def, key, item, folder, err);
		unsigned line = document && json_is_array(list)
					? document_line(document, list, NULL, i)
					: 0;

		if (r == 0)
			continue;
		err_prefix(err, "%s", key->name);
		if (line)
			document_prefix(document, line, err);
		return r;
	}
	return 0;
}

static int
take_member(struct vm_definition *def, const struct document *document, json_t *members,
	const char *name, const char *folder, struct err *err)
{
	const struct key *key = noun_key(&noun_vm, name);
	int r;

	if (!key)
		return key_unknown(&noun_vm, name, PORT_TYPE_UNSET, err);
	if (key->type == VALUE_LIST)
		return take_list(def, document, key, json_object_get(members, name), folder, err);
	r = complete_path(members, key, folder, err);
	return r ? r : schema_set(key, &def->vm, json_object_get(members, name), err);
}

int
definition_take(struct vm_definition *def, const struct document *document, json_t *members,
	const char *folder, struct err *err)
{
	const char *name;
	json_t *value;
	void *next;

	if (!json_is_object(members))
		return err_set(err, -EINVAL, "a virtual machine is described by keys and values");
	json_object_foreach_safe (members, next, name, value) {
		unsigned line = document ? document_line(document, members, name, 0) : 0;
		int r = take_member(def, document, members, name, folder, err);

		if (r == 0)
			continue;
		/* An element of a list has said its own line. */
		if (document && strncmp(err->text, document->source, strlen(document->source)) != 0)
			document_prefix(document, line, err);
		return r;
	}
	return 0;
}

int
definition_document(struct document *document, const char *path, char *folder, struct err *err)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(API_LINE_MAX), *slash;
	size_t n = 0;
	int r = 0;

	memset(document, 0, sizeof(*document));
	errno = errno ? errno : EIO;
	if (!file || !text)
		r = err_set(err, -errno, "cannot open %.300s: %s", path, strerror(errno));
	if (r == 0) {
		n = fread(text, 1, API_LINE_MAX, file);
		if (ferror(file))
			r = err_set(err, -errno, "cannot read %.300s: %s", path, strerror(errno));
		else if (n == API_LINE_MAX)
			r = err_set(err, -EFBIG, "%.300s is larger than %u MiB", path,
				API_LINE_MAX >> 20);
	}
	if (r == 0)
		r = document_parse(document, path, text, n, err);
	if (r == 0 && !realpath(path, folder)) {
		r = err_set(err, -errno, "%.300s: %s", path, strerror(errno));
		document_free(document);
	}
	if (r == 0) {
		slash = strrchr(folder, '/');
		slash[slash == folder] = '\0';
	}
	if (file)
		fclose(file);
	free(text);
	return r;
}

/* "vm1" of ".../vm1.yaml" and of ".../vm1/vm.yaml". */
static void
name_of_file(const char *path, const char *folder, char *name, size_t size)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	const char *dot = strrchr(file, '.');

	if (strcmp(file, DEFINITION_FILE) == 0)
		snprintf(name, size, "%s", strrchr(folder, '/') + 1);
	else
		snprintf(name, size, "%.*s", (int)(dot ? dot - file : (long)strlen(file)), file);
}

int
definition_load(struct vm_definition *def, const char *path, struct err *err)
{
	char folder[PATH_MAX], file[PATH_MAX], name[CONFIG_FILE_SIZE];
	struct document document;
	int r;

	snprintf(file, sizeof(file), "%s/%s", path, DEFINITION_FILE);
	r = definition_document(&document, path, folder, err);
	if (r == -EISDIR) {
		path = file;
		r = definition_document(&document, path, folder, err);
	}
	if (r)
		return r;
	definition_init(def);
	r = document.root ? definition_take(def, &document, document.root, folder, err)
			  : err_set(err, -EINVAL, "%.300s is empty", path);
	document_free(&document);
	if (r == 0 && !def->vm.name[0]) {
		json_t *value;

		name_of_file(path, folder, name, sizeof(name));
		value = json_string(name);
		r = schema_set(noun_key(&noun_vm, "name"), &def->vm, value, err);
		json_decref(value);
	}
	return r;
}

/* ---- the whole ---- */

struct mac
definition_mac(const char *name, unsigned index)
{
	/* FNV-1a (64 bits) of the name and the number, then mixed: its high bits depend on little. */
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	struct mac mac;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	hash = (hash ^ (0x100 + index)) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	for (unsigned i = 0; i < MAC_LEN; i++)
		mac.b[i] = (uint8_t)(hash >> (8 * i));
	mac.b[0] = (uint8_t)((mac.b[0] & 0xfc) | 0x02);
	return mac;
}

/* Keys that describe a port of the switch say nothing about a socket. */
static int
refuse_port_keys(const struct net_settings *set, struct err *err)
{
	static const char *const names[] = {"vlan_mode", "tag", "trunks", "profile"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = schema_get(noun_key(&noun_net, names[i]), set, false);

		json_decref(value);
		if (value)
			return err_set(err, -EINVAL,
				"%s= is about a port of the switch: give it with bridge=, not with "
				"socket=",
				names[i]);
	}
	return 0;
}

static int
complete_net(struct vm_definition *def, unsigned i, struct err *err)
{
	struct definition_net *net = &def->nets[i];
	char port[CONFIG_NAME_SIZE + 16];

	if (!net->set.bridge[0] == !net->set.socket[0])
		return err_set(err, -EINVAL,
			"net %u needs %s: bridge= for a port of patchbayd, or socket= of another "
			"vhost-user back end",
			i, net->set.bridge[0] ? "only one" : "one of two");
	if (net->set.server && !net->set.socket[0])
		return err_set(err, -EINVAL, "net %u: server= is for socket=", i);
	if (mac_is_zero(&net->set.mac))
		net->set.mac = definition_mac(def->vm.name, i);
	for (unsigned j = 0; j < i; j++)
		if (memcmp(&def->nets[j].set.mac, &net->set.mac, sizeof(struct mac)) == 0)
			return err_set(err, -EEXIST, "net %u and net %u have the same mac", j, i);
	if (net->set.socket[0]) {
		memcpy(net->path, net->set.socket, sizeof(net->path));
		return refuse_port_keys(&net->set, err);
	}
	if (snprintf(port, sizeof(port), "%s.%u", def->vm.name, i) >= CONFIG_NAME_SIZE)
		return err_set(err, -ERANGE,
			"the name \"%s\" leaves no room for those of its ports: at most %d characters",
			def->vm.name, CONFIG_NAME_SIZE - 4);
	memcpy(net->port, port, strlen(port) + 1);
	return 0;
}

int
definition_complete(struct vm_definition *def, struct err *err)
{
	int r = 0;

	if (!def->vm.name[0])
		return err_set(err, -EINVAL, "a virtual machine needs a name");
	if (!def->vm.kernel[0])
		return err_set(err, -EINVAL,
			"virtual machine \"%s\" needs a kernel: kernel=FILE, such as "
			"/boot/vmlinuz-$(uname -r)",
			def->vm.name);
	for (unsigned i = 0; r == 0 && i < def->net_count; i++)
		r = complete_net(def, i, err);
	for (unsigned i = 0; i < def->disk_count && r == 0; i++)
		for (unsigned j = 0; j < i; j++)
			if (strcmp(def->disks[i].file, def->disks[j].file) == 0 &&
				!(def->disks[i].ro && def->disks[j].ro))
				r = err_set(err, -EEXIST, "the disk %.300s is given twice",
					def->disks[i].file);
	return r;
}

json_t *
definition_store(const struct vm_definition *def)
{
	json_t *json = schema_store(&noun_vm, &def->vm, true, true);
	json_t *nets = json_array(), *disks = json_array();

	for (unsigned i = 0; i < def->net_count; i++)
		json_array_append_new(
			nets, schema_store(&noun_net, &def->nets[i].set, false, true));
	for (unsigned i = 0; i < def->disk_count; i++)
		json_array_append_new(disks, schema_store(&noun_disk, &def->disks[i], false, true));
	if (json && json_object_set_new(json, "net", nets) == 0 &&
		json_object_set_new(json, "disk", disks) == 0)
		return json;
	json_decref(json);
	return NULL;
}
