/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * up_file: the file of `patchbay up`, read and checked before anything is done; and the record of what
 * was done.
 */
#ifndef CLI_UP_FILE_H
#define CLI_UP_FILE_H

#include <limits.h>

#include "launcher/definition.h"

struct up_object {
	const char *method; /* "bridge.add" */
	json_t *params;     /* canonical; owned */
	unsigned line;
	bool late; /* after the virtual machines */
};

struct up_file {
	char path[PATH_MAX]; /* real */
	struct document document;
	struct up_object *objects; /* in the order in which they are made */
	unsigned object_count;
	struct vm_definition *vms;
	unsigned vm_count;
};

/* On failure nothing is held. */
int up_file_read(struct up_file *file, const char *path, struct err *err);
void up_file_free(struct up_file *file);

/* ---- the record: {"switch": pid, "socket", "undo": [[method, params], ...], "vms": [names]} ---- */

/* -ENOENT with a text when there is none. */
int up_record_read(const char *path, json_t **record, struct err *err);
int up_record_write(const char *path, const json_t *record, struct err *err);
void up_record_remove(const char *path);

#endif
