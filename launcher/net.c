/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the back end has all of the guest's memory, but must not harm the monitor: its answers
 * are judged by vhost/frontend_request.c, each is waited for a bounded time, and only this card's
 * thread waits. What it does to the rings only the guest has to bear.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "launcher/net_state.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/features_text.h"

#define CLASS_ETHERNET 0x020000
#define MTU_DEFAULT    1500
/* Between attempts to connect, where no event tells: shortly after a loss, and later. */
#define RETRY_MS       5
#define RETRY_LATER_MS 100
#define RETRY_SOON_NS  UINT64_C(2000000000)

/* ---- connection ---- */

/* The socket's folder tells when the socket appears. */
static void
watch_folder(struct net *net)
{
	char folder[VM_SOCKET_SIZE];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", net->settings->socket);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = 0;
	net->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (net->watch >= 0 &&
		inotify_add_watch(net->watch, folder, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) < 0)
		fd_close(&net->watch); /* then by and by */
}

int
net_init(struct net *net, const struct vm_net *settings, unsigned index, struct ram *ram,
	struct wish *wish, struct err *err)
{
	const struct frontend_options options = {.path = settings->socket,
		.listen = settings->listen,
		.features = NET_BACKEND_FEATURES | VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES),
		.required = VIRTIO_BIT(VIRTIO_F_VERSION_1),
		.protocol_features = VIRTIO_BIT(VHOST_PROTOCOL_F_MQ) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_NET_MTU) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_RESET_DEVICE) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_STATUS),
		.mem_slots = true,
		.inflight = true,
		.memory = ram->shared};
	int rc;

	*net = (struct net){.settings = settings,
		.wish = wish,
		.wake = -1,
		.watch = -1,
		.device.config_call = -1};
	pthread_mutex_init(&net->lock, NULL);
	snprintf(net->name, sizeof(net->name), "card %u", index);
	net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (net->wake < 0)
		return err_set(err, -errno, "eventfd: %s", strerror(errno));
	rc = frontend_create(&net->frontend, &options, err);
	if (!rc && !settings->listen)
		watch_folder(net);
	return rc ? err_prefix(err, "%s", net->name) : 0;
}

/* The guest must find what it was offered. */
static int
check_offer(struct net *net, struct err *err)
{
	uint64_t missing =
		net->device.offered & NET_BACKEND_FEATURES & ~frontend_offered(net->frontend);
	char names[128];

	if (!missing && frontend_queue_pairs(net->frontend) >= net->pairs)
		return 0;
	frontend_disconnect(net->frontend);
	vhost_features_text(missing, names, sizeof(names));
	return err_set(err, -ENOTSUP,
		"the back end at %s offers less than the one before (%s%s%s%u queue pairs)",
		net->settings->socket, missing ? "without " : "",
		missing ? (names[0] ? names : "a feature") : "", missing ? ", " : "",
		frontend_queue_pairs(net->frontend));
}

int
net_connect(struct net *net, struct err *err)
{
	int rc = frontend_try(net->frontend, err);

	if (!rc)
		rc = check_offer(net, err);
	switch (rc) {
	case -ENOENT:
	case -ECONNREFUSED:
	case -EAGAIN:
	case -ENODATA: /* it is just going */
	case -ECONNRESET:
	case -EPIPE:
	case -ETIMEDOUT:
		return -EAGAIN;
	default:
		return rc;
	}
}

static void
set_link(struct net *net, bool up, bool announce)
{
	atomic_store(&net->connected, up);
	pthread_mutex_lock(&net->device.bus->lock);
	net->config.status = up ? NET_STATUS_LINK : 0;
	if (announce && virtio_device_has(&net->device, VIRTIO_NET_F_GUEST_ANNOUNCE))
		net->config.status |= NET_STATUS_ANNOUNCE;
	if (net->running)
		virtio_device_changed(&net->device);
	pthread_mutex_unlock(&net->device.bus->lock);
	wish_raise(net->wish, WISH_TELL);
}

static void
lose(struct net *net)
{
	log_warning("%s: the back end at %s went away", net->name, net->settings->socket);
	frontend_disconnect(net->frontend);
	net->complained = false;
	set_link(net, false, false);
}

static void
complain(struct net *net, const struct err *err)
{
	if (!net->complained)
		log_warning("%s: %s: trying on", net->name, err->text);
	net->complained = true;
}

/* true: connected, and the rings are at the back end. */
static bool
come_back(struct net *net)
{
	struct err err = {0};
	int rc = net_connect(net, &err);

	if (!rc && net->running)
		rc = net_rings_start(net, &err);
	if (rc) {
		if (rc != -EAGAIN)
			complain(net, &err);
		frontend_disconnect(net->frontend);
		return false;
	}
	log_info("%s: connected to %s", net->name, net->settings->socket);
	set_link(net, true, net->begun);
	return true;
}

/* ---- the thread ---- */

static void
begin(struct net *net)
{
	struct err err = {0};
	int rc;

	net->running = true;
	net->begun = false;
	net->pairs_on = 1;
	net_control_start(net);
	net_control_serve(net); /* asks for kicks */
	if (!net_link(net))
		return;
	rc = net_rings_start(net, &err);
	if (rc) {
		complain(net, &err);
		lose(net);
	}
}

static void
finish(struct net *net)
{
	net_rings_stop(net);
	virtq_stop(&net->control);
	net->running = net->begun = false;
	virtio_device_stopped(&net->device);
}

/* false: the thread shall end. */
static bool
obey_orders(struct net *net)
{
	bool start, stop, quit;
	eventfd_t count;

	eventfd_read(net->wake, &count);
	pthread_mutex_lock(&net->lock);
	start = net->start_due;
	stop = net->stop_due;
	quit = net->quit;
	net->start_due = net->stop_due = false;
	pthread_mutex_unlock(&net->lock);
	if (start && !stop)
		begin(net);
	if (stop)
		finish(net);
	return !quit;
}

/* Waits for orders, commands of the guest, and the loss or the coming of the back end. */
static void
await(struct net *net, uint64_t lost_at)
{
	bool soon = clock_ns() - lost_at < RETRY_SOON_NS;
	int listener = frontend_listener(net->frontend);
	struct pollfd fds[3] = {{.fd = net->wake, .events = POLLIN},
		{.fd = net_control_fd(net), .events = POLLIN},
		{.fd = net_link(net)    ? frontend_socket(net->frontend)
			: listener >= 0 ? listener
					: net->watch,
			.events = POLLIN}};
	char events[1024];
	eventfd_t count;

	if (poll(fds, 3, net_link(net) ? -1 : soon ? RETRY_MS : RETRY_LATER_MS) <= 0)
		return;
	if (fds[1].revents && !eventfd_read(fds[1].fd, &count))
		net_control_serve(net);
	if (net->watch >= 0)
		while (read(net->watch, events, sizeof(events)) > 0)
			;
}

static void
net_main(void *arg)
{
	struct net *net = arg;
	uint64_t lost_at = 0;

	while (obey_orders(net)) {
		if (net_link(net) && !frontend_alive(net->frontend)) {
			lose(net);
			lost_at = clock_ns();
		}
		if (!net_link(net) && come_back(net))
			continue;
		await(net, lost_at);
	}
}

/* ---- the device ---- */

static void
order(struct net *net, bool *what)
{
	pthread_mutex_lock(&net->lock);
	*what = true;
	pthread_mutex_unlock(&net->lock);
	eventfd_write(net->wake, 1);
}

static void
net_start(void *owner)
{
	struct net *net = owner;

	order(net, &net->start_due);
}

static bool
net_stop(void *owner)
{
	struct net *net = owner;

	order(net, &net->stop_due);
	return false;
}

/* What the guest is offered: the back end's, and what is done here. */
static uint64_t
features(const struct net *net)
{
	uint64_t set = frontend_offered(net->frontend) & NET_BACKEND_FEATURES;
	bool inflight = frontend_protocol_features(net->frontend) &
			VIRTIO_BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD);

	if (!net->settings->packed || !inflight)
		set &= ~VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	set |= VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
	       VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) |
	       VIRTIO_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);
	if (net->pairs > 1)
		set |= VIRTIO_BIT(VIRTIO_NET_F_MQ);
	if (net->settings->mtu)
		set |= VIRTIO_BIT(VIRTIO_NET_F_MTU);
	return set;
}

int
net_attach(struct net *net, const struct virtio_place *place, struct err *err)
{
	static const struct virtio_ops ops = {.start = net_start, .stop = net_stop};
	unsigned offered = frontend_queue_pairs(net->frontend);
	const struct vm_net *settings = net->settings;

	net->pairs = settings->queues < offered ? settings->queues : offered;
	if (net->pairs < settings->queues)
		log_warning("%s: %u queue pairs instead of %u: the back end has no more", net->name,
			net->pairs, settings->queues);
	memcpy(net->config.mac, settings->mac.b, sizeof(net->config.mac));
	net->config.status = NET_STATUS_LINK;
	net->config.pairs = (uint16_t)net->pairs;
	net->config.mtu = (uint16_t)(settings->mtu ? settings->mtu : MTU_DEFAULT);
	atomic_store(&net->connected, true);
	return virtio_device_init(&net->device, place,
		&(struct virtio_identity){.id = VIRTIO_ID_NET,
			.class = CLASS_ETHERNET,
			.name = net->name,
			.queues = 2 * net->pairs + 1,
			.queue_size = (uint16_t)settings->queue_size,
			.features = features(net),
			.config = &net->config,
			.config_size = sizeof(net->config),
			.ops = &ops,
			.owner = net},
		err);
}

int
net_run(struct net *net, const struct sandbox *sandbox, struct err *err)
{
	int rc = sandbox_thread(sandbox, SANDBOX_CARD, &net->thread, net->name, net_main, net, err);

	net->threaded = !rc;
	return rc;
}

void
net_free(struct net *net)
{
	if (net->threaded) {
		order(net, &net->quit);
		pthread_join(net->thread, NULL);
	}
	frontend_destroy(net->frontend);
	virtio_device_free(&net->device);
	fd_close(&net->wake);
	fd_close(&net->watch);
}
