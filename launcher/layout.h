/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout: where things are in guest-physical memory and among the I/O ports.
 *
 *	0x00007000  boot information, page tables, command line: read once by the kernel
 *	0x000e0000  ACPI tables
 *	0x000ffff0  what runs when the guest jumps to the firmware
 *	0x00100000  memory, up to 3 GiB
 *	0xc0000000  windows of PCI devices
 *	0xe0000000  PCI configuration space of bus 0 (ECAM)
 *	0xfec00000  IOAPIC, local APICs, pages that KVM needs
 *	0x100000000 the rest of memory
 */
#ifndef LAUNCHER_LAYOUT_H
#define LAUNCHER_LAYOUT_H

#define LAYOUT_GDT          0x1000
#define LAYOUT_PVH_INFO     0x6000
#define LAYOUT_ZERO_PAGE    0x7000
#define LAYOUT_BOOT_STACK   0x8ff0
#define LAYOUT_PAGE_TABLES  0x9000 /* PML4, PDPT, 4 page directories */
#define LAYOUT_CMDLINE      0x20000
#define LAYOUT_LOW_END      0x9fc00 /* end of memory below 640 KiB */
#define LAYOUT_ACPI         0xe0000
#define LAYOUT_ACPI_SIZE    0x1fff0
#define LAYOUT_FIRMWARE     0xffff0 /* F000:FFF0, where a PC begins */
#define LAYOUT_HIGH_START   0x100000
#define LAYOUT_RAM_LOW_MAX  0xc0000000ULL
#define LAYOUT_PCI_WINDOW   0xc0000000ULL
#define LAYOUT_PCI_SIZE     0x20000000ULL
#define LAYOUT_ECAM         0xe0000000ULL
#define LAYOUT_ECAM_SIZE    0x100000ULL /* bus 0 */
#define LAYOUT_IOAPIC       0xfec00000ULL
#define LAYOUT_LAPIC        0xfee00000ULL
#define LAYOUT_IDENTITY_MAP 0xfffbc000ULL
#define LAYOUT_TSS          0xfffbd000ULL
#define LAYOUT_RAM_HIGH     0x100000000ULL

#define PORT_PIC      0x20
#define PORT_TIMER    0x61
#define PORT_I8042    0x60
#define PORT_CMOS     0x70
#define PORT_COM1     0x3f8
#define PORT_POWER    0x600 /* launcher/legacy.h */
#define PORT_PCI      0xcf8
#define PORT_PCI_DATA 0xcfc

#define IRQ_COM1   4
#define IRQ_BUTTON 5
#define IRQ_PINS   24 /* of the IOAPIC; message-signalled interrupts come behind them */

#endif
