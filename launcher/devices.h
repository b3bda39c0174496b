/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devices: the devices on a machine's PCI bus: what the configuration asks for, made once, and used
 * by one start of the guest after the other.
 *
 * Threads: the main thread.
 */
#ifndef LAUNCHER_DEVICES_H
#define LAUNCHER_DEVICES_H

#include "launcher/machine_state.h"

struct devices;

/* Waits for the back ends of network cards, as long as the machine is not ended meanwhile. */
int devices_create(struct devices **devices, struct machine *machine, struct err *err);
/* Starts their threads, which enter the machine's sandbox. */
int devices_run(struct devices *devices, struct err *err);
/* As after power on, in the machine that kvm is at present. */
void devices_reset(struct devices *devices);
/* No device touches the guest's memory any more. */
void devices_stop(struct devices *devices);
/* NULL is fine. */
void devices_destroy(struct devices *devices);

/* Bit i: card i is connected. */
uint32_t devices_links(const struct devices *devices);
uint64_t devices_memory(const struct devices *devices);
/* Asks the guest to do with so much memory; -ENOTSUP without a balloon. */
int devices_balloon(struct devices *devices, uint64_t keep);

#endif
