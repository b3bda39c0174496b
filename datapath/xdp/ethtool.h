/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ethtool: what ethtool(8) knows and may change of an interface, as far as AF_XDP needs it.
 *
 * Threads: the control thread.  Nothing fails loudly: an interface without such a setting is
 * treated as one that has the default.
 */
#ifndef DATAPATH_XDP_ETHTOOL_H
#define DATAPATH_XDP_ETHTOOL_H

#include <stdbool.h>

/* Receive queues in use; `otherwise` when the driver does not tell. */
unsigned ethtool_rx_queues(const char *dev, unsigned otherwise);

/*
 * Receive VLAN offload takes the tag out of a frame before an XDP program sees it.  Returns whether
 * it was on; afterwards ethtool_has_rxvlan() says whether the driver obeyed.
 */
bool ethtool_has_rxvlan(const char *dev);
void ethtool_set_rxvlan(const char *dev, bool on);

/* Does the kernel join received frames (GRO, LRO)? */
bool ethtool_joins_frames(const char *dev);

#endif
