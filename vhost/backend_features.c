/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see vhost/backend.h.  A front end can only take what is offered, and cannot change
 * what running rings were built on.
 */
#include <errno.h>
#include <inttypes.h>

#include "vhost/backend_state.h"

uint64_t
backend_features(const struct backend_options *options)
{
	/*
	 * CTRL_VQ and what belongs to it is the front end's business (its control queue never gets
	 * here), yet old versions of QEMU let the guest use only what the back end offers too.
	 */
	uint64_t features =
		VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_RING_PACKED) |
		VIRTIO_BIT(VIRTIO_F_IN_ORDER) | VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) |
		VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) |
		VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
		VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) |
		VIRTIO_BIT(VIRTIO_NET_F_CTRL_VLAN) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		VIRTIO_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		VIRTIO_BIT(VIRTIO_NET_F_MQ) | VIRTIO_BIT(VIRTIO_NET_F_CSUM) |
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) |
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO) | VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) |
		VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN) |
		VIRTIO_BIT(VIRTIO_NET_F_HOST_UFO) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO4) |
		VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO6) | VIRTIO_BIT(VIRTIO_NET_F_HOST_USO) |
		VIRTIO_BIT(VHOST_F_LOG_ALL) | VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES);

	if (options->mtu)
		features |= VIRTIO_BIT(VIRTIO_NET_F_MTU);
	return features & ~options->features_off;
}

int
backend_get_features(struct backend *b, struct exchange *x, struct err *err)
{
	x->reply.u64 = b->features_offered;
	return 0;
}

/* Turning the dirty log on or off is the one change that running rings survive. */
static int
features_check(const struct backend *b, uint64_t features, struct err *err)
{
	uint64_t changed = b->features ^ features;

	if (features & ~b->features_offered)
		return err_set(err, -EINVAL, "features 0x%" PRIx64 " were not offered",
			features & ~b->features_offered);
	if (b->features_set && (changed & ~VIRTIO_BIT(VHOST_F_LOG_ALL)) && backend_rings_running(b))
		return err_set(
			err, -EBUSY, "features 0x%" PRIx64 " change while rings run", changed);
	return 0;
}

int
backend_set_features(struct backend *b, struct exchange *x, struct err *err)
{
	uint64_t features = x->payload->u64;
	int rc = features_check(b, features, err);

	if (rc)
		return rc;
	if (b->features_set && features == b->features)
		return 0;
	backend_rings_stop(b, BACKEND_RINGS_ALL);
	b->features = features;
	b->features_set = true;
	/* "Ring states": without protocol features there is no SET_VRING_ENABLE. */
	if (!(features & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		for (unsigned i = 0; i < 2 * b->options.queues; i++)
			b->ring[i].enabled = true;
	return backend_rings_start(b, err);
}

int
backend_get_protocol_features(struct backend *b, struct exchange *x, struct err *err)
{
	x->reply.u64 = b->protocol_offered;
	return 0;
}

int
backend_set_protocol_features(struct backend *b, struct exchange *x, struct err *err)
{
	uint64_t features = x->payload->u64;

	if (features & ~b->protocol_offered)
		return err_set(err, -EINVAL, "protocol features 0x%" PRIx64 " were not offered",
			features & ~b->protocol_offered);
	if (features != b->protocol && backend_rings_running(b))
		return err_set(err, -EBUSY, "protocol features change while rings run");
	b->protocol = features;
	return 0;
}

int
backend_get_queue_num(struct backend *b, struct exchange *x, struct err *err)
{
	x->reply.u64 = b->options.queues;
	return 0;
}
