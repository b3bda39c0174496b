/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net: a network card whose queues are served by a vhost-user back end (virtio 1.2, 5.1; vhost-user
 * specification): the monitor only hands over memory, rings and eventfds. The control queue alone is
 * served here.
 *
 * A thread per card keeps the connection: when the back end goes, it connects again for ever,
 * repeats the whole handshake and lets the rings go on where they were: a split ring at its used
 * index, a packed one where the in-flight region says; packed rings are therefore offered only where
 * the back end has INFLIGHT_SHMFD. The link is down meanwhile, and the guest announces itself after.
 *
 * Threads: net_init(), net_connect(), net_run() and net_free() the main thread; net_link() any.
 */
#ifndef LAUNCHER_NET_H
#define LAUNCHER_NET_H

#include <pthread.h>
#include <stdatomic.h>

#include "launcher/sandbox.h"
#include "launcher/virtq.h"
#include "launcher/vm_config.h"
#include "vhost/frontend.h"

/* 5.1.4. */
struct net_config {
	uint8_t mac[6];
	uint16_t status, pairs, mtu;
} __attribute__((packed));

struct net {
	struct virtio_device device;
	struct net_config config; /* guarded by the bus's lock */
	char name[16];
	const struct vm_net *settings;
	struct wish *wish; /* told of the link */
	struct frontend *frontend;
	int wake, watch; /* eventfd; inotify on the socket's folder, -1 = none */
	bool threaded;
	bool running;      /* between DRIVER_OK and reset */
	bool begun;        /* and a back end has had the rings */
	bool complained;   /* of what keeps us from being connected */
	unsigned pairs;    /* queue pairs the guest is offered */
	unsigned pairs_on; /* those in use */
	struct virtq control;
	pthread_t thread;
	atomic_bool connected;
	/* Guarded by lock. */
	pthread_mutex_t lock;
	bool start_due, stop_due, quit;
};

int net_init(struct net *net, const struct vm_net *settings, unsigned index, struct ram *ram,
	struct wish *wish, struct err *err);
/*
 * One attempt to find the back end and to agree with it on features: 0, -EAGAIN when nobody is there
 * yet, or an error with a text.  net->watch is readable when it is worth another attempt.
 */
int net_connect(struct net *net, struct err *err);
/* Connected: puts the card on the bus. */
int net_attach(struct net *net, const struct virtio_place *place, struct err *err);
int net_run(struct net *net, const struct sandbox *sandbox, struct err *err);
void net_free(struct net *net);

static inline bool
net_link(const struct net *net)
{
	return atomic_load(&net->connected);
}

#endif
