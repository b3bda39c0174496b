/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rights: what the daemon keeps of its rights once it is ready: what runs in every daemon needs, and
 * what the types of ports need that it was started for.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_RIGHTS_H
#define CONTROL_RIGHTS_H

#include <limits.h>

#include "lib/err.h"

#define RIGHTS_ALL_TYPES UINT_MAX /* nobody said which */

/* types: bits 1 << PORT_TYPE_..., or RIGHTS_ALL_TYPES; for good.  On failure the process must end. */
int rights_confine(unsigned types, struct err *err);

/* Logs the system calls that were refused since the last time.  Once a second. */
void rights_tick(void);

#endif
