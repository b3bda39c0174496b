/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link_follow: virtual machines whose network card loses its link when an uplink does.
 *
 * The vhost-user protocol has no message by which a network back end could tell a link state: QEMU
 * takes a configuration change from block devices only.  What every monitor understands is the end
 * of the connection: QEMU takes the guest's link away then, and gives it back when the connection is
 * back (reconnect=).  So the socket of a port that follows is closed while the uplink is down.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_LINK_FOLLOW_H
#define CONTROL_LINK_FOLLOW_H

#include "control/live.h"
#include "control/model.h"

/* Once a second. */
void link_follow_tick(struct live *live, const struct model *running);

#endif
