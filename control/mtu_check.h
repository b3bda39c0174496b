/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mtu_check: says when a port of a bridge takes shorter frames than another.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_MTU_CHECK_H
#define CONTROL_MTU_CHECK_H

#include "control/live.h"

/* Compares a port that was added or changed with the others of its bridge; an event for the first
 * that differs. */
void mtu_check(const struct live *live, const struct live_port *p);

#endif
