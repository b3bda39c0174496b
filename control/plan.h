/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plan: the difference of two models as a list of steps in the order in which they can be done.
 *
 * What can fail comes first: bridges and ports are added before anything that works is touched, so
 * that a failure disturbs nobody.  Only ports that stand in the way of others (same name, socket,
 * interface or file, or no room for more ports) are deleted before.  A port one of whose keys cannot
 * change while it works (no KEY_SET) is deleted and added, with its static addresses.
 */
#ifndef CONTROL_PLAN_H
#define CONTROL_PLAN_H

#include "control/model.h"

enum step_kind {
	STEP_ADD_BRIDGE,
	STEP_SET_BRIDGE,
	STEP_DEL_BRIDGE,
	STEP_ADD_PORT,
	STEP_SET_PORT,
	STEP_DEL_PORT,
	STEP_SET_FILTERS, /* of one port, from the first rule of it on (model_group_filters()) */
	STEP_SET_SET,     /* one set, from its first row on (model_group_set()) */
	STEP_SET_MIRROR,  /* made without `from`, ended without `to` */
	STEP_ADD_FDB,
	STEP_DEL_FDB,
	STEP_KIND_COUNT
};

/* from: the object as it is (set, del); to: as it is to be (set, add).  Of the kind's type. */
struct step {
	enum step_kind kind;
	const void *from, *to;
};

struct plan {
	struct step *steps;
	unsigned count;
};

/* Both models must outlive the plan and be consistent.  -ENOMEM. */
int plan_make(struct plan *plan, const struct model *from, const struct model *to);
void plan_free(struct plan *plan);

/* Does a key of two objects differ? */
bool step_key_differs(const struct key *key, const void *a, const void *b);

/* The step that takes this one back. */
struct step step_inverse(const struct step *step);

const struct noun *step_noun(const struct step *step);

/* "add port vm1", "set port vm1 tag: 10 -> 20, mtu: unset -> 9000". */
void step_text(const struct step *step, char *text, size_t size);

#endif
