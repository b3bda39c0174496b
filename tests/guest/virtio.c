/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/virtio_blk.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "launcher/virtio_device.h"
#include "tests/guest/virtio.h"

#define CAP_VENDOR   0x09
#define CAP_MSIX     0x11
#define VENDOR       0x1af4
#define DEVICE_BASE  0x1040
#define CAPS_MAX     16
#define ACKNOWLEDGED (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)

struct ring ring __attribute__((aligned(4096)));
uint8_t buffer[65536] __attribute__((aligned(4096)));

/* ---- finding ---- */

static void
take_capability(struct driver *d, unsigned at)
{
	uint64_t base = config_get(d->slot, PCI_BAR0, 4) & ~15u;
	uint64_t place = base + config_get(d->slot, at + VIRTIO_PCI_CAP_OFFSET, 4);

	switch (config_get(d->slot, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		d->common = place;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		d->notify = place;
		d->notify_step = (uint32_t)config_get(d->slot, at + 16, 4);
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		d->isr = place;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		d->config = place;
		break;
	}
}

static bool
walk(struct driver *d)
{
	uint64_t base = config_get(d->slot, PCI_BAR0, 4) & ~15u;
	unsigned at = (unsigned)config_get(d->slot, PCI_CAPABILITIES, 1);

	for (unsigned n = 0; at && n < CAPS_MAX; n++) {
		unsigned id = (unsigned)config_get(d->slot, at, 1);

		if (id == CAP_VENDOR) {
			take_capability(d, at);
		} else if (id == CAP_MSIX) {
			d->table = base + (config_get(d->slot, at + 4, 4) & ~7u);
			d->pending = base + (config_get(d->slot, at + 8, 4) & ~7u);
		}
		at = (unsigned)config_get(d->slot, at + 1, 1);
	}
	return !at && d->common && d->notify && d->isr && d->config && d->table && d->pending;
}

bool
driver_find(struct driver *d, unsigned id, unsigned number)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		if (config_get(slot, PCI_VENDOR, 4) != (VENDOR | (DEVICE_BASE + id) << 16) ||
			number--)
			continue;
		*d = (struct driver){.slot = slot, .id = id};
		return walk(d);
	}
	return false;
}

/* ---- registers ---- */

uint64_t
common_get(const struct driver *d, unsigned reg, unsigned length)
{
	return get(d->common + reg, length);
}

void
common_put(const struct driver *d, unsigned reg, unsigned length, uint64_t value)
{
	put(d->common + reg, length, value);
}

uint8_t
status_get(const struct driver *d)
{
	return (uint8_t)common_get(d, VIRTIO_PCI_COMMON_STATUS, 1);
}

void
status_put(const struct driver *d, uint8_t status)
{
	common_put(d, VIRTIO_PCI_COMMON_STATUS, 1, status);
}

static bool
is_reset(void *arg)
{
	return !status_get(arg);
}

void
negotiate(struct driver *d, uint64_t features)
{
	features |= VIRTIO_BIT(VIRTIO_F_VERSION_1);
	status_put(d, 0);
	await(is_reset, d);
	status_put(d, VIRTIO_STATUS_ACKNOWLEDGE);
	status_put(d, ACKNOWLEDGED);
	for (unsigned half = 0; half < 2; half++) {
		common_put(d, VIRTIO_PCI_COMMON_DFSELECT, 4, half);
		common_put(d, VIRTIO_PCI_COMMON_GFSELECT, 4, half);
		common_put(d, VIRTIO_PCI_COMMON_GF, 4,
			common_get(d, VIRTIO_PCI_COMMON_DF, 4) & features >> (32 * half));
	}
	status_put(d, ACKNOWLEDGED | VIRTIO_STATUS_FEATURES_OK);
}

void
describe(struct driver *d, unsigned index, unsigned size, uint64_t desc, uint64_t driver,
	uint64_t device)
{
	const uint64_t places[] = {desc, driver, device};

	common_put(d, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	common_put(d, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	for (unsigned i = 0; i < 3; i++) {
		common_put(d, VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, 4, places[i]);
		common_put(d, VIRTIO_PCI_COMMON_Q_DESCHI + 8 * i, 4, places[i] >> 32);
	}
	common_put(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

void
start_device(struct driver *d, uint64_t features)
{
	negotiate(d, features);
	memset(&ring, 0, sizeof(ring.desc) + 512);
	memset(ring.device, 0, 1024);
	d->next = d->seen = 0;
	describe(d, d->queue, RING_SIZE, (uint64_t)ring.desc, (uint64_t)ring.driver,
		(uint64_t)ring.device);
	status_put(d, ACKNOWLEDGED | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
}

/* ---- requests ---- */

void
part(unsigned i, const void *address, uint32_t length, uint16_t flags, uint16_t next)
{
	ring.desc[i] = (struct virtq_desc){(uint64_t)address, length, flags, next};
}

void
kick(struct driver *d, unsigned queue)
{
	put(d->notify + (uint64_t)queue * d->notify_step, 2, queue);
}

void
offer(struct driver *d, uint16_t head)
{
	avail()->ring[d->next % RING_SIZE] = head;
	__atomic_store_n(&avail()->idx, ++d->next, __ATOMIC_RELEASE);
	kick(d, d->queue);
}

static bool
is_used(const struct driver *d)
{
	return used()->idx != d->seen;
}

static bool
is_answered(void *arg)
{
	return is_used(arg) || status_get(arg) & VIRTIO_STATUS_NEEDS_RESET;
}

bool
came_back(struct driver *d)
{
	if (!await(is_answered, d) || !is_used(d))
		return false;
	d->seen++;
	return true;
}

static bool
needs_reset(void *arg)
{
	return status_get(arg) & VIRTIO_STATUS_NEEDS_RESET;
}

bool
wants_reset(struct driver *d)
{
	return await(needs_reset, d);
}

void
expect_works(struct driver *d)
{
	const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};

	start_device(d, 0);
	if (d->id == VIRTIO_ID_BLOCK) {
		memcpy(buffer, &header, sizeof(header));
		part(0, buffer, sizeof(header), VIRTQ_DESC_F_NEXT, 1);
		part(1, buffer + 512, 513, VIRTQ_DESC_F_WRITE, 0);
	} else {
		part(0, buffer, 64, VIRTQ_DESC_F_WRITE, 0);
	}
	offer(d, 0);
	expect("works after a reset",
		came_back(d) && (d->id == VIRTIO_ID_BALLOON || d->id == VIRTIO_ID_CONSOLE ||
					used()->ring[0].len),
		1);
	status_put(d, 0);
}
