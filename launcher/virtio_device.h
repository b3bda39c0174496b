/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_device: a virtio device on the PCI bus (virtio 1.2, 2.1 to 2.4 and 4.1; modern only), and the
 * order in which a driver may set it up:
 *
 *	status 0                  -> ACKNOWLEDGE, DRIVER: features may be chosen
 *	FEATURES_OK               -> what was chosen is fixed; queues may be described and enabled
 *	DRIVER_OK                 -> ops->start(); nothing but status can be written any more
 *	status 0 again            -> ops->stop(), all of it from the beginning
 *
 * What comes out of order is ignored; a queue whose description is impossible, or a device that finds
 * its rings broken, sets DEVICE_NEEDS_RESET.
 *
 * Threads: under the bus's lock, except virtio_device_stopped() and what eventfds do.
 */
#ifndef LAUNCHER_VIRTIO_DEVICE_H
#define LAUNCHER_VIRTIO_DEVICE_H

#include "launcher/msix.h"
#include "launcher/pci.h"
#include "launcher/ram.h"
#include "lib/err.h"

#define VIRTIO_QUEUES_MAX 80

#define VIRTIO_ID_NET     1
#define VIRTIO_ID_BLOCK   2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_RNG     4
#define VIRTIO_ID_BALLOON 5

struct virtio_queue {
	uint16_t size_max;
	uint16_t size;
	bool enabled;
	uint64_t desc, driver, device; /* guest-physical; checked when enabled */
	int kick;                      /* eventfd: the driver has made buffers available */
	int call;                      /* eventfd: interrupts the driver */
};

struct virtio_device;

struct virtio_ops {
	/* DRIVER_OK: device->accepted and the queues that are enabled are fixed until stop(). */
	void (*start)(void *owner);
	/*
	 * Nothing touches the queues any more when this returns true; false: virtio_device_stopped()
	 * will be called by another thread.
	 */
	bool (*stop)(void *owner);
	/* The device's own configuration was written (NULL = it is read-only). */
	void (*configure)(void *owner, unsigned offset, unsigned length, uint64_t value);
};

struct virtio_device {
	struct pci_device pci;
	struct msix msix;
	struct bus *bus;
	struct kvm *kvm;
	const struct ram *ram;
	const struct virtio_ops *ops;
	void *owner;
	const char *name; /* for people: "disk 0" */

	uint64_t offered, accepted;
	uint8_t status, generation, isr;
	bool resetting, started;
	uint32_t offered_select, accepted_select;
	uint16_t queue_select;

	struct virtio_queue *queues;
	unsigned queue_count;
	uint64_t
		notify_base; /* where the window was when the kicks were given to KVM; 0 = nowhere */
	int config_call;     /* eventfd: interrupts the driver, its configuration changed */
	const void *config;  /* the device's own configuration; the owner's */
	unsigned config_size;
};

struct virtio_identity {
	unsigned id; /* VIRTIO_ID_... */
	uint32_t class;
	const char *name;
	unsigned queues;
	uint16_t queue_size; /* the largest */
	uint64_t features;   /* VERSION_1 is added */
	const void *config;
	unsigned config_size;
	const struct virtio_ops *ops;
	void *owner;
};

/* What all devices of a machine share. */
struct virtio_place {
	struct pci *pci;
	struct bus *bus;
	struct kvm *kvm;
	const struct ram *ram;
};

/* Puts the device on the bus.  -ENOSPC (no slot), -EMFILE... with a text. */
int virtio_device_init(struct virtio_device *device, const struct virtio_place *place,
	const struct virtio_identity *identity, struct err *err);
/* After everything was stopped. */
void virtio_device_free(struct virtio_device *device);

/* Without the lock, when no processor runs: as a driver's reset, and waits until it is done. */
void virtio_device_quiesce(struct virtio_device *device);
void virtio_device_stopped(struct virtio_device *device);

/* The device's configuration changed. */
void virtio_device_changed(struct virtio_device *device);
/* The rings cannot be followed: what about them, logged once per start. */
void virtio_device_broken(struct virtio_device *device, const char *what);

static inline bool
virtio_device_has(const struct virtio_device *device, unsigned bit)
{
	return device->accepted >> bit & 1;
}

#endif
