/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "bench/feature.h"
#include "vhost/virtio.h"

static const struct {
	unsigned bit;
	const char *name;
} names[] = {
	{VIRTIO_F_VERSION_1, "version_1"},
	{VIRTIO_F_RING_PACKED, "packed"},
	{VIRTIO_F_IN_ORDER, "in_order"},
	{VIRTIO_NET_F_MRG_RXBUF, "mergeable"},
	{VIRTIO_RING_F_INDIRECT_DESC, "indirect"},
	{VIRTIO_RING_F_EVENT_IDX, "event_idx"},
	{VIRTIO_NET_F_CSUM, "csum"},
	{VIRTIO_NET_F_GUEST_CSUM, "guest_csum"},
	{VIRTIO_NET_F_HOST_TSO4, "host_tso4"},
	{VIRTIO_NET_F_GUEST_TSO4, "guest_tso4"},
	{VIRTIO_NET_F_HOST_USO, "host_uso"},
	{VIRTIO_NET_F_GUEST_USO4, "guest_uso4"},
	{VIRTIO_NET_F_GUEST_USO6, "guest_uso6"},
};

#define COUNT (sizeof(names) / sizeof(names[0]))

const char *
feature_name(unsigned index, unsigned *bit)
{
	if (index >= COUNT)
		return NULL;
	*bit = names[index].bit;
	return names[index].name;
}

const char *
feature_first(uint64_t set)
{
	for (unsigned i = 0; i < COUNT; i++)
		if (set & VIRTIO_BIT(names[i].bit))
			return names[i].name;
	return NULL;
}
