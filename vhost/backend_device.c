/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that concern the device as a whole: owner, reset, status, announcements, MTU.
 *
 * Threat model: see vhost/backend.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/fd.h"
#include "vhost/backend_state.h"

#define MTU_MIN 68 /* RFC 791 */

int
backend_set_owner(struct backend *b, struct exchange *x, struct err *err)
{
	return 0;
}

/* Memory, protocol features and descriptors for calls and errors stay. */
static void
rings_reset(struct backend *b)
{
	backend_rings_stop(b, BACKEND_RINGS_ALL);
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		backend_ring_reset(b, i);
}

/* "RESET_OWNER: either ignore this message, or use it to disable all rings". */
int
backend_reset_owner(struct backend *b, struct exchange *x, struct err *err)
{
	rings_reset(b);
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		b->ring[i].enabled = b->features_set &&
				     !(b->features & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)) &&
				     i < 2 * b->options.queues;
	return 0;
}

/*
 * The device goes back to its beginning, the connection does not: front ends that add and remove
 * regions one by one rely on the memory they have given.
 */
int
backend_reset_device(struct backend *b, struct exchange *x, struct err *err)
{
	rings_reset(b);
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		struct backend_ring *ring = &b->ring[i];

		ring->size = 0;
		ring->next = 0;
		ring->next_wrap = true;
		ring->exact = ring->addressed = ring->enabled = false;
	}
	b->features = 0;
	b->features_set = false;
	b->status = 0;
	return 0;
}

/* Virtio 1.2, 2.1: writing 0 resets the device. */
int
backend_set_status(struct backend *b, struct exchange *x, struct err *err)
{
	if (x->payload->u64 > UINT8_MAX)
		return err_set(
			err, -EINVAL, "status 0x%" PRIx64 " has more than 8 bits", x->payload->u64);
	if (!x->payload->u64)
		rings_reset(b);
	b->status = (uint8_t)x->payload->u64;
	return 0;
}

int
backend_get_status(struct backend *b, struct exchange *x, struct err *err)
{
	x->reply.u64 = b->status;
	if (backend_is_broken(b))
		x->reply.u64 |= VIRTIO_STATUS_NEEDS_RESET;
	return 0;
}

int
backend_send_rarp(struct backend *b, struct exchange *x, struct err *err)
{
	struct mac mac;

	memcpy(&mac, &x->payload->u64, sizeof(mac));
	if (mac_is_zero(&mac) || mac_is_multicast(&mac))
		return err_set(err, -EINVAL, "no address that a guest can have");
	b->options.announce(&b->rings->port, &mac);
	return 0;
}

int
backend_net_set_mtu(struct backend *b, struct exchange *x, struct err *err)
{
	uint64_t mtu = x->payload->u64;
	unsigned most = b->options.mtu ? b->options.mtu : UINT16_MAX;

	if (mtu < MTU_MIN || mtu > most)
		return err_set(err, -EINVAL, "MTU %" PRIu64 ", the port takes %d to %u", mtu,
			MTU_MIN, most);
	return 0;
}
