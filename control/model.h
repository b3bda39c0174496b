/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model: a whole configuration as a value: bridges, ports and static MAC addresses.
 *
 * What runs is one model, what a user wants is another; control/plan.h finds the steps between the
 * two.  A model can be inconsistent while it is put together; model_check() says whether it may
 * become real.  Order is the order in which objects were added.
 *
 * Threads: none shared.  Errors: negative errno with a text that names the object and the cure.
 */
#ifndef CONTROL_MODEL_H
#define CONTROL_MODEL_H

#include "api/config.h"
#include "api/schema.h"
#include "lib/err.h"

#define MODEL_FDB_MAX 16384 /* static addresses of all bridges */

struct model {
	struct bridge_config *bridges;
	unsigned bridge_count;
	struct port_config *ports;
	unsigned port_count;
	struct fdb_config *fdb;
	unsigned fdb_count;
};

/* The object, and the key of it, that an error is about. */
struct model_fault {
	const struct noun *noun; /* NULL = the whole */
	unsigned index;
	const char *key; /* NULL = the object as such */
};

/* The zero value is the empty model. */
void model_free(struct model *model);
/* to is overwritten; -ENOMEM leaves it empty. */
int model_copy(struct model *to, const struct model *from);

/* NULL when there is none; valid until the next change. */
struct bridge_config *model_bridge(const struct model *model, const char *name);
struct port_config *model_port(const struct model *model, const char *name);
struct fdb_config *model_fdb(
	const struct model *model, const char *bridge, const struct mac *mac, uint32_t vlan);

/* Append a copy.  -ENOSPC (limit), -ENOMEM; a name that exists is found by model_check(). */
int model_add_bridge(struct model *model, const struct bridge_config *config, struct err *err);
int model_add_port(struct model *model, const struct port_config *config, struct err *err);
int model_add_fdb(struct model *model, const struct fdb_config *config, struct err *err);

/* Remove one that the functions above found.  A port takes its static addresses along. */
void model_del_bridge(struct model *model, const struct bridge_config *bridge);
void model_del_port(struct model *model, const struct port_config *port);
void model_del_fdb(struct model *model, const struct fdb_config *fdb);

/*
 * May this model become real?  Names are unique; no two ports share a socket, an interface, a file,
 * or a MAC address on one bridge; what is referred to exists; keys suit each other; limits hold.
 * -EEXIST, -ENOENT, -EINVAL, -ENOSPC, -ENOMEM.  fault may be NULL.
 */
int model_check(const struct model *model, struct model_fault *fault, struct err *err);

#endif
