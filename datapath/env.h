/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * env: DPDK's environment (EAL), in memory, leaving no file behind.
 */
#ifndef DATAPATH_ENV_H
#define DATAPATH_ENV_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/needs.h"

/*
 * Once per process, on the control thread.  hugepages: used when there are some free.
 * physical: devices get physical addresses, for cards without IOMMU; needs hugepages.
 */
int env_start(bool hugepages, bool physical, struct err *err);
void env_stop(void);
/* Are hugepages in use? */
bool env_hugepages(void);

/* For what DPDK does once it runs. */
extern const struct needs env_needs;

#endif
