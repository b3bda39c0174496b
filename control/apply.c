/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/apply.h"

static void
take_back(const struct plan *plan, unsigned done, const struct apply_ops *ops, void *arg)
{
	while (done-- > 0) {
		struct step inverse = step_inverse(&plan->steps[done]);
		struct err why = {0};

		if (ops->perform(arg, &inverse, &why) < 0)
			ops->lost(arg, &inverse, &why);
	}
}

int
apply_plan(const struct plan *plan, const struct apply_ops *ops, void *arg, struct err *err)
{
	for (unsigned i = 0; i < plan->count; i++) {
		int rc = ops->perform(arg, &plan->steps[i], err);

		if (rc < 0) {
			take_back(plan, i, ops, arg);
			return rc;
		}
	}
	return 0;
}
