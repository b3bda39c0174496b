/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ethernet: MAC addresses and VLAN sets as plain values (IEEE 802.3, IEEE 802.1Q).
 */
#ifndef LIB_ETHERNET_H
#define LIB_ETHERNET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAC_LEN       6
#define MAC_TEXT_SIZE 18 /* "52:54:00:12:34:56" and the NUL */
#define VLAN_COUNT    4096

struct mac {
	uint8_t b[MAC_LEN];
};

#define MAC_LIST_MAX 16

struct mac_list {
	uint32_t count;
	struct mac macs[MAC_LIST_MAX]; /* those behind count are zero */
};

/* A set of VLAN identifiers, one bit each. */
struct vlan_set {
	uint64_t bits[VLAN_COUNT / 64];
};

static inline bool
mac_is_zero(const struct mac *m)
{
	static const struct mac zero;

	return memcmp(m, &zero, sizeof(zero)) == 0;
}

static inline bool
mac_is_multicast(const struct mac *m)
{
	return m->b[0] & 1;
}

static inline bool
vlan_set_has(const struct vlan_set *set, unsigned vid)
{
	return set->bits[(vid & 0xfff) >> 6] >> (vid & 63) & 1;
}

static inline void
vlan_set_add(struct vlan_set *set, unsigned vid)
{
	set->bits[(vid & 0xfff) >> 6] |= UINT64_C(1) << (vid & 63);
}

static inline bool
vlan_set_is_empty(const struct vlan_set *set)
{
	static const struct vlan_set empty;

	return memcmp(set, &empty, sizeof(empty)) == 0;
}

#endif
