/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "vhost/features_text.h"
#include "vhost/protocol.h"
#include "vhost/virtio.h"

void
vhost_features_text(uint64_t features, char *text, size_t size)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {
		{VIRTIO_F_VERSION_1, "version-1"},
		{VIRTIO_F_RING_PACKED, "packed"},
		{VIRTIO_F_IN_ORDER, "in-order"},
		{VIRTIO_RING_F_EVENT_IDX, "event-idx"},
		{VIRTIO_RING_F_INDIRECT_DESC, "indirect"},
		{VIRTIO_F_ANY_LAYOUT, "any-layout"},
		{VIRTIO_NET_F_MRG_RXBUF, "mergeable"},
		{VIRTIO_NET_F_MQ, "multi-queue"},
		{VIRTIO_NET_F_CSUM, "csum"},
		{VIRTIO_NET_F_GUEST_CSUM, "guest-csum"},
		{VIRTIO_NET_F_HOST_TSO4, "tso4"},
		{VIRTIO_NET_F_HOST_TSO6, "tso6"},
		{VIRTIO_NET_F_HOST_ECN, "ecn"},
		{VIRTIO_NET_F_HOST_UFO, "ufo"},
		{VIRTIO_NET_F_HOST_USO, "uso"},
		{VIRTIO_NET_F_GUEST_TSO4, "guest-tso4"},
		{VIRTIO_NET_F_GUEST_TSO6, "guest-tso6"},
		{VIRTIO_NET_F_GUEST_ECN, "guest-ecn"},
		{VIRTIO_NET_F_GUEST_UFO, "guest-ufo"},
		{VIRTIO_NET_F_GUEST_USO4, "guest-uso4"},
		{VIRTIO_NET_F_GUEST_USO6, "guest-uso6"},
		{VIRTIO_NET_F_MTU, "mtu"},
		{VIRTIO_NET_F_STATUS, "status"},
		{VIRTIO_NET_F_CTRL_VQ, "ctrl-vq"},
		{VIRTIO_NET_F_CTRL_RX, "ctrl-rx"},
		{VIRTIO_NET_F_CTRL_VLAN, "ctrl-vlan"},
		{VIRTIO_NET_F_CTRL_RX_EXTRA, "ctrl-rx-extra"},
		{VIRTIO_NET_F_CTRL_MAC_ADDR, "ctrl-mac"},
		{VIRTIO_NET_F_GUEST_ANNOUNCE, "guest-announce"},
		{VHOST_F_LOG_ALL, "log-all"},
		{VHOST_USER_F_PROTOCOL_FEATURES, "protocol-features"},
	};
	size_t used = 0;

	if (!size)
		return;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int n;

		if (!(features >> names[i].bit & 1))
			continue;
		n = snprintf(text + used, size - used, "%s%s", used ? " " : "", names[i].name);
		if (n < 0 || (size_t)n >= size - used) {
			/* No half of a name. */
			text[used] = '\0';
			return;
		}
		used += (size_t)n;
	}
}
