/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eth_offload: what a network card may do for a frame, between the switch's description of it
 * (datapath/frame.h) and DPDK's (rte_mbuf).
 *
 * Threat model: requests come from guests.  A card gets to see only what was parsed here and is of
 * the plain kind that every card can do; all else is done in software (datapath/offload.h).
 *
 * Threads: any.
 */
#ifndef DATAPATH_ETH_OFFLOAD_H
#define DATAPATH_ETH_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "datapath/drop.h"
#include "datapath/frame.h"

/* Of a card's capabilities (dev_info.rx_offload_capa, tx_offload_capa) those that are made use of;
 * max_frame: bytes of the longest frame. */
uint64_t eth_offload_rx_flags(uint64_t capa, uint32_t max_frame);
uint64_t eth_offload_tx_flags(uint64_t capa);
/* OFFLOAD_... that a card with these flags accepts. */
unsigned eth_offload_accepts(uint64_t tx_flags);

/* worker: what the card says of a received frame; DROP_COUNT = nothing against it. */
enum drop eth_offload_received(const struct rte_mbuf *m, struct frame *note);

/* worker: is what the frame needs of the plain kind that cards do? */
bool eth_offload_fits(const struct frame *frame);
/* worker: asks the card for it; m is the frame's copy, and the frame fits. */
void eth_offload_request(struct rte_mbuf *m, const struct frame *frame);

#endif
