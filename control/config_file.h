/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_file: a model from and to the configuration file.
 *
 *	bridges:
 *	  br0:
 *	    ageing: 600
 *	ports:
 *	  vm1:
 *	    type: vhost-user
 *	    bridge: br0
 *	    path: /run/patchbay/vm1.sock
 *	fdb:
 *	  - bridge: br0
 *	    mac: "52:54:00:12:34:56"
 *	    port: vm1
 *	filters:
 *	  - port: vm1
 *	    direction: in
 *	    priority: 10
 *	    action: deny
 *	    src_set: badguys
 *	sets:
 *	  badguys: [198.51.100.0/24, "2001:db8::/32"]
 *
 * The keys are those of api/schema.h.  Every error begins with "source:line: ".
 */
#ifndef CONTROL_CONFIG_FILE_H
#define CONTROL_CONFIG_FILE_H

#include "control/model.h"
#include "api/yaml.h"

#define CONFIG_TEXT_MAX (4u << 20) /* bytes of a file */

struct config_file {
	struct model model;
	struct document document;
};

/* Reads and checks (model_check) a text.  -EINVAL, -EEXIST, -ENOENT, -ERANGE, -ENOSPC, ... */
int config_read(struct config_file *file, const char *source, const char *text, size_t size,
	struct err *err);
/* The same from a file of the file system. */
int config_load(struct config_file *file, const char *path, struct err *err);
void config_free(struct config_file *file);

/* A model as the JSON value whose YAML config_read() accepts; NULL when memory is short. */
json_t *config_store(const struct model *model);

/* ---- for config_file.c ---- */

/* Reads the section; an error begins with its place. */
int config_read_sets(struct config_file *file, json_t *content, struct err *err);
/* The section as JSON; NULL when memory is short. */
json_t *config_store_sets(const struct model *model);

#endif
