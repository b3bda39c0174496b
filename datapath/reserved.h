/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reserved: addresses of protocols between neighbouring switches, which a switch does not forward
 * unless it is told to: those of IEEE 802.1Q-2022 table 8-1 (spanning tree, pause, LACP, LLDP) and
 * the vendors' that ovs-vswitchd.conf.db(5) lists under forward-bpdu.
 */
#ifndef DATAPATH_RESERVED_H
#define DATAPATH_RESERVED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
reserved_address(const uint8_t *mac)
{
	uint32_t high, low;

	/* No other begins with more. */
	if (__builtin_expect(mac[0] > 1, 1))
		return false;
	high = (uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2];
	low = (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];
	switch (high) {
	case 0x0180c2:
		return low < 0x10;
	case 0x01000c:
		/* ISL; CDP, VTP, DTP, PAgP, UDLD, SSTP, CFM; uplink fast */
		return !low || (low & 0xfffff0) == 0xccccc0 || low == 0xcdcdcd;
	case 0x00e02b:
		/* EDP, EAPS */
		return !low || low == 4 || low == 6;
	default:
		return false;
	}
}

#endif
