/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_vm: what the verbs of `vm`, `up` and `down` take and show.  Internal to api/.
 */
#ifndef API_VERBS_VM_H
#define API_VERBS_VM_H

#include "api/schema.h"

extern const struct column vm_columns[];
extern const struct param vm_run_params[];
extern const struct param vm_name_params[];
extern const struct param vm_stop_params[];
extern const struct param up_params[];
extern const struct param down_params[];

#endif
