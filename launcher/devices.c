/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "launcher/balloon.h"
#include "launcher/blk.h"
#include "launcher/console.h"
#include "launcher/devices.h"
#include "launcher/net.h"
#include "launcher/pci.h"
#include "launcher/rng.h"
#include "lib/log.h"

#define KICKS_MAX 8
#define WAIT_MS   100 /* between attempts to reach a back end, at most */

/* A queue of a device that the main thread serves. */
struct kick {
	struct devices *devices;
	int fd;
	void (*serve)(void *device);
	void *device;
	struct event *event;
};

struct devices {
	struct machine *machine;
	struct pci pci;
	struct rng rng;
	struct console console;
	struct balloon balloon;
	bool has_rng, has_console, has_balloon;
	struct blk *disks;
	struct net *nets;
	unsigned disk_count, net_count, attached;
	struct kick kicks[KICKS_MAX];
	unsigned kick_count;
	struct event *console_input;
};

/* ---- devices of the main thread ---- */

static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct kick *kick = arg;
	eventfd_t count;

	eventfd_read((int)fd, &count);
	pthread_mutex_lock(&kick->devices->machine->bus.lock);
	kick->serve(kick->device);
	pthread_mutex_unlock(&kick->devices->machine->bus.lock);
}

static int
serve_queues(struct devices *d, struct virtio_device *device, void (*serve)(void *))
{
	for (unsigned i = 0; i < device->queue_count; i++) {
		struct kick *kick = &d->kicks[d->kick_count++];

		*kick = (struct kick){.devices = d, .serve = serve, .device = device->owner};
		kick->event = event_new(d->machine->loop, device->queues[i].kick,
			EV_READ | EV_PERSIST, on_kick, kick);
		if (!kick->event || event_add(kick->event, NULL))
			return -ENOMEM;
	}
	return 0;
}

static void
on_console_input(evutil_socket_t fd, short what, void *arg)
{
	struct devices *d = arg;
	bool more;

	pthread_mutex_lock(&d->machine->bus.lock);
	more = console_input(&d->console);
	pthread_mutex_unlock(&d->machine->bus.lock);
	if (!more) {
		event_free(d->console_input);
		d->console_input = NULL;
	}
}

static void
console_wants_input(void *arg, bool wants)
{
	struct devices *d = arg;

	if (d->console_input && wants)
		event_add(d->console_input, NULL);
	else if (d->console_input)
		event_del(d->console_input);
}

static int
make_console(struct devices *d, const struct virtio_place *place, struct err *err)
{
	const struct machine_io *io = d->machine->io;
	int rc;

	d->console = (struct console){.in = io->console_in,
		.out = io->console_out,
		.wants_input = console_wants_input,
		.arg = d};
	rc = console_init(&d->console, place, err);
	if (rc)
		return rc;
	d->has_console = true;
	if (io->console_in >= 0)
		d->console_input = event_new(d->machine->loop, io->console_in, EV_READ | EV_PERSIST,
			on_console_input, d);
	rc = serve_queues(d, &d->console.device, console_serve);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

static int
make_small(struct devices *d, const struct virtio_place *place, struct err *err)
{
	const struct vm_config *config = d->machine->config;
	int rc = 0;

	if (config->rng) {
		rc = rng_init(&d->rng, place, err);
		d->has_rng = !rc;
		if (!rc && serve_queues(d, &d->rng.device, rng_serve))
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	if (!rc && config->balloon) {
		rc = balloon_init(&d->balloon, place, &d->machine->ram, err);
		d->has_balloon = !rc;
		if (!rc && serve_queues(d, &d->balloon.device, balloon_serve))
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	if (!rc && config->console)
		rc = make_console(d, place, err);
	return rc;
}

/* ---- disks and cards ---- */

static int
make_disks(struct devices *d, const struct virtio_place *place, struct err *err)
{
	const struct vm_config *config = d->machine->config;
	int rc = 0;

	for (unsigned i = 0; i < config->disk_count && !rc; i++, d->disk_count++)
		rc = blk_init(&d->disks[i], place, &config->disks[i], i, config->cpus, err);
	return rc;
}

/* The machine's events go on while a back end is waited for. */
static int
wait_for_back_end(struct devices *d, struct net *net, struct err *err)
{
	const struct timeval pause = {.tv_usec = WAIT_MS * 1000};
	int rc = net_connect(net, err);

	if (rc == -EAGAIN)
		log_info("%s: waiting for a back end at %s", net->name, net->settings->socket);
	while (rc == -EAGAIN) {
		if (event_base_loopexit(d->machine->loop, &pause) ||
			event_base_dispatch(d->machine->loop) < 0)
			return err_set(err, -EIO, "waiting for events failed");
		if (d->machine->ending)
			return err_set(err, -EINTR, "ended while waiting for a back end at %s",
				net->settings->socket);
		rc = net_connect(net, err);
	}
	return rc ? err_prefix(err, "%s", net->name) : 0;
}

static int
make_nets(struct devices *d, const struct virtio_place *place, struct err *err)
{
	const struct vm_config *config = d->machine->config;
	int rc = 0;

	for (unsigned i = 0; i < config->net_count && !rc; i++, d->net_count++)
		rc = net_init(
			&d->nets[i], &config->nets[i], i, &d->machine->ram, &d->machine->wish, err);
	for (unsigned i = 0; i < config->net_count && !rc; i++) {
		rc = wait_for_back_end(d, &d->nets[i], err);
		if (!rc)
			rc = net_attach(&d->nets[i], place, err);
		d->attached += !rc;
	}
	return rc;
}

int
devices_create(struct devices **out, struct machine *machine, struct err *err)
{
	struct devices *d = calloc(1, sizeof(*d));
	struct virtio_place place;
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	*out = d;
	d->machine = machine;
	d->disks = calloc(VM_DISKS_MAX, sizeof(d->disks[0]));
	d->nets = calloc(VM_NETS_MAX, sizeof(d->nets[0]));
	if (!d->disks || !d->nets)
		return err_set(err, -ENOMEM, "out of memory");
	pci_init(&d->pci, &machine->bus, &machine->wish);
	place = (struct virtio_place){
		.pci = &d->pci, .bus = &machine->bus, .kvm = &machine->kvm, .ram = &machine->ram};
	rc = make_disks(d, &place, err);
	if (!rc)
		rc = make_nets(d, &place, err);
	return rc ? rc : make_small(d, &place, err);
}

int
devices_run(struct devices *d, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < d->disk_count && !rc; i++)
		rc = blk_run(&d->disks[i], &d->machine->sandbox, err);
	for (unsigned i = 0; i < d->attached && !rc; i++)
		rc = net_run(&d->nets[i], &d->machine->sandbox, err);
	return rc;
}

void
devices_reset(struct devices *d)
{
	pthread_mutex_lock(&d->machine->bus.lock);
	pci_reset(&d->pci);
	pthread_mutex_unlock(&d->machine->bus.lock);
}

void
devices_stop(struct devices *d)
{
	for (unsigned i = 0; i < d->disk_count; i++)
		virtio_device_quiesce(&d->disks[i].device);
	for (unsigned i = 0; i < d->attached; i++)
		virtio_device_quiesce(&d->nets[i].device);
	if (d->has_rng)
		virtio_device_quiesce(&d->rng.device);
	if (d->has_balloon)
		virtio_device_quiesce(&d->balloon.device);
	if (d->has_console)
		virtio_device_quiesce(&d->console.device);
}

void
devices_destroy(struct devices *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->kick_count; i++)
		if (d->kicks[i].event)
			event_free(d->kicks[i].event);
	if (d->console_input)
		event_free(d->console_input);
	for (unsigned i = 0; i < d->disk_count; i++)
		blk_free(&d->disks[i]);
	for (unsigned i = 0; i < d->net_count; i++)
		net_free(&d->nets[i]);
	if (d->has_rng)
		virtio_device_free(&d->rng.device);
	if (d->has_balloon)
		virtio_device_free(&d->balloon.device);
	if (d->has_console)
		virtio_device_free(&d->console.device);
	free(d->disks);
	free(d->nets);
	free(d);
}

uint32_t
devices_links(const struct devices *d)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < d->attached; i++)
		bits |= (uint32_t)net_link(&d->nets[i]) << i;
	return bits;
}

uint64_t
devices_memory(const struct devices *d)
{
	return d->has_balloon ? balloon_memory(&d->balloon) : d->machine->ram.size;
}

int
devices_balloon(struct devices *d, uint64_t keep)
{
	if (!d->has_balloon)
		return -ENOTSUP;
	pthread_mutex_lock(&d->machine->bus.lock);
	balloon_set(&d->balloon, keep);
	pthread_mutex_unlock(&d->machine->bus.lock);
	return 0;
}
