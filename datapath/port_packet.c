/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/datapath.h"
#include "datapath/port_packet.h"
#include "datapath/port_packet_internal.h"

/* The kernel cuts these itself where the interface can't.  UDP is left to us: the kernel takes it
 * since 6.2 only. */
#define ACCEPTS (OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_ECN)

static void
packet_destroy(struct port *port)
{
	struct port_packet *p = (struct port_packet *)port;

	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		packet_queue_destroy(atomic_load(&p->queues[q]));
	if (p->ended)
		p->ended(p->owner);
	free(p);
}

int
port_packet_create(const struct port_packet_options *options, struct port **port, struct err *err)
{
	struct port_packet *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, -ENOMEM, "no memory for a port");
	p->ops = (struct port_ops){
		.type = options->type,
		.rx = packet_rx,
		.rx_done = packet_rx_done,
		.tx = packet_tx,
		.tx_flush = packet_tx_flush,
		.rx_arm = packet_rx_arm,
		.destroy = packet_destroy,
	};
	p->owner = options->owner;
	p->ended = options->ended;
	port_init(&p->port, &p->ops, options->name, options->queues, options->queues);
	atomic_store(&p->port.tx_queues, 0);
	atomic_store(&p->port.accepts, ACCEPTS);
	*port = &p->port;
	return 0;
}

void *
port_packet_owner(const struct port *port)
{
	return ((const struct port_packet *)port)->owner;
}

static void
release_queue(void *queue)
{
	packet_queue_destroy(queue);
}

void
port_packet_detach(struct port *port)
{
	struct port_packet *p = (struct port_packet *)port;
	struct packet_queue *old[PORT_QUEUES_MAX];

	port_packet_link(port, false);
	for (unsigned q = 0; q < port->rx_queues; q++) {
		old[q] = atomic_exchange(&p->queues[q], NULL);
		if (old[q])
			datapath_port_watch(port, q, -1);
	}
	datapath_synchronize();
	for (unsigned q = 0; q < port->rx_queues; q++) {
		if (!old[q])
			continue;
		p->lost += packet_queue_lost(old[q]);
		datapath_release(release_queue, old[q]);
	}
}

int
port_packet_attach(struct port *port, int ifindex, unsigned mtu, struct err *err)
{
	struct port_packet *p = (struct port_packet *)port;
	int fanout = port->rx_queues > 1 ? -1 : 0, r = 0;

	port_packet_detach(port);
	port->mtu = (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX);
	for (unsigned q = 0; !r && q < port->rx_queues; q++) {
		struct packet_queue *queue;

		r = packet_queue_create(&queue, ifindex, mtu, &fanout, err);
		if (r)
			break;
		atomic_store(&p->queues[q], queue);
		r = datapath_port_watch(port, q, queue->fd);
		if (r)
			err_set(err, r, "no wake-ups from its interface: %s", strerror(-r));
	}
	if (!r)
		r = datapath_port_refresh(port, err);
	if (r)
		port_packet_detach(port);
	return r;
}

void
port_packet_link(struct port *port, bool up)
{
	const struct port_packet *p = (const struct port_packet *)port;

	/* That the interface was down is an error the socket would report to the next frame. */
	for (unsigned q = 0; up && q < port->rx_queues; q++) {
		const struct packet_queue *queue = atomic_load(&p->queues[q]);

		if (queue)
			packet_queue_clear_error(queue);
	}
	atomic_store(&port->tx_queues, up ? port->tx_queues_max : 0);
}

uint64_t
port_packet_lost(struct port *port)
{
	struct port_packet *p = (struct port_packet *)port;

	for (unsigned q = 0; q < port->rx_queues; q++) {
		const struct packet_queue *queue = atomic_load(&p->queues[q]);

		if (queue)
			p->lost += packet_queue_lost(queue);
	}
	return p->lost;
}
