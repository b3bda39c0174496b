/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci: the guest's side of configuration space, by ports and by memory.
 */
#ifndef TESTS_GUEST_PCI_H
#define TESTS_GUEST_PCI_H

#include "launcher/layout.h"
#include "launcher/pci.h"
#include "tests/guest/guest.h"

static inline uint64_t
pci_place(unsigned slot, unsigned reg)
{
	return LAYOUT_ECAM + (slot << 15) + reg;
}

static inline uint64_t
config_get(unsigned slot, unsigned reg, unsigned length)
{
	return get(pci_place(slot, reg), length);
}

static inline void
config_put(unsigned slot, unsigned reg, unsigned length, uint64_t value)
{
	put(pci_place(slot, reg), length, value);
}

/* address: what is written to port 0xcf8. */
static inline uint32_t
config_get_by_ports(uint32_t address, unsigned byte, unsigned length)
{
	port_put(PORT_PCI, 4, address);
	return port_get((uint16_t)(PORT_PCI_DATA + byte), length);
}

#define CONFIG_ADDRESS(bus, slot, reg) (0x80000000u | (bus) << 16 | (slot) << 11 | (reg))

#endif
