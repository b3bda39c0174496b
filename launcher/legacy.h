/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * legacy: what a PC must have beside its devices: the clock with its memory (MC146818), the keyboard
 * controller as far as it resets, the timer's port, and the registers that ACPI names for switching
 * off, starting again and the power button.
 *
 * Threads: under the bus's lock.
 */
#ifndef LAUNCHER_LEGACY_H
#define LAUNCHER_LEGACY_H

#include <stdint.h>

#include "launcher/bus.h"
#include "launcher/wish.h"

/* ACPI 6.4, 4.8.3.7: sleep control and status of hardware-reduced ACPI; and a reset register. */
#define POWER_SLEEP_CONTROL 0
#define POWER_SLEEP_STATUS  1
#define POWER_RESET         2
#define POWER_PORTS         4
#define POWER_TYPE_S5       5 /* what DSDT calls \_S5 */
#define POWER_RESET_VALUE   1

#define CMOS_SIZE 128

struct legacy {
	struct wish *wish;
	uint8_t cmos_index, cmos[CMOS_SIZE];
	uint64_t clock_ns; /* when the clock was last copied into cmos */
	uint8_t timer;
};

/* Puts all of it on the bus. */
void legacy_init(struct legacy *legacy, struct bus *bus, struct wish *wish);

#endif
