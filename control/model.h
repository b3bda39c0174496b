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

#define MODEL_FILTERS_MAX 4096  /* rules of all ports */
#define MODEL_SETS_MAX    65536 /* addresses of all sets, and the sets */
#define MODEL_FDB_MAX     16384 /* static addresses of all bridges */

struct model {
	struct bridge_config *bridges;
	unsigned bridge_count;
	struct port_config *ports;
	unsigned port_count;
	struct fdb_config *fdb;
	unsigned fdb_count;
	/* In order of port, direction and priority; behind the last is an empty one. */
	struct filter_config *filters;
	unsigned filter_count;
	/* In order of name and address, a row SET_ITSELF first; behind the last is an empty one. */
	struct set_config *sets;
	unsigned set_count;
	struct mirror_config *mirrors;
	unsigned mirror_count;
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

struct mirror_config *model_mirror(const struct model *model, const char *name);

/* Append a copy.  -ENOSPC (limit), -ENOMEM; a name that exists is found by model_check(). */
int model_add_bridge(struct model *model, const struct bridge_config *config, struct err *err);
int model_add_port(struct model *model, const struct port_config *config, struct err *err);
int model_add_fdb(struct model *model, const struct fdb_config *config, struct err *err);

int model_add_mirror(struct model *model, const struct mirror_config *config, struct err *err);

/* -EEXIST, -ENOSPC, -ENOMEM.  Its expression must be known to be good: filter_config_check(). */
int model_add_filter(struct model *model, const struct filter_config *config, struct err *err);
struct filter_config *model_filter(
	const struct model *model, const char *port, int direction, uint32_t priority);
void model_del_filter(struct model *model, const struct filter_config *filter);
/* The rules of a port become those of a group (NULL = none).  -ENOMEM. */
int model_put_filters(
	struct model *model, const char *port, const struct filter_config *group, struct err *err);
/* Does libpcap understand the expression?  -EINVAL with its message. */
int filter_config_check(const struct filter_config *config, struct err *err);

/* A group: the rows from this one on that have its port, or its name; 0 for NULL. */
unsigned model_group_filters(const struct filter_config *first);
unsigned model_group_set(const struct set_config *first);
/* The first row of a port or set; NULL when there is none. */
const struct filter_config *model_first_filter(const struct model *model, const char *port);
const struct set_config *model_first_set(const struct model *model, const char *name);

/*
 * Adds addresses to a set, which is made if it is not there; those that are there already stay.
 * -ENOSPC, -ENOMEM.
 */
int model_add_set(struct model *model, const char *name, const struct ip_prefix *addresses,
	unsigned count, struct err *err);
/* Takes addresses out.  -ENOENT: one is not there, and nothing was changed. */
int model_del_set_addresses(struct model *model, const char *name,
	const struct ip_prefix *addresses, unsigned count, struct err *err);
void model_del_set(struct model *model, const char *name);

/*
 * Addresses with commas or blanks between them; '#' begins a comment.  *addresses is for free().
 * -EINVAL names line and word; -ENOSPC, -ENOMEM.
 */
int set_addresses_parse(
	const char *text, struct ip_prefix **addresses, unsigned *count, struct err *err);
char *set_address_format(const struct ip_prefix *address, char buffer[IP_TEXT_SIZE]);

/* Remove one that the functions above found.  A port takes its static addresses along. */
void model_del_bridge(struct model *model, const struct bridge_config *bridge);
void model_del_port(struct model *model, const struct port_config *port);
void model_del_fdb(struct model *model, const struct fdb_config *fdb);
void model_del_mirror(struct model *model, const struct mirror_config *mirror);
/* Is the name in the list? */
bool name_list_has(const struct name_list *list, const char *name);

/*
 * A port with an owner is that one's, not the configuration file's.  The first copies a model without
 * such ports, their static addresses and rules; to is overwritten, -ENOMEM leaves it empty.  The second
 * adds them to a model, with the sets that their rules ask, as they run.  -EEXIST: a port of the model
 * has the name of one; -EBUSY: its bridge is not there; -ENOSPC, -ENOMEM.
 */
int model_copy_unowned(struct model *to, const struct model *from);
int model_keep_owned(struct model *wanted, const struct model *running, struct err *err);

/*
 * May this model become real?  Names are unique; no two ports share a socket, an interface, a file,
 * or a MAC address on one bridge; what is referred to exists; keys suit each other; limits hold.
 * -EEXIST, -ENOENT, -EINVAL, -ENOSPC, -ENOMEM.  fault may be NULL.
 */
int model_check(const struct model *model, struct model_fault *fault, struct err *err);
/* Parts of it: filters and mirrors, where all else is right.  err is not NULL. */
int filters_check(const struct model *model, struct model_fault *fault, struct err *err);
int mirrors_check(const struct model *model, struct model_fault *fault, struct err *err);

#endif
