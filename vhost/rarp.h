/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rarp: the broadcast that tells switches where a migrated guest now is (vhost-user specification,
 * SEND_RARP; RFC 903).
 */
#ifndef VHOST_RARP_H
#define VHOST_RARP_H

#include <stdint.h>

#include "lib/ethernet.h"

#define RARP_FRAME_SIZE 60 /* the least an Ethernet frame has, without checksum */

/* A reverse ARP request of `mac` about itself. */
void rarp_build(uint8_t frame[RARP_FRAME_SIZE], const struct mac *mac);

#endif
