/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plan: the difference of two models as a list of steps in the order in which they can be done.
 *
 * Deletions come before additions, so that a socket, an interface or a name can change hands; a
 * bridge comes before its ports.  A port one of whose keys cannot change while it works (no KEY_SET)
 * is deleted and added, with its static addresses.
 */
#ifndef CONTROL_PLAN_H
#define CONTROL_PLAN_H

#include "control/model.h"

/* In the order of a plan. */
enum step_kind {
	STEP_DEL_FDB,
	STEP_DEL_PORT,
	STEP_ADD_BRIDGE,
	STEP_SET_BRIDGE,
	STEP_SET_PORT,
	STEP_DEL_BRIDGE, /* after the ports that leave it */
	STEP_ADD_PORT,
	STEP_ADD_FDB,
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

/* The step that takes this one back. */
struct step step_inverse(const struct step *step);

const struct noun *step_noun(const struct step *step);

/* "add port vm1", "set port vm1 tag: 10 -> 20, mtu: unset -> 9000". */
void step_text(const struct step *step, char *text, size_t size);

#endif
