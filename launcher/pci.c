/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the guest writes what it likes wherever it likes.  Accesses that are not aligned or
 * longer than a register read as ones; bits change only where `writable` says so; a window that was
 * moved to where something else is does not get that thing's accesses.
 */
#include <errno.h>
#include <string.h>

#include "launcher/layout.h"
#include "launcher/pci.h"

#define ADDRESS_ENABLE 0x80000000u
#define PORTS          8
#define PORT_RESET     1 /* 0xcf9 */
#define PORT_RESET_CPU 0x04
#define ECAM_FUNCTION  4096
#define ECAM_SLOT      (8 * ECAM_FUNCTION)
#define BRIDGE_VENDOR  0x1b36
#define BRIDGE_DEVICE  0x0008
#define CLASS_BRIDGE   0x060000
#define SUBSYS_VENDOR  0x1af4

/* ---- one device ---- */

static void
update_window(struct pci_device *device)
{
	uint64_t base = 0;

	if (!device->window)
		return;
	if (pci_get(device, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY)
		base = pci_get(device, PCI_BAR0, 4) & ~15u;
	if (base < LAYOUT_PCI_WINDOW || base > LAYOUT_PCI_WINDOW + LAYOUT_PCI_SIZE - device->window)
		base = 0; /* while its size is being asked for, too */
	if (base == device->base)
		return;
	device->base = base;
	device->ops->moved(device->owner, base);
}

static void
device_write(struct pci_device *device, unsigned offset, unsigned length, uint64_t value)
{
	for (unsigned i = 0; i < length; i++, value >>= 8) {
		uint8_t mask = device->writable[offset + i];
		uint8_t *byte = &device->config[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (value & mask));
	}
	update_window(device);
	if (device->ops && device->ops->configured)
		device->ops->configured(device->owner, offset, length);
}

void
pci_device_init(struct pci_device *device, const struct pci_identity *identity, uint32_t window,
	const struct pci_ops *ops, void *owner)
{
	*device = (struct pci_device){
		.window = window, .caps_used = PCI_CAP_START, .ops = ops, .owner = owner};
	pci_set(device, PCI_VENDOR, 2, identity->vendor);
	pci_set(device, PCI_DEVICE, 2, identity->device);
	pci_set(device, PCI_REVISION, 1, identity->revision);
	pci_set(device, PCI_CLASS, 3, identity->class);
	pci_set(device, PCI_SUBSYS_VENDOR, 2, SUBSYS_VENDOR);
	pci_set(device, PCI_SUBSYS_DEVICE, 2, identity->subsystem);
	if (window) {
		uint32_t mask = ~(window - 1);

		memcpy(device->writable + PCI_BAR0, &mask, sizeof(mask));
		device->writable[PCI_COMMAND] = 0x06;     /* memory, bus master */
		device->writable[PCI_COMMAND + 1] = 0x04; /* no INTx: there is none */
	}
	device->writable[0x3c] = 0xff; /* a note for the driver */
}

unsigned
pci_device_capability(struct pci_device *device, uint8_t id, const void *body, unsigned length)
{
	unsigned at = device->caps_used;

	device->config[at] = id;
	memcpy(device->config + at + 2, body, length);
	device->config[device->last_cap ? device->last_cap + 1u : PCI_CAPABILITIES] = (uint8_t)at;
	device->config[PCI_STATUS] |= PCI_STATUS_CAPS;
	device->last_cap = (uint8_t)at;
	device->caps_used = (uint8_t)((at + 2 + length + 3) & ~3u);
	return at;
}

/* ---- access by the guest ---- */

static struct pci_device *
find_slot(struct pci *pci, unsigned slot, unsigned function)
{
	return slot < PCI_SLOTS && !function ? pci->slots[slot] : NULL;
}

static bool
is_register(uint64_t offset, unsigned length)
{
	return length <= 4 && offset % length == 0 && offset + length <= PCI_CONFIG_SIZE;
}

static uint64_t
ecam_read(void *bus, uint64_t offset, unsigned length)
{
	struct pci_device *device = find_slot(
		bus, (unsigned)(offset / ECAM_SLOT), (unsigned)(offset / ECAM_FUNCTION % 8));
	uint64_t reg = offset % ECAM_FUNCTION;

	if (!device)
		return UINT64_MAX;
	if (reg >= PCI_CONFIG_SIZE)
		return 0; /* no extended capabilities */
	return is_register(reg, length) ? pci_get(device, (unsigned)reg, length) : UINT64_MAX;
}

static void
ecam_write(void *bus, uint64_t offset, unsigned length, uint64_t value)
{
	struct pci_device *device = find_slot(
		bus, (unsigned)(offset / ECAM_SLOT), (unsigned)(offset / ECAM_FUNCTION % 8));
	uint64_t reg = offset % ECAM_FUNCTION;

	if (device && is_register(reg, length))
		device_write(device, (unsigned)reg, length, value);
}

/* What the address register names, as an offset in ECAM; false when it names nothing. */
static bool
named_by_address(const struct pci *pci, uint64_t port, uint64_t *offset)
{
	uint32_t address = pci->address;

	if (port < 4 || !(address & ADDRESS_ENABLE) || (address >> 16 & 0xff))
		return false;
	*offset = (uint64_t)(address >> 8 & 0xff) * ECAM_FUNCTION + (address & 0xfc) + (port - 4);
	return true;
}

static uint64_t
port_read(void *bus, uint64_t port, unsigned length)
{
	struct pci *pci = bus;
	uint64_t offset;

	if (port == 0 && length == 4)
		return pci->address;
	return named_by_address(pci, port, &offset) ? ecam_read(pci, offset, length) : UINT64_MAX;
}

static void
port_write(void *bus, uint64_t port, unsigned length, uint64_t value)
{
	struct pci *pci = bus;
	uint64_t offset;

	if (port == 0 && length == 4)
		pci->address = (uint32_t)value & 0x80fffffc;
	else if (port == PORT_RESET && length == 1 && (value & PORT_RESET_CPU))
		wish_raise(pci->wish, WISH_RESET);
	else if (named_by_address(pci, port, &offset))
		ecam_write(pci, offset, length, value);
}

static struct pci_device *
find_window(struct pci *pci, uint64_t address, unsigned length)
{
	for (unsigned i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *device = pci->slots[i];

		if (device && device->base && address >= device->base &&
			address - device->base < device->window && address % length == 0)
			return device;
	}
	return NULL;
}

static uint64_t
window_read(void *bus, uint64_t offset, unsigned length)
{
	uint64_t address = LAYOUT_PCI_WINDOW + offset;
	struct pci_device *device = find_window(bus, address, length);

	if (!device)
		return UINT64_MAX;
	return device->ops->read(device->owner, address - device->base, length);
}

static void
window_write(void *bus, uint64_t offset, unsigned length, uint64_t value)
{
	uint64_t address = LAYOUT_PCI_WINDOW + offset;
	struct pci_device *device = find_window(bus, address, length);

	if (device)
		device->ops->write(device->owner, address - device->base, length, value);
}

/* ---- the bus ---- */

void
pci_init(struct pci *pci, struct bus *bus, struct wish *wish)
{
	const struct pci_identity bridge = {
		.vendor = BRIDGE_VENDOR, .device = BRIDGE_DEVICE, .class = CLASS_BRIDGE};
	const struct bus_range ranges[] = {
		{.first = PORT_PCI, .size = PORTS, .read = port_read, .write = port_write},
		{.memory = true,
			.first = LAYOUT_ECAM,
			.size = LAYOUT_ECAM_SIZE,
			.read = ecam_read,
			.write = ecam_write},
		{.memory = true,
			.first = LAYOUT_PCI_WINDOW,
			.size = LAYOUT_PCI_SIZE,
			.read = window_read,
			.write = window_write},
	};

	*pci = (struct pci){.wish = wish};
	bus_add(bus, ranges, sizeof(ranges) / sizeof(ranges[0]), pci);
	pci_device_init(&pci->bridge, &bridge, 0, NULL, NULL);
	pci_add(pci, &pci->bridge);
}

int
pci_add(struct pci *pci, struct pci_device *device)
{
	if (pci->count == PCI_SLOTS)
		return -ENOSPC;
	device->first_base = (uint32_t)(LAYOUT_PCI_WINDOW + pci->count * device->window);
	pci->slots[pci->count++] = device;
	return 0;
}

void
pci_reset(struct pci *pci)
{
	pci->address = 0;
	for (unsigned i = 0; i < pci->count; i++) {
		struct pci_device *device = pci->slots[i];

		for (unsigned at = 0; at < PCI_CONFIG_SIZE; at++)
			device->config[at] &= (uint8_t)~device->writable[at];
		if (!device->window)
			continue;
		pci_set(device, PCI_BAR0, 4, device->first_base);
		pci_set(device, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		device->base = 0;
		update_window(device);
	}
}
