/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see virtio_device.c. Every access is aligned to its length (launcher/pci.c).
 */
#include <string.h>
#include <sys/eventfd.h>

#include "launcher/virtio_window.h"
#include "vhost/virtio.h"

/* struct virtio_pci_common_cfg, 4.1.4.3. */
enum {
	COMMON_OFFERED_SELECT = 0,
	COMMON_OFFERED = 4,
	COMMON_ACCEPTED_SELECT = 8,
	COMMON_ACCEPTED = 12,
	COMMON_CONFIG_VECTOR = 16,
	COMMON_QUEUES = 18,
	COMMON_STATUS = 20,
	COMMON_GENERATION = 21,
	COMMON_QUEUE_SELECT = 22,
	COMMON_QUEUE_SIZE = 24,
	COMMON_QUEUE_VECTOR = 26,
	COMMON_QUEUE_ENABLE = 28,
	COMMON_QUEUE_NOTIFY = 30,
	COMMON_QUEUE_DESC = 32,
	COMMON_QUEUE_DRIVER = 40,
	COMMON_QUEUE_DEVICE = 48,
};

/* ---- queues ---- */

static struct virtio_queue *
selected(struct virtio_device *d)
{
	return d->queue_select < d->queue_count ? &d->queues[d->queue_select] : NULL;
}

/* 2.7 and 2.8: sizes and alignment of the three parts. */
static bool
queue_is_possible(const struct virtio_device *d, const struct virtio_queue *queue)
{
	uint64_t size = queue->size, desc = 16 * size, driver, device;
	bool packed = virtio_device_has(d, VIRTIO_F_RING_PACKED);
	unsigned event = virtio_device_has(d, VIRTIO_RING_F_EVENT_IDX) ? 2 : 0;

	if (!size || size > queue->size_max || (!packed && (size & (size - 1))))
		return false;
	driver = packed ? 4 : 4 + 2 * size + event;
	device = packed ? 4 : 4 + 8 * size + event;
	return queue->desc % 16 == 0 && queue->driver % (packed ? 4 : 2) == 0 &&
	       queue->device % 4 == 0 && ram_at(d->ram, queue->desc, desc) &&
	       ram_at(d->ram, queue->driver, driver) && ram_at(d->ram, queue->device, device);
}

static void
enable_queue(struct virtio_device *d, struct virtio_queue *queue)
{
	if (queue_is_possible(d, queue))
		queue->enabled = true;
	else
		virtio_device_broken(d, "a queue's size or addresses are impossible");
}

static void
write_part(uint64_t *address, uint64_t offset, unsigned length, uint64_t value)
{
	uint64_t mask = length == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << (8 * offset);

	if (length == 8 || length == 4)
		*address = (*address & ~mask) | (value << (8 * offset) & mask);
}

/* Only between FEATURES_OK and DRIVER_OK, and only what is not enabled yet. */
static void
write_queue(struct virtio_device *d, uint64_t offset, unsigned length, uint64_t value)
{
	struct virtio_queue *queue = selected(d);
	const uint8_t phase = VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK;

	if (!queue || queue->enabled || (d->status & phase) != VIRTIO_STATUS_FEATURES_OK)
		return;
	if (offset == COMMON_QUEUE_SIZE && length == 2)
		queue->size = (uint16_t)value;
	else if (offset == COMMON_QUEUE_ENABLE && length == 2 && value == 1)
		enable_queue(d, queue);
	else if (offset >= COMMON_QUEUE_DEVICE)
		write_part(&queue->device, offset - COMMON_QUEUE_DEVICE, length, value);
	else if (offset >= COMMON_QUEUE_DRIVER)
		write_part(&queue->driver, offset - COMMON_QUEUE_DRIVER, length, value);
	else if (offset >= COMMON_QUEUE_DESC)
		write_part(&queue->desc, offset - COMMON_QUEUE_DESC, length, value);
}

static uint64_t
read_queue(struct virtio_device *d, uint64_t offset, unsigned length)
{
	const struct virtio_queue *queue = selected(d);
	uint8_t image[COMMON_QUEUE_DEVICE + 8 - COMMON_QUEUE_SIZE] = {0};
	uint16_t words[4];
	uint64_t value = 0;

	if (queue) {
		words[0] = queue->size;
		words[1] = d->msix.sources[d->queue_select].vector;
		words[2] = queue->enabled;
		words[3] = d->queue_select;
		memcpy(image, words, sizeof(words));
		memcpy(image + 8, &queue->desc, 8);
		memcpy(image + 16, &queue->driver, 8);
		memcpy(image + 24, &queue->device, 8);
	}
	memcpy(&value, image + (offset - COMMON_QUEUE_SIZE), length);
	return value;
}

/* ---- common configuration ---- */

static uint64_t
read_common(struct virtio_device *d, uint64_t offset, unsigned length)
{
	if (offset >= COMMON_QUEUE_SIZE && offset + length <= COMMON_QUEUE_DEVICE + 8)
		return read_queue(d, offset, length);
	switch (offset) {
	case COMMON_OFFERED_SELECT:
		return d->offered_select;
	case COMMON_OFFERED:
		return d->offered_select < 2 ? (uint32_t)(d->offered >> (32 * d->offered_select))
					     : 0;
	case COMMON_ACCEPTED_SELECT:
		return d->accepted_select;
	case COMMON_ACCEPTED:
		return d->accepted_select < 2 ? (uint32_t)(d->accepted >> (32 * d->accepted_select))
					      : 0;
	case COMMON_CONFIG_VECTOR:
		return d->msix.sources[d->queue_count].vector;
	case COMMON_QUEUES:
		return d->queue_count;
	case COMMON_STATUS:
		return d->status;
	case COMMON_GENERATION:
		return d->generation;
	case COMMON_QUEUE_SELECT:
		return d->queue_select;
	default:
		return UINT64_MAX;
	}
}

static void
accept_features(struct virtio_device *d, uint32_t value)
{
	const uint8_t phase = VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK;
	unsigned shift = 32 * d->accepted_select;

	if (d->accepted_select > 1 || (d->status & phase) != VIRTIO_STATUS_DRIVER)
		return;
	d->accepted = (d->accepted & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

static void
write_common(struct virtio_device *d, uint64_t offset, unsigned length, uint64_t value)
{
	if (d->resetting)
		return;
	switch (offset) {
	case COMMON_OFFERED_SELECT:
		d->offered_select = (uint32_t)value;
		break;
	case COMMON_ACCEPTED_SELECT:
		d->accepted_select = (uint32_t)value;
		break;
	case COMMON_ACCEPTED:
		if (length == 4)
			accept_features(d, (uint32_t)value);
		break;
	case COMMON_CONFIG_VECTOR:
		msix_bind(&d->msix, d->queue_count, (uint16_t)value);
		break;
	case COMMON_STATUS:
		virtio_device_set_status(d, (uint8_t)value);
		break;
	case COMMON_QUEUE_SELECT:
		d->queue_select = (uint16_t)value;
		break;
	case COMMON_QUEUE_VECTOR:
		if (selected(d))
			msix_bind(&d->msix, d->queue_select, (uint16_t)value);
		break;
	default:
		if (offset >= COMMON_QUEUE_SIZE && offset < COMMON_QUEUE_DEVICE + 8)
			write_queue(d, offset, length, value);
	}
}

/* ---- the window ---- */

static uint64_t
window_read(void *owner, uint64_t offset, unsigned length)
{
	struct virtio_device *d = owner;
	uint64_t in = offset % PART_SIZE, value = 0;

	switch (offset - in) {
	case COMMON_AT:
		return read_common(d, in, length);
	case ISR_AT:
		value = in ? 0 : d->isr;
		d->isr = in ? d->isr : 0;
		return value;
	case CONFIG_AT:
		if (in + length > d->config_size)
			return 0;
		memcpy(&value, (const uint8_t *)d->config + in, length);
		return value;
	case TABLE_AT:
		return msix_table_read(&d->msix, in, length);
	case PENDING_AT:
		return msix_pending_read(&d->msix, in, length);
	default:
		return 0;
	}
}

static void
window_write(void *owner, uint64_t offset, unsigned length, uint64_t value)
{
	struct virtio_device *d = owner;
	uint64_t in = offset % PART_SIZE;

	switch (offset - in) {
	case COMMON_AT:
		write_common(d, in, length, value);
		break;
	case CONFIG_AT:
		if (d->ops->configure && in + length <= d->config_size)
			d->ops->configure(d->owner, (unsigned)in, length, value);
		break;
	case NOTIFY_AT: /* where KVM did not see it */
		if (in / NOTIFY_STEP < d->queue_count)
			eventfd_write(d->queues[in / NOTIFY_STEP].kick, 1);
		break;
	case TABLE_AT:
		msix_table_write(&d->msix, in, length, value);
		break;
	}
}

/* The addresses whose writes are signals move with the window. */
static void
window_moved(void *owner, uint64_t base)
{
	struct virtio_device *d = owner;

	for (unsigned i = 0; i < d->queue_count; i++) {
		struct virtio_queue *queue = &d->queues[i];
		uint64_t at = NOTIFY_AT + (uint64_t)i * NOTIFY_STEP;

		if (d->notify_base)
			kvm_ioeventfd(d->kvm, queue->kick, d->notify_base + at, false);
		/* A collision with another window's costs an exit for each signal. */
		if (base)
			kvm_ioeventfd(d->kvm, queue->kick, base + at, true);
	}
	d->notify_base = base;
}

static void
configured(void *owner, unsigned offset, unsigned length)
{
	struct virtio_device *d = owner;

	msix_configured(&d->msix);
}

const struct pci_ops virtio_window_ops = {.read = window_read,
	.write = window_write,
	.moved = window_moved,
	.configured = configured};
