/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: a driver writes any register at any time in any order.  Queue numbers and vectors are
 * checked against what exists, addresses against memory when a queue is enabled, and a queue that
 * is enabled cannot be described again before the device was reset.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "launcher/virtio_window.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "vhost/virtio.h"

#define CAP_VENDOR      0x09
#define CAP_COMMON      1
#define CAP_NOTIFY      2
#define CAP_ISR         3
#define CAP_DEVICE      4
#define VENDOR          0x1af4
#define DEVICE_BASE     0x1040
#define SUBSYSTEM       0x1100
#define REVISION_MODERN 1

/* ---- status ---- */

static void
forget(struct virtio_device *d)
{
	d->status = 0;
	d->accepted = 0;
	d->isr = 0;
	d->started = d->resetting = false;
	d->offered_select = d->accepted_select = 0;
	d->queue_select = 0;
	for (unsigned i = 0; i < d->queue_count; i++) {
		struct virtio_queue *queue = &d->queues[i];

		msix_bind(&d->msix, i, MSIX_NO_VECTOR);
		*queue = (struct virtio_queue){.size_max = queue->size_max,
			.size = queue->size_max,
			.kick = queue->kick,
			.call = queue->call};
	}
	msix_bind(&d->msix, d->queue_count, MSIX_NO_VECTOR);
}

static void
reset(struct virtio_device *d)
{
	if (d->resetting)
		return;
	d->resetting = d->started && !d->ops->stop(d->owner);
	if (!d->resetting)
		forget(d);
}

void
virtio_device_stopped(struct virtio_device *d)
{
	pthread_mutex_lock(&d->bus->lock);
	if (d->resetting)
		forget(d);
	pthread_cond_broadcast(&d->bus->stopped);
	pthread_mutex_unlock(&d->bus->lock);
}

void
virtio_device_quiesce(struct virtio_device *d)
{
	pthread_mutex_lock(&d->bus->lock);
	reset(d);
	while (d->resetting)
		pthread_cond_wait(&d->bus->stopped, &d->bus->lock);
	msix_reset(&d->msix);
	pthread_mutex_unlock(&d->bus->lock);
}

void
virtio_device_changed(struct virtio_device *d)
{
	d->generation++;
	d->isr |= VIRTIO_ISR_CONFIG;
	eventfd_write(d->config_call, 1);
}

void
virtio_device_broken(struct virtio_device *d, const char *what)
{
	if (d->status & VIRTIO_STATUS_NEEDS_RESET)
		return;
	log_warning("%s: %s: the guest must reset it", d->name, what);
	d->status |= VIRTIO_STATUS_NEEDS_RESET;
	if (d->status & VIRTIO_STATUS_DRIVER_OK)
		virtio_device_changed(d);
}

/* Bits come one after the other and go all at once. */
void
virtio_device_set_status(struct virtio_device *d, uint8_t status)
{
	const uint8_t negotiated = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;
	const uint8_t ready = negotiated | VIRTIO_STATUS_FEATURES_OK;
	uint8_t add = status & (uint8_t)~d->status;

	if (!status) {
		reset(d);
		return;
	}
	if ((d->status & ~VIRTIO_STATUS_NEEDS_RESET & ~status) ||
		(d->status & VIRTIO_STATUS_FAILED))
		return;
	if ((add & VIRTIO_STATUS_FEATURES_OK) &&
		((status & negotiated) != negotiated || (d->accepted & ~d->offered) ||
			!virtio_device_has(d, VIRTIO_F_VERSION_1)))
		add &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	if ((add & VIRTIO_STATUS_DRIVER_OK) &&
		(((d->status | add) & ready) != ready || (d->status & VIRTIO_STATUS_NEEDS_RESET)))
		add &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
	d->status |= add & (negotiated | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK |
				   VIRTIO_STATUS_FAILED);
	if (add & VIRTIO_STATUS_DRIVER_OK) {
		d->started = true;
		d->ops->start(d->owner);
	}
}

/* ---- making ---- */

static void
add_capability(struct virtio_device *d, uint8_t type, uint32_t at, uint32_t size)
{
	struct {
		uint8_t length, type, bar, id, padding[2];
		uint32_t offset, size, step;
	} __attribute__((packed)) body = {.length = type == CAP_NOTIFY ? 20 : 16,
		.type = type,
		.offset = at,
		.size = size,
		.step = NOTIFY_STEP};

	pci_device_capability(&d->pci, CAP_VENDOR, &body, body.length - 2u);
}

static int
make_queues(struct virtio_device *d, uint16_t size)
{
	d->queues = calloc(d->queue_count, sizeof(d->queues[0]));
	if (!d->queues)
		return -ENOMEM;
	for (unsigned i = 0; i < d->queue_count; i++)
		d->queues[i] = (struct virtio_queue){
			.size_max = size, .size = size, .kick = -1, .call = -1};
	for (unsigned i = 0; i < d->queue_count; i++) {
		struct virtio_queue *queue = &d->queues[i];

		queue->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		queue->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick < 0 || queue->call < 0)
			return -errno;
		d->msix.sources[i].fd = queue->call;
	}
	d->config_call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->msix.sources[d->queue_count].fd = d->config_call;
	return d->config_call < 0 ? -errno : 0;
}

int
virtio_device_init(struct virtio_device *d, const struct virtio_place *place,
	const struct virtio_identity *identity, struct err *err)
{
	const struct pci_identity pci = {.vendor = VENDOR,
		.device = (uint16_t)(DEVICE_BASE + identity->id),
		.subsystem = SUBSYSTEM,
		.revision = REVISION_MODERN,
		.class = identity->class};
	int rc;

	*d = (struct virtio_device){.bus = place->bus,
		.kvm = place->kvm,
		.ram = place->ram,
		.ops = identity->ops,
		.owner = identity->owner,
		.name = identity->name,
		.offered = identity->features | VIRTIO_BIT(VIRTIO_F_VERSION_1),
		.queue_count = identity->queues,
		.config_call = -1,
		.config = identity->config,
		.config_size = identity->config_size};
	pci_device_init(&d->pci, &pci, WINDOW_SIZE, &virtio_window_ops, d);
	rc = msix_init(&d->msix, d->kvm, &d->pci, identity->queues + 1, identity->queues + 1,
		TABLE_AT, PENDING_AT);
	if (!rc)
		rc = make_queues(d, identity->queue_size);
	if (!rc) {
		add_capability(d, CAP_COMMON, COMMON_AT, COMMON_SIZE);
		add_capability(d, CAP_NOTIFY, NOTIFY_AT, identity->queues * NOTIFY_STEP);
		add_capability(d, CAP_ISR, ISR_AT, 1);
		add_capability(d, CAP_DEVICE, CONFIG_AT, PART_SIZE);
		rc = pci_add(place->pci, &d->pci);
	}
	if (!rc)
		return 0;
	virtio_device_free(d);
	return err_set(err, rc, "%s: %s", identity->name, strerror(-rc));
}

void
virtio_device_free(struct virtio_device *d)
{
	for (unsigned i = 0; d->queues && i < d->queue_count; i++) {
		fd_close(&d->queues[i].kick);
		fd_close(&d->queues[i].call);
	}
	fd_close(&d->config_call);
	free(d->queues);
	d->queues = NULL;
	msix_free(&d->msix);
}
