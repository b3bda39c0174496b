/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * apply: carries out a plan, all or nothing.
 *
 * A step that fails is followed by the inverses of the steps before it, in reverse order.  An
 * inverse can fail, too (the interface of a deleted port went away meanwhile): then the object is
 * lost, and the caller hears of it so that what it believes to run stays true.
 */
#ifndef CONTROL_APPLY_H
#define CONTROL_APPLY_H

#include "control/plan.h"

struct apply_ops {
	/* Does one step or changes nothing.  Steps that delete cannot fail. */
	int (*perform)(void *arg, const struct step *step, struct err *err);
	/* An inverse failed: the object is as inverse->from says (NULL = gone), for good. */
	void (*lost)(void *arg, const struct step *inverse, const struct err *why);
};

/* 0 = all done; else the error of the step that failed. */
int apply_plan(const struct plan *plan, const struct apply_ops *ops, void *arg, struct err *err);

#endif
