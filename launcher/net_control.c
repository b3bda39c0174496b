/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control queue (virtio 1.2, 5.1.6.5).
 *
 * Threat model: commands are the guest's; what is not known, too short or was not negotiated is
 * refused.
 */
#include "launcher/net_state.h"

#define CLASS_RX       0
#define CLASS_MAC      1
#define CLASS_ANNOUNCE 3
#define CLASS_MQ       4
#define RX_COMMANDS    6
#define MAC_TABLE_SET  0

struct control_header {
	uint8_t class, command;
};

/* Where the queue is depends on what the driver knows. */
static unsigned
control_index(const struct net *net)
{
	return virtio_device_has(&net->device, VIRTIO_NET_F_MQ) ? 2 * net->pairs : 2;
}

void
net_control_start(struct net *net)
{
	virtq_start(&net->control, &net->device, control_index(net));
	if (!virtio_device_has(&net->device, VIRTIO_NET_F_CTRL_VQ))
		virtq_stop(&net->control);
}

int
net_control_fd(const struct net *net)
{
	return net->running && net->control.running ? net->device.queues[control_index(net)].kick
						    : -1;
}

static bool
set_pairs(struct net *net, const struct virtq_chain *chain)
{
	uint16_t pairs;

	if (!virtio_device_has(&net->device, VIRTIO_NET_F_MQ) ||
		virtq_read(chain, sizeof(struct control_header), &pairs, sizeof(pairs)) !=
			sizeof(pairs) ||
		pairs < 1 || pairs > net->pairs)
		return false;
	return !net_rings_enable(net, pairs);
}

static bool
obey(struct net *net, const struct virtq_chain *chain)
{
	struct control_header header;

	if (virtq_read(chain, 0, &header, sizeof(header)) != sizeof(header))
		return false;
	switch (header.class) {
	case CLASS_RX: /* the switch decides what comes here */
		return virtio_device_has(&net->device, VIRTIO_NET_F_CTRL_RX) &&
		       header.command < RX_COMMANDS;
	case CLASS_MAC: /* as well: the table is a filter, not an address of its own */
		return virtio_device_has(&net->device, VIRTIO_NET_F_CTRL_RX) &&
		       header.command == MAC_TABLE_SET;
	case CLASS_ANNOUNCE:
		pthread_mutex_lock(&net->device.bus->lock);
		net->config.status &= (uint16_t)~NET_STATUS_ANNOUNCE;
		pthread_mutex_unlock(&net->device.bus->lock);
		return header.command == 0;
	case CLASS_MQ:
		return header.command == 0 && set_pairs(net, chain);
	default:
		return false;
	}
}

static uint32_t
answer(void *arg, const struct virtq_chain *chain)
{
	uint8_t refused = !obey(arg, chain);

	return (uint32_t)virtq_write(chain, &refused, sizeof(refused));
}

void
net_control_serve(struct net *net)
{
	int rc = virtq_each(&net->control, answer, net);

	if (rc > 0)
		eventfd_write(net_control_fd(net), 1);
	if (rc >= 0)
		return;
	pthread_mutex_lock(&net->device.bus->lock);
	virtio_device_broken(&net->device, "its control queue is malformed");
	pthread_mutex_unlock(&net->device.bus->lock);
}
