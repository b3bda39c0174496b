/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eth_device: a device of DPDK's for a port: one table row per kind (eth_device.c), checked before
 * anything is changed, made, set up, taken down.
 *
 * Threads: the control thread.
 */
#ifndef DATAPATH_ETH_DEVICE_H
#define DATAPATH_ETH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "datapath/port_eth.h"
#include "lib/needs.h"

struct eth_type {
	const char *type, *driver;
	int (*check)(const struct port_eth_options *options, struct err *err);
	void (*arguments)(const struct port_eth_options *options, char *text, size_t size);
	const char *cure; /* what usually helps when the driver refuses */
	bool wakes;       /* has receive interrupts */
	bool own_mtu;     /* the interface is ours: its MTU is set */
	bool own_mac;     /* and its address */
	uint16_t max_mtu; /* what the driver sends whole, where that is less than a frame may be */
	uint16_t rx_descriptors; /* 0 = as many as a card has */
	bool card;               /* hardware: found, not made; offloads and RSS where it has them */
};

/* NULL when there is no such type. */
const struct eth_type *eth_type_find(const char *name);

struct eth_device {
	const struct eth_type *type;
	uint16_t id;       /* of DPDK's ethdev */
	uint16_t mtu;      /* of what it can send; 0 = any */
	char name[64];     /* a virtual device's */
	uint64_t tx_flags; /* RTE_ETH_TX_OFFLOAD_... in use, of cards only */
};

/* Checks and attaches.  On failure there is nothing to detach. */
int eth_device_attach(
	struct eth_device *device, const struct port_eth_options *options, struct err *err);
/* Queues, MTU, offloads, start.  pool lasts until the device is detached. */
int eth_device_start(struct eth_device *device, const struct port_eth_options *options,
	unsigned queues, struct rte_mempool *pool, struct err *err);
/* Stops it as well. */
void eth_device_detach(struct eth_device *device);

/* For tap ports. */
extern const struct needs tap_needs;

/* For network cards. */
extern const struct needs pci_needs;

#endif
