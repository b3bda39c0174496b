/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/eventfd.h>

#include "launcher/net_state.h"
#include "lib/log.h"
#include "vhost/inflight.h"

/* The position of a packed ring at its beginning: descriptor 0, first lap, for both sides. */
#define PACKED_BEGIN 0x80008000u

/*
 * After a loss nobody can be asked where the rings were.  A split ring's used index says it; of a packed
 * one, the back end itself looks into the in-flight region, and what it is told only has to be
 * possible.
 */
static uint32_t
ring_base(const struct net *net, const struct virtio_queue *queue, const void *device)
{
	const struct virtq_used *used = device;

	(void)queue;
	if (virtio_device_has(&net->device, VIRTIO_F_RING_PACKED))
		return PACKED_BEGIN;
	return net->begun ? __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) : 0;
}

static bool
set_ring(struct net *net, unsigned index)
{
	const struct virtio_queue *queue = &net->device.queues[index];
	const struct ram *ram = net->device.ram;
	struct frontend_ring ring;

	if (!queue->enabled)
		return false;
	ring = (struct frontend_ring){.desc = ram_at(ram, queue->desc, 1),
		.driver = ram_at(ram, queue->driver, 1),
		.device = ram_at(ram, queue->device, 1),
		.size = queue->size,
		.kick_fd = queue->kick,
		.call_fd = queue->call,
		.disabled = index / 2 >= net->pairs_on};
	ring.base = ring_base(net, queue, ring.device);
	frontend_set_ring(net->frontend, index, &ring);
	return true;
}

static unsigned
ring_count(const struct net *net)
{
	return virtio_device_has(&net->device, VIRTIO_NET_F_MQ) ? 2 * net->pairs : 2;
}

int
net_rings_start(struct net *net, struct err *err)
{
	unsigned count = 0;
	int rc = 0;

	if (!net->begun)
		frontend_choose(net->frontend, net->device.accepted & NET_BACKEND_FEATURES);
	while (count < ring_count(net) && set_ring(net, count))
		count++;
	if (count < 2)
		return 0; /* a driver without queues */
	if (net->settings->mtu &&
		frontend_protocol_features(net->frontend) & VIRTIO_BIT(VHOST_PROTOCOL_F_NET_MTU))
		rc = frontend_set_mtu(net->frontend, (uint16_t)net->settings->mtu, err);
	net->begun = true;
	if (!rc)
		rc = frontend_start(net->frontend, err);
	/* What was signalled while nobody was there to notice. */
	for (unsigned i = 0; i < count && !rc; i++) {
		eventfd_write(net->device.queues[i].kick, 1);
		eventfd_write(net->device.queues[i].call, 1);
	}
	return rc;
}

void
net_rings_stop(struct net *net)
{
	struct err err = {0};
	int rc;

	if (!net->begun || !net_link(net))
		return;
	rc = frontend_stop(net->frontend, &err);
	if (!rc)
		rc = frontend_reset(net->frontend, &err);
	if (rc && rc != -ENOTSUP)
		frontend_disconnect(net->frontend);
}

int
net_rings_enable(struct net *net, unsigned pairs)
{
	struct err err = {0};
	unsigned before = net->pairs_on;
	int rc = 0;

	net->pairs_on = pairs;
	if (!net_link(net) || !net->begun)
		return 0; /* when the rings are started */
	for (unsigned i = 0; i < 2 * net->pairs && !rc; i++) {
		bool on = i / 2 < pairs;

		if (on != (i / 2 < before) && net->device.queues[i].enabled)
			rc = frontend_enable(net->frontend, i, on, &err);
	}
	if (rc)
		log_warning("%s: %s", net->name, err.text);
	return rc;
}
