/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci: network cards that DPDK's drivers drive, attached and detached while the daemon runs.
 *
 * DPDK takes no card by itself (datapath/env.c), only those that are attached here.  Everything is
 * looked at before anything is touched, so that each obstacle has an error with its cure.
 *
 * Threads: the control thread.
 */
#ifndef DATAPATH_PCI_H
#define DATAPATH_PCI_H

#include <stdint.h>

#include "lib/err.h"

/* address: "0000:03:00.0".  *ethdev is the card's first port of DPDK. */
int pci_attach(const char *address, uint16_t *ethdev, struct err *err);
/* The device must have been stopped; closes it too. */
void pci_detach(uint16_t ethdev);

#endif
