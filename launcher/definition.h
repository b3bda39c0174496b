/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * definition: what a virtual machine is: its settings, network cards and disks.
 *
 * Read from the command line (JSON by the keys of `vm` in api/keys.c) and from YAML; a definition in
 * a file names other files from its own folder on, so that the folder can be moved.
 */
#ifndef LAUNCHER_DEFINITION_H
#define LAUNCHER_DEFINITION_H

#include <jansson.h>

#include "api/config.h"
#include "api/yaml.h"
#include "lib/err.h"

#define DEFINITION_FILE "vm.yaml" /* in a folder */

struct definition_net {
	struct net_settings set;     /* mac: never zero in a complete definition */
	char port[CONFIG_NAME_SIZE]; /* its name on the switch, "vm1.0"; "" with a socket */
	char path[CONFIG_PATH_SIZE]; /* of the vhost-user socket; the port's: vm_dir_open() */
};

struct vm_definition {
	struct vm_settings vm;
	struct definition_net nets[CONFIG_VM_NETS_MAX];
	unsigned net_count;
	struct disk_settings disks[CONFIG_VM_DISKS_MAX];
	unsigned disk_count;
};

/* All defaults. */
void definition_init(struct vm_definition *def);

/*
 * Takes what the members say, over what is there; lists replace lists.  With a document, errors begin
 * with the file and the line, and relative paths with `folder`.  def is undefined on error.
 */
int definition_take(struct vm_definition *def, const struct document *document, json_t *members,
	const char *folder, struct err *err);

/* The definition in a YAML file, or in the file vm.yaml of a folder; without a name in it the
 * file's or the folder's. */
int definition_load(struct vm_definition *def, const char *path, struct err *err);

/* Gives names and addresses to what has none, and checks that the parts fit. */
int definition_complete(struct vm_definition *def, struct err *err);

/* As JSON that definition_take() accepts (a new reference); NULL when memory is short. */
json_t *definition_store(const struct vm_definition *def);

/* Locally administered, always the same for a name and a number. */
struct mac definition_mac(const char *name, unsigned index);

/* Reads a YAML file of at most API_LINE_MAX bytes; its folder, too (size of both PATH_MAX). */
int definition_document(struct document *document, const char *path, char *folder, struct err *err);

#endif
