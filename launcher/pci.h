/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci: one PCI bus with configuration space by ports (0xcf8) and by memory (ECAM), and devices of one
 * function and one memory window each (PCI Local Bus 3.0, chapter 6; PCI Express 4.0, 7.2.2).
 *
 * Threads: pci_init() and pci_add() the main thread before processors run; the rest under the
 * bus's lock.
 */
#ifndef LAUNCHER_PCI_H
#define LAUNCHER_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/bus.h"
#include "launcher/wish.h"

#define PCI_SLOTS       32
#define PCI_CONFIG_SIZE 256

/* Offsets in configuration space. */
#define PCI_VENDOR        0x00
#define PCI_DEVICE        0x02
#define PCI_COMMAND       0x04
#define PCI_STATUS        0x06
#define PCI_REVISION      0x08
#define PCI_CLASS         0x09
#define PCI_BAR0          0x10
#define PCI_SUBSYS_VENDOR 0x2c
#define PCI_SUBSYS_DEVICE 0x2e
#define PCI_CAPABILITIES  0x34
#define PCI_CAP_START     0x40

#define PCI_COMMAND_MEMORY 0x0002
#define PCI_STATUS_CAPS    0x0010

struct pci_device;

struct pci_ops {
	/* Within the window; aligned to its length. */
	bus_read_cb read;
	bus_write_cb write;
	/* The window answers at `base` from here on, 0 = nowhere. */
	void (*moved)(void *owner, uint64_t base);
	/* Bytes of configuration space were written, as far as they may be. */
	void (*configured)(void *owner, unsigned offset, unsigned length);
};

struct pci_device {
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* bits that a guest can change */
	uint32_t window;                   /* bytes, a power of two; 0 = none */
	uint64_t base;                     /* where it answers; 0 = nowhere */
	uint32_t first_base;               /* where it answers after a reset */
	uint8_t caps_used, last_cap;
	const struct pci_ops *ops;
	void *owner;
};

struct pci {
	struct pci_device *slots[PCI_SLOTS];
	unsigned count;
	uint32_t address; /* what was written to port 0xcf8 */
	struct pci_device bridge;
	struct wish *wish;
};

/* An empty bus with a host bridge, on the machine's bus. */
void pci_init(struct pci *pci, struct bus *bus, struct wish *wish);

struct pci_identity {
	uint16_t vendor, device, subsystem;
	uint8_t revision;
	uint32_t class;
};
void pci_device_init(struct pci_device *device, const struct pci_identity *identity,
	uint32_t window, const struct pci_ops *ops, void *owner);
/* Appends a capability; returns where it is.  Its bytes are read-only. */
unsigned pci_device_capability(
	struct pci_device *device, uint8_t id, const void *body, unsigned length);
/* -ENOSPC when the bus is full.  The device stays the caller's and for ever. */
int pci_add(struct pci *pci, struct pci_device *device);
/* As after power on. */
void pci_reset(struct pci *pci);

static inline uint32_t
pci_get(const struct pci_device *device, unsigned offset, unsigned length)
{
	uint32_t value = 0;

	__builtin_memcpy(&value, device->config + offset, length);
	return value;
}

static inline void
pci_set(struct pci_device *device, unsigned offset, unsigned length, uint32_t value)
{
	__builtin_memcpy(device->config + offset, &value, length);
}

#endif
