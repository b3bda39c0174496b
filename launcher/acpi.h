/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acpi: the tables that tell a guest what machine it is on (ACPI 6.4; hardware-reduced, so that there
 * is neither a PIT nor a PIC nor fixed event registers; PCI firmware specification 3.3 for MCFG).
 */
#ifndef LAUNCHER_ACPI_H
#define LAUNCHER_ACPI_H

#include <stdint.h>

#include "launcher/ram.h"
#include "lib/err.h"

/* Writes RSDP, XSDT, FADT, MADT, MCFG and DSDT from LAYOUT_ACPI on. */
int acpi_write(const struct ram *ram, unsigned cpus, struct err *err);

#endif
