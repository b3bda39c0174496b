/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_window: the registers of a virtio device in its PCI window (virtio 1.2, 4.1.4), between
 * virtio_window.c, which decodes accesses, and virtio_device.c, which knows what they mean.
 */
#ifndef LAUNCHER_VIRTIO_WINDOW_H
#define LAUNCHER_VIRTIO_WINDOW_H

#include "launcher/virtio_device.h"

/* The window: each part on a page of its own. */
#define WINDOW_SIZE 0x8000
#define COMMON_AT   0x0000
#define ISR_AT      0x1000
#define CONFIG_AT   0x2000
#define NOTIFY_AT   0x3000
#define TABLE_AT    0x4000
#define PENDING_AT  0x5000
#define PART_SIZE   0x1000
#define NOTIFY_STEP 4
#define COMMON_SIZE 56

#define VIRTIO_ISR_CONFIG 2

extern const struct pci_ops virtio_window_ops;

/* virtio_device.c: the driver writes the device status. */
void virtio_device_set_status(struct virtio_device *device, uint8_t status);

#endif
