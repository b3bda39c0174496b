/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio: ring and network-device layout of the virtio 1.2 specification, for both ends
 * (2.7 split virtqueues, 2.8 packed virtqueues, 5.1 network device).
 *
 * Little endian only: a legacy or big-endian guest is not supported (VERSION_1 is required where a
 * driver offers it; a transitional driver on a little-endian machine uses the same layout).
 */
#ifndef VHOST_VIRTIO_H
#define VHOST_VIRTIO_H

#include <stdint.h>

/* Feature bits, 5.1.3 and 6. */
#define VIRTIO_NET_F_CSUM           0
#define VIRTIO_NET_F_GUEST_CSUM     1
#define VIRTIO_NET_F_MTU            3
#define VIRTIO_NET_F_MAC            5
#define VIRTIO_NET_F_GUEST_TSO4     7
#define VIRTIO_NET_F_GUEST_TSO6     8
#define VIRTIO_NET_F_GUEST_ECN      9
#define VIRTIO_NET_F_GUEST_UFO      10
#define VIRTIO_NET_F_HOST_TSO4      11
#define VIRTIO_NET_F_HOST_TSO6      12
#define VIRTIO_NET_F_HOST_ECN       13
#define VIRTIO_NET_F_HOST_UFO       14
#define VIRTIO_NET_F_MRG_RXBUF      15
#define VIRTIO_NET_F_STATUS         16
#define VIRTIO_NET_F_CTRL_VQ        17
#define VIRTIO_NET_F_CTRL_RX        18
#define VIRTIO_NET_F_CTRL_VLAN      19
#define VIRTIO_NET_F_CTRL_RX_EXTRA  20
#define VIRTIO_NET_F_GUEST_ANNOUNCE 21
#define VIRTIO_NET_F_MQ             22
#define VIRTIO_NET_F_CTRL_MAC_ADDR  23
#define VIRTIO_F_NOTIFY_ON_EMPTY    24
#define VIRTIO_F_ANY_LAYOUT         27
#define VIRTIO_RING_F_INDIRECT_DESC 28
#define VIRTIO_RING_F_EVENT_IDX     29
#define VIRTIO_F_VERSION_1          32
#define VIRTIO_F_RING_PACKED        34
#define VIRTIO_F_IN_ORDER           35
#define VIRTIO_NET_F_GUEST_USO4     54
#define VIRTIO_NET_F_GUEST_USO6     55
#define VIRTIO_NET_F_HOST_USO       56

#define VIRTIO_BIT(n) (UINT64_C(1) << (n))

/* Device status, 2.1 (SET_STATUS/GET_STATUS). */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER      2
#define VIRTIO_STATUS_DRIVER_OK   4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED      128

/* Split virtqueue, 2.7. */
#define VIRTQ_DESC_F_NEXT          1
#define VIRTQ_DESC_F_WRITE         2
#define VIRTQ_DESC_F_INDIRECT      4
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
#define VIRTQ_USED_F_NO_NOTIFY     1

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct virtq_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[]; /* and, after `size` entries, used_event */
};

struct virtq_used_elem {
	uint32_t id;
	uint32_t len;
};

struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[]; /* and, after `size` entries, avail_event */
};

/* Packed virtqueue, 2.8. */
#define VIRTQ_PACKED_F_AVAIL (1 << 7)
#define VIRTQ_PACKED_F_USED  (1 << 15)
#define VIRTQ_EVENT_ENABLE   0
#define VIRTQ_EVENT_DISABLE  1
#define VIRTQ_EVENT_DESC     2
#define VIRTQ_EVENT_WRAP     (1 << 15)

struct virtq_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

struct virtq_packed_event {
	uint16_t off_wrap;
	uint16_t flags;
};

/* Frame header in front of each frame, 5.1.6. */
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_NONE     0
#define VIRTIO_NET_HDR_GSO_TCPV4    1
#define VIRTIO_NET_HDR_GSO_UDP      3
#define VIRTIO_NET_HDR_GSO_TCPV6    4
#define VIRTIO_NET_HDR_GSO_UDP_L4   5
#define VIRTIO_NET_HDR_GSO_ECN      0x80

struct virtio_net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers; /* absent without VERSION_1 and MRG_RXBUF */
};

#define VIRTIO_NET_HDR_LEN        12 /* with VERSION_1 or MRG_RXBUF */
#define VIRTIO_NET_HDR_LEN_LEGACY 10 /* with neither */

_Static_assert(sizeof(struct virtq_desc) == 16, "split descriptor");
_Static_assert(sizeof(struct virtq_packed_desc) == 16, "packed descriptor");
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio-net header");

#endif
